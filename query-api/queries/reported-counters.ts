// Counters that players sum up themselves, as they sent them: custom events of one name, each numeric field added up.
import { isoOf } from '../core/civil.ts';
import type { Question } from '../core/question.ts';
import { type Bound, bound } from './bound.ts';

/** Name of the custom events in which a door passes on a player's own counters. */
export const REPORTED_EVENT_NAME = 'reported';

export type ReportedRow = { counter: string; total: number };

export const reportedCounters = (question: Question): Bound<ReportedRow> =>
  bound(
    'reported_counters',
    `SELECT f.key AS counter, sum((f.value #>> '{}')::numeric) AS total
FROM custom_events e, jsonb_each(CASE WHEN jsonb_typeof(e.data) = 'object' THEN e.data ELSE '{}' END) f
WHERE e.site = $1::text AND e.name = $2::text AND e.at >= $3::timestamptz AND e.at < $4::timestamptz
  AND ($5::text[] = '{}' OR e.video = ANY($5::text[])) AND jsonb_typeof(f.value) = 'number'
GROUP BY f.key ORDER BY f.key LIMIT 100`,
    [question.site, REPORTED_EVENT_NAME, isoOf(question.range.fromMs), isoOf(question.range.toMs), question.videos],
  );
