// Playback and start errors by bucket, value, code and kind. Only sessions that had any are read (a partial index finds them).
import { isoOf } from '../core/civil.ts';
import type { Question } from '../core/question.ts';
import { type Bound, bound, paramList } from './bound.ts';
import { combinedSessions, contextColumn, filterColumns } from './combined.ts';
import { bucketStarts } from './figures-from-rows.ts';

export type ErrorCountRow = { bucket: number; value: string; code: string; fatal: boolean; count: number };

export const ERROR_ROWS_MAX = 20_000;

export function errorCounts(question: Question): Bound<ErrorCountRow> {
  const params = paramList();
  const group = question.groupBy === undefined ? undefined : contextColumn(question.groupBy, 'value', params);
  const { columns, conditions } = filterColumns(question.filters, params);
  if (question.minWatchMs > 0) conditions.push(`total_watch_ms >= ${params.add(question.minWatchMs)}::int8`);
  const combined = combinedSessions(question, group === undefined ? columns : [group, ...columns], params, 'erring');
  const where = [
    `site = ${params.add(question.site)}::text`,
    `started_at >= ${params.add(isoOf(question.range.fromMs))}::timestamptz`,
    `started_at < ${params.add(isoOf(question.range.toMs))}::timestamptz`,
    ...(question.videos.length === 0 ? [] : [`video = ANY(${params.add(question.videos)}::text[])`]),
    "errors <> '[]'",
  ].join(' AND ');
  const tables = [...(question.state === 'provisional' ? [] : ['sessions']), ...(question.state === 'sealed' ? [] : ['open_sessions'])];
  const erring = tables.map((table) => `SELECT session, video, started_at, errors FROM ${table} WHERE ${where}`).join(' UNION ALL ');
  const text = `WITH erring AS MATERIALIZED (${erring}), ${combined}
SELECT width_bucket(started_at, ${bucketStarts(question, params)}) AS bucket, ${group === undefined ? "''::text" : 'c.value'} AS value,
  e ->> 'code' AS code, (e ->> 'fatal')::boolean AS fatal, sum((e ->> 'count')::int8)::int8 AS count
FROM combined c JOIN erring USING (session, video, started_at), jsonb_array_elements(erring.errors) e
${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
GROUP BY 1, 2, 3, 4 ORDER BY count DESC, code, fatal, bucket, value LIMIT ${ERROR_ROWS_MAX + 1}`;
  return bound('error_counts', text, params.values);
}
