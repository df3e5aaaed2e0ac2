// The time axis of PeerTube's statistics: which interval a window is cut into, and where the intervals begin. Days and months are
// those of the site's time zone.
import {
  civilFromDays,
  DAY_MS,
  daysFromCivil,
  HOUR_MS,
  isoOf,
  localDayAt,
  MINUTE_MS,
  offsetMsAt,
  parseDay,
  parseInstant,
  SECOND_MS,
  startOfDay,
} from './civil.ts';

/** An interval by its name in answers: so many months, days, or (of equal length) ms; `truncateMs` is what its first start is cut to. */
type Interval = { name: string; months?: number; days?: number; stepMs?: number; truncateMs?: number };

const MONTH_MS = 31 * DAY_MS;
const YEAR_MS = 365 * DAY_MS;

/** From the widest window down: the first whose span is reached is taken. Source: protocols.md 5.3. */
const INTERVALS: readonly (readonly [spanMs: number, interval: Interval])[] = [
  [6 * YEAR_MS, { name: '6 months', months: 6 }],
  [2 * YEAR_MS, { name: '1 month', months: 1 }],
  [6 * MONTH_MS, { name: '7 days', days: 7 }],
  [2 * MONTH_MS, { name: '2 days', days: 2 }],
  [15 * DAY_MS, { name: '1 day', days: 1 }],
  [8 * DAY_MS, { name: '12 hours', stepMs: 12 * HOUR_MS, truncateMs: HOUR_MS }],
  [4 * DAY_MS, { name: '6 hours', stepMs: 6 * HOUR_MS, truncateMs: HOUR_MS }],
  [15 * HOUR_MS, { name: '1 hour', stepMs: HOUR_MS, truncateMs: HOUR_MS }],
  [180 * MINUTE_MS, { name: '10 minutes', stepMs: 10 * MINUTE_MS, truncateMs: MINUTE_MS }],
  [0, { name: '1 minute', stepMs: MINUTE_MS, truncateMs: MINUTE_MS }],
];

/** Beginnings of the intervals, ascending, all of them <= the end of the window; `endMs` is where the last one ends. */
export type Axis = { groupInterval: string; starts: readonly number[]; endMs: number };

/** Cuts [fromMs, toMs] (epoch ms, fromMs <= toMs) into the intervals of its span. */
export function axisOf(fromMs: number, toMs: number, timezone: string): Axis {
  const [, interval] = INTERVALS.find(([spanMs]) => toMs - fromMs >= spanMs) as (typeof INTERVALS)[number];
  const startAt = startsOf(interval, fromMs, timezone);
  const starts: number[] = [];
  let n = 0;
  for (let at = startAt(0); at <= toMs; at = startAt(n)) {
    starts.push(at);
    n++;
  }
  return { groupInterval: interval.name, starts, endMs: startAt(n) };
}

/** The n-th beginning. */
function startsOf(interval: Interval, fromMs: number, timezone: string): (n: number) => number {
  const day = localDayAt(timezone, fromMs);
  const { months, days, stepMs = MINUTE_MS, truncateMs = MINUTE_MS } = interval;
  if (months !== undefined) {
    const { year, month } = civilFromDays(day);
    return (n) => {
      const index = month - 1 + n * months;
      return startOfDay(timezone, daysFromCivil({ year: year + Math.floor(index / 12), month: (index % 12) + 1, day: 1 }));
    };
  }
  if (days !== undefined) return (n) => startOfDay(timezone, day + n * days);
  const local = fromMs + offsetMsAt(timezone, fromMs);
  const first = fromMs - (((local % truncateMs) + truncateMs) % truncateMs);
  return (n) => first + n * stepMs;
}

const LOCAL = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?$/;

/** An ISO 8601 date or instant as epoch ms; a date, or a time without a zone, is local to the site. undefined = it is neither. */
export function parseDate(text: string, timezone: string): number | undefined {
  const day = parseDay(text);
  if (day !== undefined) return startOfDay(timezone, day);
  if (!LOCAL.test(text)) return parseInstant(text);
  const local = parseInstant(`${text}Z`);
  return local === undefined ? undefined : local - offsetMsAt(timezone, local);
}

/** An instant as PeerTube writes it: always with milliseconds. */
export const dateOf = (ms: number): string => (ms % SECOND_MS === 0 ? isoOf(ms).replace('Z', '.000Z') : isoOf(ms));
