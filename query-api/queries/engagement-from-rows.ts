// Engagement by difference arrays over sections: each session's coverage of ranges begins and ends somewhere, and the curve is
// the running sum. Never a join of sections with ranges (performance.md 2.9).

import { isoOf } from '../core/civil.ts';
import type { Question } from '../core/question.ts';
import { type Bound, bound, paramList } from './bound.ts';
import { combinedSessions, filterColumns } from './combined.ts';

/** `steps` to add at `cell` (from 0): `plays` for sessions, `watches` for runs. */
export type EngagementStep = { cell: number; plays: number; watches: number };

/** `starts` are the beginnings of the ranges, ascending, the first one 0. */
export function engagementFromRows(question: Question, starts: readonly number[]): Bound<EngagementStep> {
  const params = paramList();
  const narrowed = question.filters.length > 0 || question.minWatchMs > 0;
  const { columns, conditions } = filterColumns(question.filters, params);
  if (question.minWatchMs > 0) conditions.push(`total_watch_ms >= ${params.add(question.minWatchMs)}::int8`);
  const combined = narrowed ? `${combinedSessions(question, columns, params)},` : '';
  const site = params.add(question.site);
  const videos = params.add(question.videos);
  const from = params.add(isoOf(question.range.fromMs));
  const to = params.add(isoOf(question.range.toMs));
  const where = `t.site = ${site}::text AND t.video = ANY(${videos}::text[]) AND t.started_at >= ${from}::timestamptz AND t.started_at < ${to}::timestamptz`;
  const sealed = `SELECT t.session, t.video, t.started_at, t.part, t.run, t.from_ms, t.to_ms FROM watch_sections t WHERE ${where}`;
  const open = `SELECT t.session, t.video, t.started_at, t.part, (s ->> 0)::int4, (s ->> 1)::int8, (s ->> 2)::int8
    FROM open_sessions t, jsonb_array_elements(t.sections) s WHERE ${where}`;
  const tables = [...(question.state === 'provisional' ? [] : [sealed]), ...(question.state === 'sealed' ? [] : [open])];
  const kept = narrowed
    ? `JOIN (SELECT session, video, started_at FROM combined WHERE ${conditions.join(' AND ')}) c USING (session, video, started_at)`
    : '';
  const bounds = params.add(starts);
  const text = `WITH ${combined}
sections(session, video, started_at, part, run, from_ms, to_ms) AS (${tables.join(' UNION ALL ')}),
runs AS (
  SELECT session, video, started_at,
    width_bucket(greatest(0, min(from_ms)), ${bounds}::int8[]) - 1 AS first, width_bucket(greatest(0, max(to_ms) - 1), ${bounds}::int8[]) AS after
  FROM sections ${kept} GROUP BY session, video, started_at, part, run
),
covered AS (
  SELECT unnest(range_agg(int4range(first, after))) AS stretch FROM runs GROUP BY session, video, started_at
),
steps(cell, plays, watches) AS (
  SELECT lower(stretch), 1, 0 FROM covered UNION ALL SELECT upper(stretch), -1, 0 FROM covered
  UNION ALL SELECT first, 0, 1 FROM runs UNION ALL SELECT after, 0, -1 FROM runs
)
SELECT cell, sum(plays)::int8 AS plays, sum(watches)::int8 AS watches FROM steps GROUP BY cell`;
  return bound('engagement_from_rows', text, params.values);
}
