import type { Statement } from '../../infra/runtime/ports.ts';

/** Name of the temporary table that stands in for a target while a refused row is looked for. */
export const probeName = (table: string): string => `probe_${table}`;

/** A temporary copy of an emission table, gone with its transaction: aborted COPYs leave no dead space in the target (P6). */
export const createProbe = (table: string): Statement<[], never> => ({
  name: `processor_create_probe_${table}`,
  text: `CREATE TEMPORARY TABLE ${probeName(table)} (LIKE ${table} INCLUDING CONSTRAINTS) ON COMMIT DROP`,
});
