// The common table expression under mave's data of an embed or a space: stretches of play with their place in wall-clock time, so that a
// play across the edge of a window counts with the part inside.
import { isoOf } from '../core/civil.ts';
import type { TimeRange } from '../core/interval.ts';
import type { ParamList } from './bound.ts';

/** One embed, or all embeds of a space: 15 letters and digits that begin with its hash. */
export type MaveScope = { readonly site: string; readonly video: string } | { readonly site: string; readonly space: string };

/** A stretch of time with a name. */
export type MaveWindow = TimeRange & { readonly name: string };

/** Sessions that began this long before a window may still play in it: no session is kept open longer. Source: processor/config.ts. */
const SESSION_AGE_MS_MAX = 7 * 86_400_000;

/** Conditions over a table `t` with site, video and started_at. `sinceMs` undefined = from the beginning. */
export function maveScope(scope: MaveScope, sinceMs: number | undefined, params: ParamList): string {
  const conditions = [`t.site = ${params.add(scope.site)}::text`];
  if ('video' in scope) conditions.push(`t.video = ${params.add(scope.video)}::text`);
  else conditions.push(`left(t.video, 5) = ${params.add(scope.space)}::text AND t.video ~ '^[A-Za-z0-9]{15}$'`);
  if (sinceMs !== undefined)
    conditions.push(`t.started_at >= ${params.add(isoOf(Math.max(0, sinceMs - SESSION_AGE_MS_MAX)))}::timestamptz`);
  return conditions.join(' AND ');
}

/** The text of `plays AS (…)`: session, video, started_at, from_ms, to_ms, rate, begin_ms and end_ms (epoch ms), sealed and open alike. */
export function mavePlays(where: string): string {
  return `played(session, video, started_at, from_ms, to_ms, begin_ms, rate) AS (
  SELECT t.session, t.video, t.started_at, t.from_ms, t.to_ms, (extract(epoch FROM t.section_started_at) * 1000)::int8, greatest(t.rate_milli, 1)
  FROM watch_sections t WHERE ${where}
  UNION ALL
  SELECT t.session, t.video, t.started_at, (s ->> 1)::int8, (s ->> 2)::int8, (s ->> 3)::int8, greatest((s ->> 4)::int4, 1)
  FROM open_sessions t, jsonb_array_elements(t.sections) s WHERE ${where}
),
plays AS (SELECT *, begin_ms + (to_ms - from_ms) * 1000 / rate AS end_ms FROM played WHERE to_ms > from_ms)`;
}

/** The text of `contexts AS (…)`: one row per session, with columns of its first part. */
export function maveContexts(where: string, columns: readonly string[]): string {
  const names = ['session', 'video', 'started_at', 'part', ...columns].map((name) => `t.${name}`).join(', ');
  const tables = ['sessions', 'open_sessions'].map((table) => `SELECT ${names} FROM ${table} t WHERE ${where}`);
  return `contexts AS (
  SELECT DISTINCT ON (session, video, started_at) * FROM (${tables.join(' UNION ALL ')}) p ORDER BY session, video, started_at, part
)`;
}

/** The text of `windows AS (…)`: name, from_ms, to_ms. */
export function maveWindowList(windows: readonly MaveWindow[], params: ParamList): string {
  const names = params.add(windows.map(({ name }) => name));
  const from = params.add(windows.map(({ fromMs }) => fromMs));
  const to = params.add(windows.map(({ toMs }) => toMs));
  return `windows AS (SELECT * FROM unnest(${names}::text[], ${from}::int8[], ${to}::int8[]) w(name, from_ms, to_ms))`;
}

/** What of the play `p` lies in the window `w`, wall-clock ms. */
export const INSIDE_MS = '(least(p.end_ms, w.to_ms) - greatest(p.begin_ms, w.from_ms))';
export const OVERLAPS = 'p.begin_ms < w.to_ms AND p.end_ms > w.from_ms';
/** Least wall-clock play inside a window that makes a session a view of it. */
export const MAVE_VIEW_MS = 1_000;

/** First instant that any of the windows needs. */
export const sinceOf = (windows: readonly MaveWindow[]): number => Math.min(...windows.map(({ fromMs }) => fromMs));
