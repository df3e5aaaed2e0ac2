// Rollup rows of one key in several partitions become one row, of partition MERGED_PARTITION. Every column is additive (or a first or last
// instant), and questions sum over partitions, so no figure changes. A row that a processor is adding to at the moment is
// left for another time, so that this never waits for a processor; a row that is gone is made anew by the next upsert, to be merged later.
import { ROLLUP_COUNTS } from '../../../processor/sql/rollup-counts.ts';
import type { Statement } from '../../runtime/ports.ts';

/** No partition of the log has this number. */
export const MERGED_PARTITION = -1;

export type MergeDayRow = { site: string; day: string };
export type MergedRow = { gone: number; merged: number };

type Rollup = {
  table: string;
  keys: readonly string[];
  time: 'day' | 'hour';
  sums: readonly string[];
  arrays: readonly string[];
  /** Columns that keep the first and the last instant. */
  firsts: readonly string[];
  lasts: readonly string[];
};

const SESSIONS = { sums: ROLLUP_COUNTS, arrays: ['startup_counts'], firsts: [], lasts: [] };
const EVENTS = {
  keys: ['site', 'scope', 'video', 'door', 'type', 'name', 'flushed_at'],
  sums: ['events'],
  arrays: [],
  firsts: ['first_append_at'],
  lasts: ['last_append_at'],
};
const ROLLUPS: readonly Rollup[] = [
  { table: 'rollup_daily', time: 'day', keys: ['site', 'scope', 'video', 'dimension', 'value', 'watch_class'], ...SESSIONS },
  { table: 'rollup_hourly', time: 'hour', keys: ['site', 'scope', 'video', 'watch_class'], ...SESSIONS },
  {
    table: 'rollup_engagement',
    time: 'day',
    keys: ['site', 'video', 'duration_ms'],
    sums: ['plays', 'supplements'],
    arrays: ['play_steps', 'watch_steps'],
    firsts: [],
    lasts: [],
  },
  { table: 'rollup_events_daily', time: 'day', ...EVENTS },
  { table: 'rollup_events_hourly', time: 'hour', ...EVENTS },
];

const DAY_OF = { day: 'day', hour: "(hour AT TIME ZONE 'UTC')::date" } as const;
const ON_DAY = {
  day: 'r.day = $2::date',
  hour: "r.hour >= $2::date::timestamp AT TIME ZONE 'UTC' AND r.hour < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'",
} as const;

export type RollupMerge = {
  table: string;
  /** Sites and days with something to merge, days closed for at least $1 days. */
  days: Statement<[closedDays: number], MergeDayRow>;
  /** Merges one site and day. */
  merge: Statement<[site: string, day: string], MergedRow>;
};

function mergeOf({ table, keys, time, sums, arrays, firsts, lasts }: Rollup): RollupMerge {
  const key = [...keys, time];
  const of = (alias: string): string => key.map((column) => `${alias}.${column}`).join(', ');
  const values = [
    ...sums.map((name) => [name, `sum(${name})::int8`, `r.${name} + excluded.${name}`]),
    ...arrays.map((name) => [name, `array_sum(${name})`, `array_add(r.${name}, excluded.${name})`]),
    ...firsts.map((name) => [name, `min(${name})`, `least(r.${name}, excluded.${name})`]),
    ...lasts.map((name) => [name, `max(${name})`, `greatest(r.${name}, excluded.${name})`]),
  ] as [name: string, merged: string, added: string][];
  const names = values.map(([name]) => name).join(', ');
  return {
    table,
    days: {
      name: `cli-merge-days-${table}`,
      text: `SELECT DISTINCT site, ${DAY_OF[time]}::text AS day FROM (
  SELECT ${key.join(', ')} FROM ${table} WHERE ${DAY_OF[time]} <= (now() AT TIME ZONE 'UTC')::date - 1 - $1::int4
  GROUP BY ${key.join(', ')} HAVING count(*) > 1
) several ORDER BY 1, 2`,
    },
    merge: {
      name: `cli-merge-${table}`,
      text: `WITH free AS MATERIALIZED (
  SELECT r.ctid FROM ${table} r WHERE r.site = $1 AND ${ON_DAY[time]} AND r.partition <> ${MERGED_PARTITION}
    AND EXISTS (SELECT FROM ${table} o WHERE (${of('o')}) = (${of('r')}) AND o.partition <> r.partition) FOR UPDATE OF r SKIP LOCKED
), gone AS (
  DELETE FROM ${table} r USING free WHERE r.ctid = free.ctid RETURNING r.*
), merged AS (
  INSERT INTO ${table} AS r (${key.join(', ')}, partition, ${names})
  SELECT ${key.join(', ')}, ${MERGED_PARTITION}, ${values.map(([, merged]) => merged).join(', ')} FROM gone GROUP BY ${key.join(', ')}
  ON CONFLICT (${key.join(', ')}, partition) DO UPDATE SET ${values.map(([name, , added]) => `${name} = ${added}`).join(', ')} RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM merged) AS merged`,
    },
  };
}

export const mergeRollups: readonly RollupMerge[] = ROLLUPS.map(mergeOf);
