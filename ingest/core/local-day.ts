// Calendar dates in a site's time zone: decided at the door and written into the record, so that a replay needs no zone data.

const formatters = new Map<string, Intl.DateTimeFormat>();
/** Zones whose formatter is kept. */
const FORMATTERS_MAX = 1_000;
/** A visitor's key changes at this hour of the site, when fewest visits are under way. */
const KEY_CHANGE_HOUR_MS = 4 * 3_600_000;
const NOON = 'T12:00:00Z';
/** Zones change their offset at whole quarters of an hour: within one the date is the same, or it changes at its beginning. */
const BLOCK_MS = 900_000;
const days = new Map<string, string>();
/** Quarters of an hour (and zones) whose date is remembered. */
const DAYS_MAX = 10_000;

function formatterOf(timezone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timezone);
  if (formatter !== undefined) return formatter;
  const fields = { year: 'numeric', month: '2-digit', day: '2-digit', calendar: 'iso8601', numberingSystem: 'latn' } as const;
  try {
    formatter = new Intl.DateTimeFormat('en-US', { ...fields, timeZone: timezone });
  } catch {
    formatter = new Intl.DateTimeFormat('en-US', { ...fields, timeZone: 'UTC' });
  }
  if (formatters.size >= FORMATTERS_MAX) formatters.clear();
  formatters.set(timezone, formatter);
  return formatter;
}

/** Calendar date of an instant (epoch ms) in a time zone, `YYYY-MM-DD`. A zone that does not exist is UTC. */
export function localDayOf(instantMs: number, timezone: string): string {
  const block = Math.floor(instantMs / BLOCK_MS);
  const name = `${timezone} ${block}`;
  let day = days.get(name);
  if (day !== undefined) return day;
  day = formattedDay(block * BLOCK_MS, timezone);
  if (days.size >= DAYS_MAX) days.clear();
  days.set(name, day);
  return day;
}

function formattedDay(instantMs: number, timezone: string): string {
  const parts = new Map(
    formatterOf(timezone)
      .formatToParts(instantMs)
      .map(({ type, value }) => [type, value]),
  );
  return `${(parts.get('year') ?? '').padStart(4, '0')}-${parts.get('month')}-${parts.get('day')}`;
}

/**
 * The instant whose salt makes visitor keys at this one: noon of the site's date, the date changing at four in the morning. A key lives for
 * one day and is then gone with its salt, and a visit over midnight keeps it.
 */
export const keyInstantOf = (instantMs: number, timezone: string): number =>
  Date.parse(`${localDayOf(instantMs - KEY_CHANGE_HOUR_MS, timezone)}${NOON}`);
