// Form-encoded bodies and long queries as a flat list of fields, bounded like everything else that comes from outside.
import { textOf } from './text.ts';

/** Fields of one form or query. */
export const FORM_FIELDS_MAX = 500;
/** A field's name and value, bytes. */
export const FORM_NAME_BYTES_MAX = 256;
export const FORM_VALUE_BYTES_MAX = 64 * 1024;

/** Fields by name, the last of equal names wins; how many were left out. `null` as prototype: any name is harmless. */
export type Form = { fields: Readonly<Record<string, string>>; dropped: number };

/** Reads `a=1&b=2`. Never throws: a wrong percent sign stays as it is. */
export function readForm(source: string | URLSearchParams): Form {
  const fields: Record<string, string> = Object.create(null);
  const params = typeof source === 'string' ? new URLSearchParams(source) : source;
  let taken = 0;
  let dropped = 0;
  for (const [name, value] of params) {
    const key = textOf(name, FORM_NAME_BYTES_MAX);
    if (key === '' || taken >= FORM_FIELDS_MAX) {
      dropped++;
      continue;
    }
    taken++;
    fields[key] = textOf(value, FORM_VALUE_BYTES_MAX);
  }
  return { fields, dropped };
}
