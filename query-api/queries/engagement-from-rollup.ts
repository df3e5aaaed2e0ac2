// Engagement from the daily difference arrays, with the provisional sessions added in the same statement. Rows for another
// duration than the asked one, or supplements, make the sum inexact: the caller then asks the rows.
import { ENGAGEMENT_RANGES } from '../../schemas/rollup.ts';
import { DAY_MS, isoDayOf, isoOf } from '../core/civil.ts';
import type { Question } from '../core/question.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';
import { type EngagementStep, engagementFromRows } from './engagement-from-rows.ts';

/** `inexact` > 0 = ask the rows; a row whose `cell` is null carries nothing else. */
export type RollupEngagementRow = { inexact: number } & (EngagementStep | { cell: null });

export function engagementFromRollup(question: Question, starts: readonly number[], durationMs: number): Bound<RollupEngagementRow> {
  const rows = question.state === 'all' ? engagementFromRows({ ...question, state: 'provisional' }, starts) : undefined;
  const params = paramList();
  for (const value of rows?.params ?? []) params.add(value);
  const where = `site = ${params.add(question.site)}::text AND video = ANY(${params.add(question.videos)}::text[])
    AND day >= ${params.add(isoDayOf(question.range.fromMs / DAY_MS))}::date AND day < ${params.add(isoDayOf(question.range.toMs / DAY_MS))}::date`;
  const duration = params.add(durationMs);
  const text = `WITH rolled AS MATERIALIZED (SELECT * FROM rollup_engagement WHERE ${where}),
cells AS (
  SELECT i - 1 AS cell, sum(play_step)::int8 AS plays, sum(watch_step)::int8 AS watches
  FROM rolled, unnest(play_steps, watch_steps) WITH ORDINALITY AS u(play_step, watch_step, i) WHERE i <= ${ENGAGEMENT_RANGES + 1} GROUP BY i
  ${rows === undefined ? '' : `UNION ALL (${rows.statement.text})`}
)
SELECT x.n AS inexact, cells.* FROM (SELECT (SELECT coalesce(sum(supplements), 0)::int8 FROM rolled)
  + (SELECT count(*) FROM rolled WHERE duration_ms <> ${duration}::int8 AND (plays > 0 OR 0 <> ANY(play_steps) OR 0 <> ANY(watch_steps)))
  + ${question.state === 'all' ? openSupplements(question, params) : '0'} AS n) x LEFT JOIN cells ON true`;
  return bound('engagement_from_rollup', text, params.values);
}

const openSupplements = (question: Question, params: ParamList): string => `(SELECT count(*) FROM open_sessions
  WHERE site = ${params.add(question.site)}::text AND part > 0 AND video = ANY(${params.add(question.videos)}::text[])
    AND started_at >= ${params.add(isoOf(question.range.fromMs))}::timestamptz AND started_at < ${params.add(isoOf(question.range.toMs))}::timestamptz)`;
