// The common table expression under every question about rows: one row per session, its parts put together. Sums add up,
// unique watch time of several parts is the union of their sections, context is that of the first part.
import { STREAM_PROTOCOLS } from '../../schemas/door-sessions.ts';
import { isoOf } from '../core/civil.ts';
import type { Dimension, Filter, PlainDimension } from '../core/filter.ts';
import type { TimeRange } from '../core/interval.ts';
import type { SessionState } from '../core/question.ts';
import type { ParamList } from './bound.ts';

/** Context columns that a dimension is made of; only those asked for are read. */
const COLUMNS: Record<PlainDimension, string> = {
  video: 'video',
  country: 'country',
  region: 'region',
  browser: 'browser',
  platform: 'platform',
  device: 'device',
  source: 'source',
  medium: 'medium',
  campaign: 'campaign',
  page: 'page_host || page_path',
  player: 'player_name',
  protocol: 'protocol',
};

/** Where rows come from: the part of a question that decides which sessions are meant, before context is looked at. */
export type RowSource = {
  readonly site: string;
  readonly range: TimeRange;
  readonly videos: readonly string[];
  readonly state: SessionState;
  /** Streams too (schemas/door-sessions.ts); no figure counts them. */
  readonly streams?: boolean;
};

/** Condition on a row of sessions: it is one of a viewer. Literal, since it never changes. */
export const NO_STREAM = `protocol <> ALL ('{${STREAM_PROTOCOLS.join(',')}}'::text[])`;

/** Figures of a session, as SQL over the rows `p` of its parts; of a single part they are the columns themselves. */
const SUMS: readonly (readonly [column: string, combined: string])[] = [
  ['ended_at', 'max(p.ended_at)'],
  ['attempts', 'least(1, sum(p.attempts))::int2'],
  ['plays', 'least(1, sum(p.plays))::int2'],
  ['total_watch_ms', 'sum(p.total_watch_ms)::int8'],
  ['completions', 'least(1, sum(p.completions))::int2'],
  ['startup_ms', 'min(p.startup_ms)'],
  ['stalls', 'sum(p.stalls)::int8'],
  ['stall_ms', 'sum(p.stall_ms)::int8'],
  ['start_failures', 'least(1, sum(p.start_failures))::int2'],
  ['playback_failures', 'least(1, sum(p.playback_failures))::int2'],
  ['exits_before_start', 'least(1, sum(p.exits_before_start))::int2'],
  ['bitrate_kbps_ms', 'sum(p.bitrate_kbps_ms)::int8'],
  ['bitrate_known_ms', 'sum(p.bitrate_known_ms)::int8'],
  ['switches_up', 'sum(p.switches_up)::int8'],
  ['switches_down', 'sum(p.switches_down)::int8'],
];
const SUM_COLUMNS = SUMS.map(([column]) => column).join(', ');

/** A context expression under a name of its own, so that grouping and filtering read one column each. */
export type ContextColumn = { readonly name: string; readonly sql: string };

/** The expression of a dimension over a row of `sessions`. */
export function contextColumn(dimension: Dimension, name: string, params: ParamList): ContextColumn {
  if (dimension.kind === 'plain') return { name, sql: COLUMNS[dimension.name] };
  if (dimension.kind === 'traffic') return { name, sql: "source || E'\\x1f' || medium || E'\\x1f' || campaign" };
  return { name, sql: `coalesce(meta ->> ${params.add(dimension.key)}::text, '')` };
}

/** One context column per filter and its condition. */
export function filterColumns(filters: readonly Filter[], params: ParamList): { columns: ContextColumn[]; conditions: string[] } {
  const columns = filters.map((filter, i) => contextColumn(filter.dimension, `filter_${i}`, params));
  const conditions = filters.map((filter, i) => `filter_${i} ${filter.negated ? '<>' : '='} ${params.add(filter.value)}::text`);
  return { columns, conditions };
}

/** `site = … AND started_at …` over a table of sessions. */
function partConditions(source: RowSource, params: ParamList): string {
  const conditions = [
    `site = ${params.add(source.site)}::text`,
    `started_at >= ${params.add(isoOf(source.range.fromMs))}::timestamptz`,
    `started_at < ${params.add(isoOf(source.range.toMs))}::timestamptz`,
  ];
  if (source.videos.length > 0) conditions.push(`video = ANY(${params.add(source.videos)}::text[])`);
  if (source.streams !== true) conditions.push(NO_STREAM);
  return conditions.join(' AND ');
}

/**
 * The text of `combined AS (…)` and what it needs: site, session, video, started_at, open, the figures, unique_watch_ms and the
 * columns asked for. Nearly every session has one part and is taken as it is; only those with supplements are grouped. `among`
 * names an expression of (session, video, started_at) to which the sessions are limited.
 */
export function combinedSessions(source: RowSource, columns: readonly ContextColumn[], params: ParamList, among?: string): string {
  const where = `${partConditions(source, params)}${among === undefined ? '' : ` AND (session, video, started_at) IN (SELECT session, video, started_at FROM ${among})`}`;
  const tables = [...(source.state === 'provisional' ? [] : ['sessions']), ...(source.state === 'sealed' ? [] : ['open_sessions'])];
  const each = (select: (table: string) => string): string => tables.map(select).join(' UNION ALL ');
  const context = columns.map(({ name, sql }) => `, ${sql} AS ${name}`).join('');
  const names = columns.map(({ name }) => `, p.${name}`).join('');
  const first = columns.map(({ name }) => `, (array_agg(p.${name} ORDER BY p.part))[1] AS ${name}`).join('');
  const same = 'EXISTS (SELECT FROM supplemented s WHERE s.session = p.session AND s.video = p.video AND s.started_at = p.started_at)';
  return `parts AS NOT MATERIALIZED (${each(
    (table) =>
      `SELECT site, session, video, part, started_at, ${table === 'open_sessions'} AS open, unique_watch_ms, ${SUM_COLUMNS}${context} FROM ${table} WHERE ${where}`,
  )}),
supplemented AS MATERIALIZED (${each((table) => `SELECT session, video, started_at FROM ${table} WHERE ${where} AND part > 0`)}),
combined AS (
  SELECT p.site, p.session, p.video, p.started_at, p.open, ${SUMS.map(([column]) => `p.${column}`).join(', ')}, p.unique_watch_ms${names}
  FROM parts p WHERE NOT ${same}
  UNION ALL
  SELECT p.site, p.session, p.video, p.started_at, bool_or(p.open), ${SUMS.map(([, sql]) => sql).join(', ')},
    CASE WHEN count(*) = 1 THEN min(p.unique_watch_ms) ELSE (${unionLength(source.state)}) END${first}
  FROM parts p WHERE ${same} GROUP BY p.site, p.session, p.video, p.started_at
)`;
}

/** Length of the union of all sections of the grouped session `p`. */
export function unionLength(state: SessionState): string {
  const same = (alias: string): string =>
    `${alias}.site = p.site AND ${alias}.video = p.video AND ${alias}.started_at = p.started_at AND ${alias}.session = p.session`;
  const sealed = `SELECT w.from_ms, w.to_ms FROM watch_sections w WHERE ${same('w')}`;
  const open = `SELECT (s ->> 1)::int8, (s ->> 2)::int8 FROM open_sessions o, jsonb_array_elements(o.sections) s WHERE ${same('o')}`;
  const sections = state === 'sealed' ? sealed : state === 'provisional' ? open : `${sealed} UNION ALL ${open}`;
  return `SELECT coalesce(sum(upper(stretch) - lower(stretch)), 0)::int8
    FROM (SELECT unnest(range_agg(int8range(x.from_ms, x.to_ms))) AS stretch FROM (${sections}) x(from_ms, to_ms)) u`;
}
