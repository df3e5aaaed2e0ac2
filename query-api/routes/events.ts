// GET /v1/events: custom events one by one, newest first, or counted by bucket and by a field of their data.
import { z } from 'zod';
import { isoOf } from '../core/civil.ts';
import { decodeCursor, encodeCursor } from '../core/cursor.ts';
import { META_KEY_CHARS_MAX } from '../core/filter.ts';
import type { TimeRange } from '../core/interval.ts';
import { ProblemError, wrong } from '../problem.ts';
import { type CustomEventKey, type CustomEventRow, customEventList, type EventQuestion } from '../queries/custom-events.ts';
import { type EventCountQuestion, type EventCountRow, eventCounts } from '../queries/event-counts.ts';
import { exportPages } from './export.ts';
import { SERIES_MAX } from './figure-rows.ts';
import {
  badCursor,
  bucketList,
  cursorContext,
  echoOf,
  granularityParameter,
  LIMIT_MAX,
  pageLimit,
  pageParameters,
  rangeOf,
  rangeParameters,
  videosParameter,
} from './parameters.ts';
import { type Answer, type RangeEcho, route, type Services } from './route.ts';
import { bucketShape, count, instant, milliseconds, nextShape, rangeAnswer } from './shapes.ts';

const event = z.object({
  at: instant,
  session: z.string(),
  video: z.string().nullable(),
  name: z.string(),
  positionMs: milliseconds.nullable(),
  data: z.unknown(),
});
const data = z.union([
  z.array(event),
  z.array(z.object({ value: z.string(), count })),
  z.array(z.object({ ...bucketShape, value: z.string().optional(), count })),
]);

const eventRow = (row: CustomEventRow) => ({
  at: isoOf(row.at),
  session: row.session,
  video: row.video === '' ? null : row.video,
  name: row.name,
  positionMs: row.position_ms,
  data: row.data,
});

/** Most (bucket, value) pairs of one answer. */
const EVENT_COUNT_ROWS_MAX = 50_000;

function groupByOf(text: string | undefined): EventCountQuestion['by'] {
  if (text === undefined) return { kind: 'nothing' };
  if (text === 'name') return { kind: 'name' };
  const key = text.startsWith('data.') ? text.slice(5) : '';
  if (key === '' || key.length > META_KEY_CHARS_MAX) throw wrong('/groupBy', 'must be name or data.<key>');
  return { kind: 'data', key };
}

export const eventsRoute = route({
  method: 'get',
  path: '/v1/events',
  scope: 'query',
  summary: 'Custom events, or their counts',
  query: z.strictObject({
    ...rangeParameters,
    ...granularityParameter,
    ...videosParameter,
    name: z.string().min(1).max(64).optional().describe('Only events of this name'),
    groupBy: z.string().max(80).optional().describe('Count by data.<key>, or by name'),
    ...pageParameters,
  }),
  answer: rangeAnswer(data, nextShape).partial({ provisionalSessions: true }),
  tabular: true,
  async handle({ caller, query, nowMs, format }, services) {
    const range = rangeOf(query, nowMs);
    const buckets = bucketList(range, query.granularity, query.timezone);
    const question: EventQuestion = { site: caller.site, range, videos: query.video, name: query.name };
    const by = groupByOf(query.groupBy);
    const freshness = await services.answers.freshness(question);
    const echo: RangeEcho = { range, timezone: query.timezone, granularity: query.granularity };
    const envelope = { range: echoOf(echo as Parameters<typeof echoOf>[0]), freshness };
    if (query.granularity !== undefined || by.kind !== 'nothing') {
      const layout = { buckets, bucketed: query.granularity !== undefined, limit: pageLimit(query.limit) };
      return { ...envelope, data: await counts(services, { ...question, by }, layout) };
    }
    const context = cursorContext('events', caller.site, query);
    const exporting = format !== 'application/json' && caller.scopes.has('export');
    return { ...envelope, ...(await list(services, question, { ...query, context, exporting })) };
  },
});

async function list(
  { answers, exportRowsMax }: Services,
  question: EventQuestion,
  page: { limit?: number | undefined; cursor?: string | undefined; context: string; exporting: boolean },
): Promise<Pick<Answer, 'data' | 'next' | 'pages'>> {
  const key = page.cursor === undefined ? undefined : decodeCursor(page.context, page.cursor, ['number', 'number', 'number']);
  if (page.cursor !== undefined && key === undefined) throw badCursor();
  const start = key && { atMs: key[0] as number, partition: key[1] as number, emissionSeq: key[2] as number };
  const pageOf = async (after: CustomEventKey | undefined, limit: number) => {
    const rows = await answers.ask(customEventList(question, after, limit + 1));
    const last = rows[limit - 1];
    const next =
      rows.length > limit && last !== undefined ? { atMs: last.at, partition: last.partition, emissionSeq: last.emission_seq } : undefined;
    return { rows: rows.slice(0, limit).map(eventRow), next };
  };
  if (page.exporting) {
    const rowsMax = Math.min(page.limit ?? exportRowsMax, exportRowsMax);
    return { data: [], pages: exportPages({ first: start, rowsMax, pageSize: LIMIT_MAX, page: pageOf }) };
  }
  const { rows, next } = await pageOf(start, pageLimit(page.limit));
  return { data: rows, next: next && encodeCursor(page.context, [next.atMs, next.partition, next.emissionSeq]) };
}

async function counts(
  { answers }: Services,
  { site, videos, name, by }: EventQuestion & Pick<EventCountQuestion, 'by'>,
  { buckets, bucketed, limit }: { buckets: readonly TimeRange[]; bucketed: boolean; limit: number },
): Promise<unknown[]> {
  const [last] = buckets.slice(-1);
  if (last === undefined) return [];
  const boundaries = [...buckets.map(({ fromMs }) => fromMs), last.toMs];
  const rows = await answers.ask(eventCounts({ site, boundaries, by, name, videos }, EVENT_COUNT_ROWS_MAX));
  if (rows.length > EVENT_COUNT_ROWS_MAX)
    throw new ProblemError('too-many-rows', 'The breakdown has too many rows: narrow the range or name', { limit: 'event_rows' });
  const values = topValues(rows);
  if (!bucketed) return values.slice(0, limit);
  const series = by.kind === 'nothing' ? [''] : values.slice(0, SERIES_MAX).map(({ value }) => value);
  const byPlace = new Map(rows.map((row) => [`${row.bucket - 1}\u0000${row.value}`, row.count]));
  return buckets.flatMap((bucket, i) =>
    series.map((value) => ({
      from: isoOf(bucket.fromMs),
      to: isoOf(bucket.toMs),
      ...(by.kind === 'nothing' ? {} : { value }),
      count: byPlace.get(`${i}\u0000${value}`) ?? 0,
    })),
  );
}

function topValues(rows: readonly EventCountRow[]): { value: string; count: number }[] {
  const totals = new Map<string, number>();
  for (const row of rows) totals.set(row.value, (totals.get(row.value) ?? 0) + row.count);
  return [...totals].map(([value, total]) => ({ value, count: total })).sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
}
