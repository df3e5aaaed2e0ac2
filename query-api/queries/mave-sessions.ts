// What mave's questions choose: sessions of a site by video, by metadata and by start, each with the number of its bucket.

import { isoOf } from '../core/civil.ts';
import type { TimeRange } from '../core/interval.ts';
import { BUCKET_ORIGIN_MS, BUCKET_ORIGIN_YEAR, type Interval } from '../core/mave-intervals.ts';
import type { ParamList } from './bound.ts';
import { type ContextColumn, combinedSessions } from './combined.ts';

export type MaveChoice = {
  readonly site: string;
  readonly range: TimeRange;
  /** Empty = every video. */
  readonly videos: readonly string[];
  /** JSON object that a session's metadata must contain. */
  readonly sessionMeta: string | undefined;
  readonly interval: Interval;
};

/** Most rows of one answer; one more is asked for, to tell that there are too many. */
export const MAVE_ROWS_MAX = 50_000;

/** The number of the bucket of `started_at`, in UTC whatever the server's zone. */
function bucketOf({ months, ms }: Interval, params: ParamList): string {
  if (months === 0)
    return `floor((extract(epoch FROM started_at) * 1000 - ${params.add(BUCKET_ORIGIN_MS)}::int8) / ${params.add(ms)}::int8)::int8`;
  const date = "(started_at AT TIME ZONE 'UTC')";
  const count = `(extract(year FROM ${date}) - ${params.add(BUCKET_ORIGIN_YEAR)}::int4) * 12 + extract(month FROM ${date}) - 1`;
  return `floor((${count}) / ${params.add(months)}::int4)::int8`;
}

/** The text of `chosen AS (…)` and what it needs: bucket, session, video, started_at, the figures and the columns asked for. */
export function maveSessions(choice: MaveChoice, columns: readonly ContextColumn[], params: ParamList): string {
  const meta: ContextColumn[] = choice.sessionMeta === undefined ? [] : [{ name: 'session_meta', sql: 'meta' }];
  const combined = combinedSessions({ ...choice, state: 'all' }, [...columns, ...meta], params);
  const conditions = ["video <> ''"];
  if (choice.sessionMeta !== undefined) conditions.push(`session_meta @> ${params.add(choice.sessionMeta)}::jsonb`);
  return `${combined},
chosen AS (SELECT ${bucketOf(choice.interval, params)} AS bucket, * FROM combined WHERE ${conditions.join(' AND ')})`;
}

/** The text of `sections AS (…)` and what it needs: bucket, session, video, started_at, from_ms, to_ms of what was chosen. */
export function maveSections(choice: MaveChoice, params: ParamList): string {
  const narrowed = choice.sessionMeta !== undefined;
  const chosen = narrowed ? `${maveSessions(choice, [], params)},\n` : '';
  const conditions = [
    `t.site = ${params.add(choice.site)}::text`,
    `t.started_at >= ${params.add(isoOf(choice.range.fromMs))}::timestamptz`,
    `t.started_at < ${params.add(isoOf(choice.range.toMs))}::timestamptz`,
    choice.videos.length > 0 ? `t.video = ANY(${params.add(choice.videos)}::text[])` : "t.video <> ''",
  ].join(' AND ');
  const all = `SELECT t.session, t.video, t.started_at, t.from_ms, t.to_ms FROM watch_sections t WHERE ${conditions}
  UNION ALL
  SELECT t.session, t.video, t.started_at, (s ->> 1)::int8, (s ->> 2)::int8
  FROM open_sessions t, jsonb_array_elements(t.sections) s WHERE ${conditions}`;
  const from = narrowed ? 'played JOIN chosen c USING (session, video, started_at)' : 'played';
  const bucket = narrowed ? 'c.bucket' : `${bucketOf(choice.interval, params)} AS bucket`;
  return `${chosen}played(session, video, started_at, from_ms, to_ms) AS (${all}),
sections AS (SELECT ${bucket}, session, video, started_at, from_ms, to_ms FROM ${from} WHERE to_ms > from_ms)`;
}
