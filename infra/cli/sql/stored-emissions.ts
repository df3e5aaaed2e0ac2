// The stored rows of a stretch of emissions, column by column. Sections are found through their session, which has an index by number.
import type { CopyTarget } from '../../runtime/copy-binary.ts';
import type { Statement } from '../../runtime/ports.ts';

export type StoredRow = Record<string, unknown>;

type Params = [partition: number, after: number, upTo: number];

const SECTIONS = 'watch_sections';

/** Rows of a table with the numbers (after, upTo]. */
export function storedEmissions({ table, columns }: CopyTarget): Statement<Params, StoredRow> {
  const names = columns.map(({ name }) => `t.${name}`).join(', ');
  const own = table === SECTIONS ? 's' : 't';
  const from = table === SECTIONS ? `sessions s JOIN ${SECTIONS} t USING (site, video, started_at, partition, emission_seq)` : `${table} t`;
  const statement = `SELECT ${names} FROM ${from} WHERE ${own}.partition = $1 AND ${own}.emission_seq > $2 AND ${own}.emission_seq <= $3`;
  return { name: `cli-stored-${table}`, text: statement };
}
