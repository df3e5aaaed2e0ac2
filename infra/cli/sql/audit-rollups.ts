// I7: keys where the rollups and the session rows disagree, in every figure of every table; streams are no sessions. Partitions are summed, since closed days may be
// merged over them. $1: only hours and days that begin since then, null = all.
import { STREAM_PROTOCOLS } from '../../../schemas/door-sessions.ts';
import { ROLLUP_DIMENSIONS, TRAFFIC_SEPARATOR, WATCH_THRESHOLDS_MS } from '../../../schemas/rollup.ts';
import type { Statement } from '../../runtime/ports.ts';

/** `place` names the key, empty parts left out: `site=shop scope=video video=intro … day=2026-11-20`. */
export type RollupAuditRow = { place: string; figure: string; rollup: number; rows: number };

/** Most differences listed, per table. */
export const ROLLUP_DIFFERENCES_MAX = 100;

const SUMMED = [
  'attempts',
  'plays',
  'unique_watch_ms',
  'total_watch_ms',
  'completions',
  'stalls',
  'stall_ms',
  'start_failures',
  'playback_failures',
  'exits_before_start',
  'bitrate_kbps_ms',
  'bitrate_known_ms',
  'switches_up',
  'switches_down',
] as const;
/** What a figure is in the rollup, and what it is in the rows. */
type Figure = readonly [name: string, rollup: string, rows: string];

const PARTS: readonly Figure[] = [
  ['sessions', 'sum(sessions)', 'count(*) FILTER (WHERE part = 0)'],
  ['supplements', 'sum(supplements)', 'count(*) FILTER (WHERE part > 0)'],
];
const COUNTS: readonly Figure[] = [
  ...PARTS,
  ...SUMMED.map((name): Figure => [name, `sum(${name})`, `sum(${name})`]),
  ['startups', 'sum((SELECT sum(n) FROM unnest(startup_counts) n))', 'count(startup_ms)'],
];
const [, SUPPLEMENTS] = PARTS as [Figure, Figure];
/** Each step up in a difference array has its step down. */
const ENGAGEMENT: readonly Figure[] = [
  SUPPLEMENTS,
  ['plays', 'sum(plays)', 'sum(plays)'],
  ['play_steps', 'sum((SELECT sum(n) FROM unnest(play_steps) n))', '0'],
  ['watch_steps', 'sum((SELECT sum(n) FROM unnest(watch_steps) n))', '0'],
];

const WATCH_CLASS = `width_bucket(total_watch_ms, ARRAY[${WATCH_THRESHOLDS_MS.join(', ')}]::int8[])`;
const SCOPES = `CROSS JOIN LATERAL (VALUES ('site', ''), ('video', s.video)) AS c(scope, scope_video)`;
/** A session without a video counts for its site only. */
const OF_SCOPE = `(c.scope = 'site' OR s.video <> '')`;

const IS_SESSION = `s.protocol <> ALL ('{${STREAM_PROTOCOLS.join(',')}}'::text[])`;

/** How the rows spell a dimension. */
function dimensionText(dimension: (typeof ROLLUP_DIMENSIONS)[number]): string {
  if (dimension === 'page') return 's.page_host || s.page_path';
  if (dimension === 'player') return 's.player_name';
  if (dimension !== 'traffic') return `s.${dimension}`;
  const separator = ` || chr(${TRAFFIC_SEPARATOR.charCodeAt(0)}) || `;
  return ['s.source', 's.medium', 's.campaign'].join(separator);
}
const DIMENSIONS = [`('', '')`, ...ROLLUP_DIMENSIONS.map((each) => `('${each}', ${dimensionText(each)})`)].join(', ');

type Comparison = {
  table: string;
  figures: readonly Figure[];
  /** The columns of the key, in the rollup and as the rows give them. */
  keys: readonly (readonly [column: string, ofRows: string])[];
  /** What is joined to the rows, and which count. */
  joins: string;
  where: string;
  /** The column of time, and what of the rows it is. */
  time: readonly [column: string, ofRows: string];
};

function auditOf({ table, figures, keys, joins, where, time }: Comparison): Statement<[since: string | null], RollupAuditRow> {
  const all = [...keys, time];
  const names = all.map(([column]) => column).join(', ');
  const since = (of: string): string => `($1::timestamptz IS NULL OR ${of} >= $1::timestamptz)`;
  const both = figures.map(([name]) => `('${name}', coalesce(r.${name}, 0)::int8, coalesce(s.${name}, 0)::int8)`).join(', ');
  const [column, ofRows] = time;
  return {
    name: `cli-audit-${table}`,
    text: `WITH r AS (
  SELECT ${names}, ${figures.map(([name, rollup]) => `${rollup} AS ${name}`).join(', ')}
  FROM ${table} WHERE ${since(column)} GROUP BY ${names}
), s AS (
  SELECT ${all.map(([name, expression]) => `${expression} AS ${name}`).join(', ')}, ${figures.map(([name, , rows]) => `${rows} AS ${name}`).join(', ')}
  FROM sessions s ${joins} WHERE ${where} AND ${IS_SESSION} AND ${since('s.started_at')} AND ${since(ofRows)} GROUP BY ${all.map((_, index) => index + 1).join(', ')}
)
SELECT concat_ws(' ', ${all.map(([name]) => `'${name}=' || nullif(${name}::text, '')`).join(', ')}) AS place, v.figure, v.rollup, v.rows
FROM r FULL JOIN s USING (${names}), LATERAL (VALUES ${both}) AS v (figure, rollup, rows)
WHERE v.rollup <> v.rows ORDER BY ${names}, v.figure LIMIT ${ROLLUP_DIFFERENCES_MAX}`,
  };
}

const DAY: readonly [string, string] = ['day', "(s.started_at AT TIME ZONE 'UTC')::date"];

/** One statement per table, by its name. */
export const auditRollups: Readonly<Record<string, Statement<[since: string | null], RollupAuditRow>>> = {
  rollup_hourly: auditOf({
    table: 'rollup_hourly',
    figures: COUNTS,
    keys: [
      ['site', 's.site'],
      ['scope', 'c.scope'],
      ['video', 'c.scope_video'],
      ['watch_class', WATCH_CLASS],
    ],
    joins: SCOPES,
    where: OF_SCOPE,
    time: ['hour', "date_trunc('hour', s.started_at, 'UTC')"],
  }),
  rollup_daily: auditOf({
    table: 'rollup_daily',
    figures: COUNTS,
    keys: [
      ['site', 's.site'],
      ['scope', 'c.scope'],
      ['video', 'c.scope_video'],
      ['dimension', 'd.dimension'],
      ['value', 'd.value'],
      ['watch_class', WATCH_CLASS],
    ],
    joins: `${SCOPES} CROSS JOIN LATERAL (VALUES ${DIMENSIONS}) AS d(dimension, value)`,
    where: OF_SCOPE,
    time: DAY,
  }),
  rollup_engagement: auditOf({
    table: 'rollup_engagement',
    figures: ENGAGEMENT,
    keys: [
      ['site', 's.site'],
      ['video', 's.video'],
      ['duration_ms', 'coalesce(s.duration_ms, 0)'],
    ],
    joins: '',
    where: "s.video <> ''",
    time: DAY,
  }),
};
