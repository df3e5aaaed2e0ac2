/** Meaning of the fold. A change of meaning changes it and adds a golden recording (SPEC.md, C5). */
export const FOLD_VERSION = 1;
