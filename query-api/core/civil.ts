// Calendar arithmetic on plain integers: proleptic Gregorian dates, ISO 8601 text, time zone offsets. No Date object, so
// the core stays a function of its arguments; the zone rules come from the runtime's Intl data.

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

/** A calendar date; month 1..12, day 1..31. */
export type CivilDate = { readonly year: number; readonly month: number; readonly day: number };

/** Days since 1970-01-01 of a date. Source: Howard Hinnant, chrono-compatible low-level date algorithms. */
export function daysFromCivil({ year, month, day }: CivilDate): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** Date of a day number (days since 1970-01-01). The inverse of daysFromCivil. */
export function civilFromDays(days: number): CivilDate {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthIndex = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day: dayOfYear - Math.floor((153 * monthIndex + 2) / 5) + 1 };
}

const pad = (value: number, width: number): string => String(value).padStart(width, '0');

/** `2026-11-22` of a day number. */
export function isoDayOf(days: number): string {
  const { year, month, day } = civilFromDays(days);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
}

/** `2026-11-22T10:11:12.345Z` of an instant (epoch ms); whole seconds have no fraction. */
export function isoOf(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  const inDay = ms - days * DAY_MS;
  const milli = inDay % SECOND_MS;
  const clock = [Math.floor(inDay / HOUR_MS), Math.floor(inDay / MINUTE_MS) % 60, Math.floor(inDay / SECOND_MS) % 60];
  return `${isoDayOf(days)}T${clock.map((part) => pad(part, 2)).join(':')}${milli === 0 ? '' : `.${pad(milli, 3)}`}Z`;
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const INSTANT = /^(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:(Z|z)|([+-])(\d\d):?(\d\d))$/;

/** Day number of `YYYY-MM-DD`, undefined if it is not a date that exists. */
export function parseDay(text: string): number | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const date = { year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) };
  if (date.month < 1 || date.month > 12 || date.day < 1) return undefined;
  const days = daysFromCivil(date);
  return isoDayOf(days) === text ? days : undefined;
}

/** Epoch ms of an ISO 8601 instant with its offset (`Z` or `+02:00`), undefined if it is not one. Digits below the ms are cut. */
export function parseInstant(text: string): number | undefined {
  const match = INSTANT.exec(text);
  if (match === null) return undefined;
  const days = parseDay(match[1] as string);
  const [hour, minute, second] = [Number(match[2]), Number(match[3]), Number(match[4] ?? 0)];
  if (days === undefined || hour > 23 || minute > 59 || second > 59) return undefined;
  const milli = Number((match[5] ?? '').padEnd(3, '0').slice(0, 3));
  const shift = match[7] === undefined ? 0 : (match[7] === '-' ? -1 : 1) * (Number(match[8]) * HOUR_MS + Number(match[9]) * MINUTE_MS);
  return days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + milli - shift;
}

const formatters = new Map<string, Intl.DateTimeFormat>();
const FORMATTERS_MAX = 600;

function formatterOf(timezone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timezone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: timezone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
      era: 'short',
    });
    if (formatters.size >= FORMATTERS_MAX) formatters.clear();
    formatters.set(timezone, formatter);
  }
  return formatter;
}

/** True for an IANA zone name that this runtime knows. Offsets such as `+02:00` are refused: they have no rules. */
export function isTimezone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    formatterOf(name);
    return true;
  } catch {
    return false;
  }
}

/** Offset of a zone from UTC at an instant, ms (positive east). @throws RangeError for an unknown zone. */
export function offsetMsAt(timezone: string, ms: number): number {
  if (timezone === 'UTC') return 0;
  const parts: Record<string, number> = {};
  let beforeChrist = false;
  for (const { type, value } of formatterOf(timezone).formatToParts(ms)) {
    if (type === 'era') beforeChrist = value.startsWith('B');
    else if (type !== 'literal') parts[type] = Number(value);
  }
  const part = (name: string): number => parts[name] ?? 0;
  const year = beforeChrist ? 1 - part('year') : part('year');
  const days = daysFromCivil({ year, month: part('month'), day: part('day') });
  const local = days * DAY_MS + part('hour') * HOUR_MS + part('minute') * MINUTE_MS + part('second') * SECOND_MS;
  return local - Math.floor(ms / SECOND_MS) * SECOND_MS;
}

/** Day number of the local date at an instant. */
export function localDayAt(timezone: string, ms: number): number {
  return Math.floor((ms + offsetMsAt(timezone, ms)) / DAY_MS);
}

/** No zone is further from UTC than this. */
const OFFSET_MS_MAX = 15 * HOUR_MS;

/** First instant (epoch ms) of a local date; where a clock change skips midnight, the instant of the change. */
export function startOfDay(timezone: string, days: number): number {
  const local = days * DAY_MS;
  if (timezone === 'UTC') return local;
  const offsets = [offsetMsAt(timezone, local - OFFSET_MS_MAX), offsetMsAt(timezone, local + OFFSET_MS_MAX)];
  const candidates = offsets.map((offset) => local - offset).sort((a, b) => a - b);
  const midnight = candidates.find((at) => at + offsetMsAt(timezone, at) === local);
  if (midnight !== undefined) return midnight;
  // Midnight was skipped: look for the change, before which it is an earlier date and after which it is this one.
  let [before, after] = [(candidates[0] as number) - 1, candidates[1] as number];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (localDayAt(timezone, middle) < days) before = middle;
    else after = middle;
  }
  return after;
}
