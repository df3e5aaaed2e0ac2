// Sessions, newest first: one row per (session, video), its parts put together, by keyset (started_at, session, video). The
// page's keys are found first, along an index; only those sessions are then put together.
import { isStream } from '../../schemas/door-sessions.ts';
import { isoOf } from '../core/civil.ts';
import type { Filter } from '../core/filter.ts';
import type { Question } from '../core/question.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';
import { combinedSessions, contextColumn, NO_STREAM } from './combined.ts';

/** Place in the list after which the page begins. */
export type SessionKey = { readonly startedAtMs: number; readonly session: string; readonly video: string };

export type SessionListRow = {
  session: string;
  video: string;
  started_at: number;
  ended_at: number;
  open: boolean;
  reason: string;
  attempts: number;
  plays: number;
  unique_watch_ms: number;
  total_watch_ms: number;
  completions: number;
  startup_ms: number | null;
  stalls: number;
  stall_ms: number;
  start_failures: number;
  playback_failures: number;
  exits_before_start: number;
  country: string;
  region: string;
  browser: string;
  platform: string;
  device: string;
  source: string;
  medium: string;
  campaign: string;
  page: string;
  player: string;
  protocol: string;
};

const CONTEXT = [
  'country',
  'region',
  'browser',
  'platform',
  'device',
  'source',
  'medium',
  'campaign',
  'page',
  'player',
  'protocol',
] as const;

/** `limit` rows after `after`. */
export function sessionList(question: Question, options: { after: SessionKey | undefined; limit: number }): Bound<SessionListRow> {
  const params = paramList();
  const streams = question.filters.some(asksForStreams);
  const keys = pageKeys({ ...question, streams }, options, params);
  const context = CONTEXT.map((name) => contextColumn({ kind: 'plain', name }, `context_${name}`, params));
  const combined = combinedSessions({ ...question, streams }, [...context, { name: 'seal_reason', sql: 'reason' }], params, 'page_keys');
  const text = `WITH page_keys AS MATERIALIZED (${keys}), ${combined}
SELECT session, video, started_at, ended_at, open, seal_reason AS reason, attempts, plays, unique_watch_ms, total_watch_ms, completions,
  startup_ms, stalls, stall_ms, start_failures, playback_failures, exits_before_start,
  ${CONTEXT.map((name) => `context_${name} AS ${name}`).join(', ')}
FROM combined ORDER BY started_at DESC, session, video`;
  return bound('session_list', text, params.values);
}

/** Streams are listed where their protocol is asked for by name, and only there. */
const asksForStreams = ({ dimension, negated, value }: Filter): boolean =>
  dimension.kind === 'plain' && dimension.name === 'protocol' && !negated && isStream(value);

/** Part 0 stands for its session, since context is that of the first part; of provisional sessions any open part does. */
function pageKeys(
  question: Question & { streams: boolean },
  options: { after: SessionKey | undefined; limit: number },
  params: ParamList,
): string {
  const conditions = [
    `t.site = ${params.add(question.site)}::text`,
    `t.started_at >= ${params.add(isoOf(question.range.fromMs))}::timestamptz`,
    `t.started_at < ${params.add(isoOf(question.range.toMs))}::timestamptz`,
  ];
  if (question.videos.length > 0) conditions.push(`t.video = ANY(${params.add(question.videos)}::text[])`);
  if (!question.streams) conditions.push(`t.${NO_STREAM}`);
  for (const [i, filter] of question.filters.entries()) {
    const column = contextColumn(filter.dimension, `filter_${i}`, params);
    conditions.push(`(${column.sql}) ${filter.negated ? '<>' : '='} ${params.add(filter.value)}::text`);
  }
  if (question.minWatchMs > 0) conditions.push(watchedAtLeast(question, params));
  if (options.after !== undefined) {
    const at = `${params.add(isoOf(options.after.startedAtMs))}::timestamptz`;
    const rest = `(t.session, t.video) > (${params.add(options.after.session)}::text, ${params.add(options.after.video)}::text)`;
    conditions.push(`t.started_at <= ${at}`, `(t.started_at < ${at} OR ${rest})`);
  }
  const limit = `${params.add(options.limit)}::int`;
  const order = 'ORDER BY started_at DESC, session, video';
  const select = (table: string, extra: string): string =>
    `(SELECT DISTINCT t.started_at, t.session, t.video FROM ${table} t WHERE ${conditions.join(' AND ')}${extra} ${order} LIMIT ${limit})`;
  const tables =
    question.state === 'provisional'
      ? [select('open_sessions', '')]
      : [select('sessions', ' AND t.part = 0'), ...(question.state === 'all' ? [select('open_sessions', ' AND t.part = 0')] : [])];
  return `SELECT DISTINCT started_at, session, video FROM (${tables.join(' UNION ALL ')}) k ${order} LIMIT ${limit}`;
}

/** Total watch time over all parts. Only sessions with supplements can have more than their first part says, and they are few. */
function watchedAtLeast(question: Question, params: ParamList): string {
  const least = `${params.add(question.minWatchMs)}::int8`;
  const tables = [...(question.state === 'provisional' ? [] : ['sessions']), ...(question.state === 'sealed' ? [] : ['open_sessions'])];
  const from = `${params.add(isoOf(question.range.fromMs))}::timestamptz`;
  const to = `${params.add(isoOf(question.range.toMs))}::timestamptz`;
  const within = `site = ${params.add(question.site)}::text AND started_at >= ${from} AND started_at < ${to}`;
  const supplements = tables
    .map((table) => `SELECT session, video, started_at FROM ${table} WHERE ${within} AND part > 0`)
    .join(' UNION ALL ');
  const parts = tables.map(
    (table) =>
      `SELECT session, video, started_at, total_watch_ms FROM ${table} WHERE ${within} AND (session, video, started_at) IN (${supplements})`,
  );
  return `(t.total_watch_ms >= ${least} OR (t.session, t.video, t.started_at) IN (
    SELECT session, video, started_at FROM (${parts.join(' UNION ALL ')}) x GROUP BY 1, 2, 3 HAVING sum(total_watch_ms) >= ${least}))`;
}
