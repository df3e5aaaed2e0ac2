// Calendar dates in a site's time zone: decided at the door and written into the record, so that a replay needs no zone data.

const formatters = new Map<string, Intl.DateTimeFormat>();
/** Zones whose formatter is kept. */
const FORMATTERS_MAX = 1_000;
/** A visitor's key changes at this hour of the site, when fewest visits are under way. */
const KEY_CHANGE_HOUR = 4;
const NOON = 'T12:00:00Z';
const DAY_MS = 86_400_000;
/** Zones change their offset at whole quarters of an hour: within one the date and the hour stay. */
const BLOCK_MS = 900_000;
/** Quarters of an hour (and zones) that are remembered. */
const TIMES_MAX = 10_000;

/** Date, `YYYY-MM-DD`, and hour, 0 to 23, that clocks show. */
type LocalTime = { day: string; hour: number };
const times = new Map<string, LocalTime>();

function formatterOf(timezone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timezone);
  if (formatter !== undefined) return formatter;
  const date = { year: 'numeric', month: '2-digit', day: '2-digit', calendar: 'iso8601', numberingSystem: 'latn' } as const;
  const fields = { ...date, hour: '2-digit', hourCycle: 'h23' } as const;
  try {
    formatter = new Intl.DateTimeFormat('en-US', { ...fields, timeZone: timezone });
  } catch {
    formatter = new Intl.DateTimeFormat('en-US', { ...fields, timeZone: 'UTC' });
  }
  if (formatters.size >= FORMATTERS_MAX) formatters.clear();
  formatters.set(timezone, formatter);
  return formatter;
}

function localTimeOf(instantMs: number, timezone: string): LocalTime {
  const block = Math.floor(instantMs / BLOCK_MS);
  const name = `${timezone} ${block}`;
  let time = times.get(name);
  if (time !== undefined) return time;
  const parts = formatterOf(timezone).formatToParts(block * BLOCK_MS);
  const part = new Map(parts.map(({ type, value }) => [type, value]));
  time = {
    day: `${(part.get('year') ?? '').padStart(4, '0')}-${part.get('month')}-${part.get('day')}`,
    hour: Number(part.get('hour')),
  };
  if (times.size >= TIMES_MAX) times.clear();
  times.set(name, time);
  return time;
}

/** Calendar date of an instant (epoch ms) in a time zone, `YYYY-MM-DD`. A zone that does not exist is UTC. */
export const localDayOf = (instantMs: number, timezone: string): string => localTimeOf(instantMs, timezone).day;

/**
 * The instant whose salt makes visitor keys at this one: noon of the site's date, the date changing when clocks there show four in the
 * morning. A key lives for one day and is then gone with its salt, and a visit over midnight keeps it.
 */
export function keyInstantOf(instantMs: number, timezone: string): number {
  const { day, hour } = localTimeOf(instantMs, timezone);
  const noon = Date.parse(`${day}${NOON}`);
  return hour < KEY_CHANGE_HOUR ? noon - DAY_MS : noon;
}
