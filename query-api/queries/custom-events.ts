// Custom events: the list, newest first, and their counts by bucket and by a field of their data.
import { isoOf } from '../core/civil.ts';
import type { TimeRange } from '../core/interval.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';

export type EventQuestion = {
  readonly site: string;
  readonly range: TimeRange;
  readonly buckets: readonly TimeRange[];
  readonly videos: readonly string[];
  readonly name: string | undefined;
  /** Field of `data` to count by, or `name`. */
  readonly groupBy: { readonly kind: 'name' } | { readonly kind: 'data'; readonly key: string } | undefined;
};

export type CustomEventRow = {
  at: number;
  session: string;
  video: string;
  name: string;
  position_ms: number | null;
  data: unknown;
  partition: number;
  emission_seq: number;
};
/** Place in the list: event time, then the emission, which is unique. */
export type CustomEventKey = { readonly atMs: number; readonly partition: number; readonly emissionSeq: number };
export type CustomEventCountRow = { bucket: number; value: string; count: number };

function conditionsOf(question: EventQuestion, params: ParamList): string[] {
  return [
    `site = ${params.add(question.site)}::text`,
    `at >= ${params.add(isoOf(question.range.fromMs))}::timestamptz`,
    `at < ${params.add(isoOf(question.range.toMs))}::timestamptz`,
    ...(question.videos.length === 0 ? [] : [`video = ANY(${params.add(question.videos)}::text[])`]),
    ...(question.name === undefined ? [] : [`name = ${params.add(question.name)}::text`]),
  ];
}

export function customEventList(question: EventQuestion, after: CustomEventKey | undefined, limit: number): Bound<CustomEventRow> {
  const params = paramList();
  const conditions = conditionsOf(question, params);
  if (after !== undefined) {
    const at = `${params.add(isoOf(after.atMs))}::timestamptz`;
    const rest = `(partition, emission_seq) > (${params.add(after.partition)}::int2, ${params.add(after.emissionSeq)}::int8)`;
    conditions.push(`at <= ${at}`, `(at < ${at} OR ${rest})`);
  }
  return bound(
    'custom_event_list',
    `SELECT at, session, video, name, position_ms, data, partition, emission_seq FROM custom_events
WHERE ${conditions.join(' AND ')} ORDER BY at DESC, partition, emission_seq LIMIT ${params.add(limit)}::int`,
    params.values,
  );
}

export const EVENT_COUNT_ROWS_MAX = 50_000;

export function customEventCounts(question: EventQuestion): Bound<CustomEventCountRow> {
  const params = paramList();
  const starts = `${params.add(question.buckets.map((bucket) => isoOf(bucket.fromMs)))}::timestamptz[]`;
  const { groupBy } = question;
  const value =
    groupBy === undefined ? "''::text" : groupBy.kind === 'name' ? 'name' : `coalesce(data ->> ${params.add(groupBy.key)}::text, '')`;
  return bound(
    'custom_event_counts',
    `SELECT width_bucket(at, ${starts}) AS bucket, ${value} AS value, count(*) AS count FROM custom_events
WHERE ${conditionsOf(question, params).join(' AND ')} GROUP BY 1, 2 LIMIT ${EVENT_COUNT_ROWS_MAX + 1}`,
    params.values,
  );
}
