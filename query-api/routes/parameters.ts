// Parameters that resources share (api.md section 3), and how they become a question.
import { z } from 'zod';
import { isTimezone } from '../core/civil.ts';
import { CURSOR_CHARS_MAX } from '../core/cursor.ts';
import { DIMENSIONS, type Dimension, type Filter, parseDimension, parseFilter } from '../core/filter.ts';
import {
  BUCKETS_MAX,
  bucketsOf,
  completeRange,
  GRANULARITIES,
  INSTANT_MS_MAX,
  INSTANT_MS_MIN,
  parseBoundary,
  RANGE_MS_MAX,
  type TimeRange,
} from '../core/interval.ts';
import { type Question, STATES } from '../core/question.ts';
import { ProblemError, wrong } from '../problem.ts';
import type { RangeEcho } from './route.ts';

export const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 1_000;
export const FILTERS_MAX = 20;
export const VIDEOS_MAX = 200;
const ID_CHARS_MAX = 256;

const text = (max: number): z.ZodString =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'must not contain NUL');

export const videoId = text(ID_CHARS_MAX).min(1);
export const sessionId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'letters, digits, - and _, at most 64');

const dimensionNames = `${DIMENSIONS.join(', ')}, meta.<key>`;

export const rangeParameters = {
  from: text(40)
    .optional()
    .describe(
      'Start of the range by session start: ISO 8601 instant, or a date = start of that day in `timezone`. Default: 30 days, today included',
    ),
  to: text(40).optional().describe('End of the range, exclusive: ISO 8601 instant or a date'),
  timezone: text(64).default('UTC').describe('IANA time zone that decides where days begin'),
};
export const granularityParameter = {
  granularity: z
    .enum(GRANULARITIES)
    .optional()
    .describe('Length of buckets; weeks begin on Monday. Without it: one answer for the whole range'),
};
export const videosParameter = { video: z.array(videoId).max(VIDEOS_MAX).default([]).describe('Video id; repeat for several') };
export const filterParameters = {
  filter: z
    .array(text(600))
    .max(FILTERS_MAX)
    .default([])
    .describe(`dimension:value, or !dimension:value for "is not"; repeat = and. Dimensions: ${dimensionNames}`),
  minWatchMs: z.coerce
    .number<string>()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(0)
    .describe('Only sessions with at least this total watch time, ms'),
  state: z.enum(STATES).default('all').describe('Sealed sessions, provisional (open) ones, or all'),
};
export const groupByParameter = { groupBy: text(80).optional().describe(`One dimension to break down by: ${dimensionNames}`) };
export const pageParameters = {
  limit: z.coerce.number<string>().int().min(1).optional().describe(`Page size, at most ${LIMIT_MAX}; default ${LIMIT_DEFAULT}`),
  cursor: text(CURSOR_CHARS_MAX).optional().describe('Token `next` of the page before'),
};

export const figureParameters = {
  ...rangeParameters,
  ...granularityParameter,
  ...videosParameter,
  ...filterParameters,
  ...groupByParameter,
  ...pageParameters,
};

export type RangeInput = { from?: string | undefined; to?: string | undefined; timezone: string };

/** @throws ProblemError wrong-parameters. */
export function rangeOf(input: RangeInput, nowMs: number): TimeRange {
  if (!isTimezone(input.timezone)) throw wrong('/timezone', 'must be an IANA name such as Europe/Amsterdam');
  const boundary = (name: 'from' | 'to'): number | undefined => {
    const given = input[name];
    if (given === undefined) return undefined;
    const ms = parseBoundary(given, input.timezone);
    if (ms === undefined)
      throw wrong(`/${name}`, 'must be a date (2026-11-22) or an ISO 8601 instant with its offset (2026-11-22T10:00:00Z)');
    if (ms < INSTANT_MS_MIN || ms > INSTANT_MS_MAX) throw wrong(`/${name}`, 'must lie between 1970 and 2200');
    return ms;
  };
  const range = completeRange({ fromMs: boundary('from'), toMs: boundary('to') }, nowMs, input.timezone);
  if (range.fromMs >= range.toMs) throw wrong('/to', 'must be after from');
  if (range.toMs - range.fromMs > RANGE_MS_MAX) throw wrong('/from', 'the range is longer than 20 years');
  return range;
}

export function bucketList(range: TimeRange, granularity: Question['granularity'], timezone: string): TimeRange[] {
  if (granularity === undefined) return [range];
  const buckets = bucketsOf(range, granularity, timezone);
  if (buckets === undefined)
    throw new ProblemError(
      'too-many-rows',
      `This granularity cuts the range into more than ${BUCKETS_MAX} buckets: take a coarser one or a shorter range`,
      {
        limit: 'buckets',
        errors: [{ pointer: '/granularity', detail: `more than ${BUCKETS_MAX} buckets` }],
      },
    );
  return buckets;
}

export function dimensionOf(name: string | undefined): Dimension | undefined {
  if (name === undefined) return undefined;
  const dimension = parseDimension(name);
  if (dimension === undefined) throw wrong('/groupBy', `must be one of ${dimensionNames}`);
  return dimension;
}

function filtersOf(texts: readonly string[]): Filter[] {
  return texts.map((given, i) => {
    const filter = parseFilter(given);
    if (filter === undefined) throw wrong(`/filter/${i}`, `must be dimension:value or !dimension:value; dimensions: ${dimensionNames}`);
    return filter;
  });
}

export type QuestionInput = RangeInput & {
  granularity?: Question['granularity'];
  video?: string[];
  filter?: string[];
  groupBy?: string | undefined;
  minWatchMs?: number;
  state?: Question['state'];
};

/** The question that checked parameters ask. The site comes from the key. @throws ProblemError wrong-parameters. */
export function questionOf(site: string, input: QuestionInput, nowMs: number): Question {
  const range = rangeOf(input, nowMs);
  return {
    site,
    range,
    timezone: input.timezone,
    granularity: input.granularity,
    buckets: bucketList(range, input.granularity, input.timezone),
    videos: input.video ?? [],
    filters: filtersOf(input.filter ?? []),
    groupBy: dimensionOf(input.groupBy),
    minWatchMs: input.minWatchMs ?? 0,
    state: input.state ?? 'all',
  };
}

export const echoOf = (question: Pick<Question, 'range' | 'timezone' | 'granularity'>): RangeEcho => ({
  range: question.range,
  timezone: question.timezone,
  granularity: question.granularity,
});

/** What a cursor belongs to: the resource, the site and everything asked but the page itself. */
export function cursorContext(resource: string, site: string, input: Readonly<Record<string, unknown>>): string {
  const asked = Object.entries(input).filter(([name, value]) => name !== 'cursor' && name !== 'limit' && value !== undefined);
  return JSON.stringify([resource, site, asked.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

export const badCursor = (): ProblemError =>
  wrong('/cursor', 'is not a token of this question: take `next` of the page before, with the same parameters');

/** Page size of JSON pages. @throws ProblemError wrong-parameters above LIMIT_MAX. */
export function pageLimit(limit: number | undefined): number {
  if (limit !== undefined && limit > LIMIT_MAX)
    throw wrong('/limit', `must be at most ${LIMIT_MAX}; more rows come by cursor, or as an export`);
  return limit ?? LIMIT_DEFAULT;
}
