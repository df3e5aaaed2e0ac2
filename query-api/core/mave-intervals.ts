// Interval strings of mave's questions and their buckets, as TimescaleDB's time_bucket cuts them, but without it: a bucket is a
// whole number counted from an origin, so that plain PostgreSQL gives the same rows.
import { civilFromDays, DAY_MS, daysFromCivil, HOUR_MS, isoOf, MINUTE_MS, SECOND_MS } from './civil.ts';

/** A stretch of the calendar: months (years are twelve), and milliseconds of everything smaller. */
export type Interval = { readonly months: number; readonly ms: number };

const UNITS: readonly (readonly [names: string, months: number, ms: number])[] = [
  ['second seconds sec secs s', 0, SECOND_MS],
  ['minute minutes min mins m', 0, MINUTE_MS],
  ['hour hours hr hrs h', 0, HOUR_MS],
  ['day days d', 0, DAY_MS],
  ['week weeks w', 0, 7 * DAY_MS],
  ['month months mon mons', 1, 0],
  ['year years yr yrs y', 12, 0],
];
const UNIT_OF = new Map(UNITS.flatMap(([names, months, ms]) => names.split(' ').map((name) => [name, { months, ms }] as const)));
const INTERVAL_CHARACTERS_MAX = 100;
const PART = /\s*(\d{1,9})\s*([a-z]+)/gy;
const MONTHS_MAX = 1_200;
const MS_MAX = 100 * 366 * DAY_MS;

/** `1 day`, `2 hours 30 minutes`, `1 mon` … as an interval; undefined = it is none, is empty, or is longer than a century. */
export function parseInterval(text: string): Interval | undefined {
  const wanted = text.trim().toLowerCase();
  if (wanted.length > INTERVAL_CHARACTERS_MAX) return undefined;
  let months = 0;
  let ms = 0;
  let end = 0;
  PART.lastIndex = 0;
  for (let match = PART.exec(wanted); match !== null; match = PART.exec(wanted)) {
    const unit = UNIT_OF.get(match[2] as string);
    if (unit === undefined) return undefined;
    months += Number(match[1]) * unit.months;
    ms += Number(match[1]) * unit.ms;
    end = PART.lastIndex;
  }
  if (end !== wanted.length || months + ms === 0 || months > MONTHS_MAX || ms > MS_MAX) return undefined;
  return { months, ms };
}

/** Whether buckets can have this width: months cannot be mixed with smaller units. */
export const isWidth = ({ months, ms }: Interval): boolean => (months === 0) !== (ms === 0);

/** Where buckets under a month are counted from: Monday, 2000-01-03. Source: TimescaleDB documentation, time_bucket(). */
export const BUCKET_ORIGIN_MS = daysFromCivil({ year: 2000, month: 1, day: 3 }) * DAY_MS;
/** Where months and years are counted from: January of this year. */
export const BUCKET_ORIGIN_YEAR = 2000;

/** First instant of the bucket with this number (from 0, may be negative), epoch ms. */
export function bucketStart({ months, ms }: Interval, index: number): number {
  return months === 0 ? BUCKET_ORIGIN_MS + index * ms : monthStart(BUCKET_ORIGIN_YEAR, index * months);
}

/** First instant of the month that many months after January of a year. */
export function monthStart(year: number, months: number): number {
  return daysFromCivil({ year: year + Math.floor(months / 12), month: (((months % 12) + 12) % 12) + 1, day: 1 }) * DAY_MS;
}

/** The instant an interval before another: months first, at most to the end of a shorter month, then the rest. */
export function instantBefore(atMs: number, { months, ms }: Interval): number {
  const days = Math.floor(atMs / DAY_MS);
  const { year, month, day } = civilFromDays(days);
  const first = monthStart(year, month - 1 - months);
  const length = (monthStart(year, month - months) - first) / DAY_MS;
  return first + (Math.min(day, length) - 1) * DAY_MS + (atMs - days * DAY_MS) - ms;
}

/** `2026-05-02T00:00:00.000000`, with `Z` in newer answers. */
export function microsOf(atMs: number, zone: '' | 'Z'): string {
  const fraction = String(((atMs % SECOND_MS) + SECOND_MS) % SECOND_MS).padStart(3, '0');
  return `${isoOf(Math.floor(atMs / SECOND_MS) * SECOND_MS).slice(0, -1)}.${fraction}000${zone}`;
}
