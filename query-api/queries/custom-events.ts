// Custom events: the list, newest first.
import { isoOf } from '../core/civil.ts';
import type { TimeRange } from '../core/interval.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';

export type EventQuestion = {
  readonly site: string;
  readonly range: TimeRange;
  readonly videos: readonly string[];
  readonly name: string | undefined;
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
