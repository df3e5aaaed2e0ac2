// Figures by bucket and value, counted over sessions one by one: exact for every question.
import { STARTUP_CELLS } from '../../schemas/rollup.ts';
import { isoOf } from '../core/civil.ts';
import { needsVideo, type Question } from '../core/question.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';
import { combinedSessions, contextColumn, filterColumns } from './combined.ts';

export type FiguresRow = {
  /** Index into the buckets asked for, from 1. */
  bucket: number;
  value: string;
  sessions: number;
  provisional: number;
  attempts: number;
  plays: number;
  unique_watch_ms: number;
  total_watch_ms: number;
  completions: number;
  stalls: number;
  stall_ms: number;
  start_failures: number;
  playback_failures: number;
  exits_before_start: number;
  bitrate_kbps_ms: number;
  bitrate_known_ms: number;
  switches_up: number;
  switches_down: number;
  /** Startup times as [cell, count] pairs (from rows). */
  startup_cells: [number, number][] | null;
  /** Histogram of startup times (from rollups); null = an empty cell. */
  startup: (number | null)[] | null;
};

/** Additive columns, in the order of FiguresRow. */
export const FIGURE_COLUMNS = [
  'sessions',
  'provisional',
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

/** Least startup time of each histogram cell: width_bucket over them is startupCellOf(). */
const CELL_STARTS_MS = Array.from({ length: STARTUP_CELLS }, (_, cell) =>
  cell < 8 ? cell : (8 + (cell % 8)) * 2 ** (Math.floor(cell / 8) - 1),
);

/** Most (bucket, value) rows of one answer; one more is asked for, to tell that there are too many. */
export const FIGURE_ROWS_MAX = 50_000;

/** Starts of the buckets as a parameter for width_bucket. */
export const bucketStarts = (question: Question, params: ParamList): string =>
  `${params.add(question.buckets.map((bucket) => isoOf(bucket.fromMs)))}::timestamptz[]`;

/** The figures of a question from `sessions` and `open_sessions`. */
export function figuresFromRows(question: Question): Bound<FiguresRow> {
  const params = paramList();
  return bound('figures_from_rows', `${figuresRowsQuery(question, params)} LIMIT ${FIGURE_ROWS_MAX + 1}`, params.values);
}

/** The same as a query to be put into another statement (the provisional part of a rollup answer). */
export function figuresRowsQuery(question: Question, params: ParamList): string {
  const group = question.groupBy === undefined ? undefined : contextColumn(question.groupBy, 'value', params);
  const { columns, conditions } = filterColumns(question.filters, params);
  const combined = combinedSessions(question, group === undefined ? columns : [group, ...columns], params);
  if (needsVideo(question)) conditions.push("video <> ''");
  if (question.minWatchMs > 0) conditions.push(`total_watch_ms >= ${params.add(question.minWatchMs)}::int8`);
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const summed = FIGURE_COLUMNS.slice(2);
  return `WITH ${combined},
cells AS (
  SELECT width_bucket(started_at, ${bucketStarts(question, params)}) AS bucket, ${group === undefined ? "''::text" : 'value'} AS value,
    width_bucket(startup_ms::int4, ${params.add(CELL_STARTS_MS)}::int4[]) AS cell,
    count(*) AS sessions, count(*) FILTER (WHERE open) AS provisional, ${summed.map((column) => `sum(${column}) AS ${column}`).join(', ')}
  FROM combined ${where} GROUP BY 1, 2, 3
)
SELECT bucket, value, ${FIGURE_COLUMNS.map((column) => `sum(${column})::int8 AS ${column}`).join(', ')},
  json_agg(json_build_array(cell - 1, sessions)) FILTER (WHERE cell IS NOT NULL) AS startup_cells, NULL::float8[] AS startup
FROM cells GROUP BY bucket, value`;
}
