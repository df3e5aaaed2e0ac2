// Ranges of time and their buckets: half-open, cut at local boundaries of a zone, weeks from Monday.
import {
  civilFromDays,
  DAY_MS,
  daysFromCivil,
  HOUR_MS,
  localDayAt,
  MINUTE_MS,
  offsetMsAt,
  parseDay,
  parseInstant,
  startOfDay,
} from './civil.ts';

export const GRANULARITIES = ['minute', 'hour', 'day', 'week', 'month'] as const;
export type Granularity = (typeof GRANULARITIES)[number];

/** Most buckets of one answer. */
export const BUCKETS_MAX = 10_000;
/** Days of the default range. */
export const RANGE_DEFAULT_DAYS = 30;
/** Longest range of one question, ms (about 20 years). */
export const RANGE_MS_MAX = 7_310 * DAY_MS;

/** Instants that can be asked about: 1970 to 2200. Nothing was or will be played outside, and the database has no year 0. */
export const INSTANT_MS_MIN = 0;
export const INSTANT_MS_MAX = 7_258_118_400_000;

/** A half-open stretch of time, epoch ms. */
export type TimeRange = { readonly fromMs: number; readonly toMs: number };

/** Instant of `from` or `to`: an ISO instant, or a date = its first instant in the zone. undefined = neither. */
export function parseBoundary(text: string, timezone: string): number | undefined {
  const days = parseDay(text);
  return days === undefined ? parseInstant(text) : startOfDay(timezone, days);
}

/** The default range: the 30 local days that end with today, so that it is the same all day and ends at a day boundary. */
export function defaultRange(nowMs: number, timezone: string): TimeRange {
  const tomorrow = localDayAt(timezone, nowMs) + 1;
  return { fromMs: startOfDay(timezone, tomorrow - RANGE_DEFAULT_DAYS), toMs: startOfDay(timezone, tomorrow) };
}

/** The default start for a given end, or the default end for a given start. */
export function completeRange(given: { fromMs: number | undefined; toMs: number | undefined }, nowMs: number, timezone: string): TimeRange {
  const byDefault = defaultRange(nowMs, timezone);
  if (given.fromMs !== undefined) return { fromMs: given.fromMs, toMs: given.toMs ?? Math.max(byDefault.toMs, given.fromMs) };
  if (given.toMs === undefined) return byDefault;
  return { fromMs: startOfDay(timezone, localDayAt(timezone, given.toMs) - RANGE_DEFAULT_DAYS), toMs: given.toMs };
}

/**
 * Cuts a range at the zone's boundaries; the first and last bucket are clipped to the range. Returns undefined where there
 * would be more than `bucketsMax`. A range without length has no buckets.
 */
export function bucketsOf(range: TimeRange, granularity: Granularity, timezone: string, bucketsMax = BUCKETS_MAX): TimeRange[] | undefined {
  const { fromMs, toMs } = range;
  const buckets: TimeRange[] = [];
  let at = fromMs;
  while (at < toMs) {
    const end = Math.min(toMs, nextBoundary(at, granularity, timezone));
    if (buckets.length >= bucketsMax) return undefined;
    buckets.push({ fromMs: at, toMs: end });
    at = end;
  }
  return buckets;
}

function nextBoundary(at: number, granularity: Granularity, timezone: string): number {
  if (granularity === 'minute') return (Math.floor(at / MINUTE_MS) + 1) * MINUTE_MS;
  if (granularity === 'hour') {
    const offset = offsetMsAt(timezone, at);
    return (Math.floor((at + offset) / HOUR_MS) + 1) * HOUR_MS - offset;
  }
  let days = nextDay(localDayAt(timezone, at), granularity);
  let boundary = startOfDay(timezone, days);
  // A zone that skips a whole date would give an empty bucket.
  while (boundary <= at) boundary = startOfDay(timezone, ++days);
  return boundary;
}

function nextDay(days: number, granularity: Granularity): number {
  if (granularity === 'day') return days + 1;
  // 1970-01-01 was a Thursday: day 4 is the first Monday.
  if (granularity === 'week') return days + 7 - ((((days + 3) % 7) + 7) % 7);
  const { year, month } = civilFromDays(days);
  return daysFromCivil(month === 12 ? { year: year + 1, month: 1, day: 1 } : { year, month: month + 1, day: 1 });
}

/** Whether an instant is a boundary of UTC days, of UTC hours, or of neither. */
export function alignmentOf(ms: number): 'day' | 'hour' | 'none' {
  if (ms % DAY_MS === 0) return 'day';
  return ms % HOUR_MS === 0 ? 'hour' : 'none';
}

/** The coarsest alignment that all instants share. */
export function alignmentOfAll(instants: readonly number[]): 'day' | 'hour' | 'none' {
  const all = instants.map(alignmentOf);
  if (all.includes('none')) return 'none';
  return all.includes('hour') ? 'hour' : 'day';
}
