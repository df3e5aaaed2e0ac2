// Analytics Engine's reads: counts of events by day, week and month, their flush, and figures of the process. Every answer repeats its
// status. Where the peer is known to be wrong the answer is right instead; docs/doors/analytics-engine.md lists those places.
import { uptime } from 'node:os';
import { isoDayOf, parseDay } from '../core/civil.ts';
import { ProblemError } from '../problem.ts';
import { countedEventTypes } from '../queries/counted-event-types.ts';
import { COUNTED_PROTOCOL, COUNTED_ROWS_MAX, type CountedRow, countedEvents } from '../queries/counted-events.ts';
import { eventFlush } from '../queries/event-flush.ts';
import type { DialectAsked, DialectRoute } from './dialect.ts';

const LOOKBACK_DEFAULT = 7;
/** A thousand years of months: beyond this there is no event, and the calendar of the database ends. */
const LOOKBACK_MAX = 12_000;
const DAYS_IN_WEEK = 7;
/** The day with number 0 was a Thursday. */
const EPOCH_WEEKDAY = 4;
const MEBIBYTE = 1_048_576;

const shared: Pick<DialectRoute, 'secretOf' | 'word'> = {
  // The header is the secret itself; with a scheme it is understood too.
  secretOf: ({ authorization }) => authorization.replace(/^bearer +/i, '').trim(),
  word: (problem, status) => (status === 401 ? { status, data: 'Unauthorized.' } : { status, error: problem.message }),
};

export const analyticsEngineRoutes: readonly DialectRoute[] = [
  { ...shared, method: 'get', path: '/analytics', scope: 'query', handle: async (asked) => worded(await counts(asked)) },
  { ...shared, method: 'delete', path: '/analytics', scope: 'admin', handle: async (asked) => worded(await flush(asked)) },
  { ...shared, method: 'get', path: '/stats', scope: 'query', handle: async (asked) => worded(await stats(asked)) },
];

const worded = (data: unknown): { body: unknown } => ({ body: { status: 200, data } });

/** A parameter as text, '' = not given; of a list the first. */
function textOf({ query }: DialectAsked, name: string): string {
  const value = query[name];
  const first = Array.isArray(value) ? value[0] : value;
  // NUL is in no text of the database, so nothing is found for it either.
  return typeof first === 'string' ? first.replaceAll('\u0000', '\ufffd') : '';
}

/** A whole number above 0; anything else is the default, as with the peer. */
export function lookbackOf(text: string): number {
  const days = /^\+?\d{1,15}$/.test(text) ? Number(text) : 0;
  return days > 0 ? Math.min(days, LOOKBACK_MAX) : LOOKBACK_DEFAULT;
}

type Counts = Record<'daily' | 'weekly' | 'monthly', Record<string, number>>;

async function counts(asked: DialectAsked): Promise<{ global: Counts; usages: Record<string, Counts> }> {
  const uniqueId = textOf(asked, 'uniqueId');
  const rows = await asked.ask(
    countedEvents({
      site: asked.caller.site,
      type: textOf(asked, 'type'),
      uniqueId: uniqueId === '' ? undefined : uniqueId,
      lookback: lookbackOf(textOf(asked, 'lookback')),
      nowMs: asked.nowMs,
    }),
  );
  if (rows.length > COUNTED_ROWS_MAX)
    throw new ProblemError('too-many-rows', 'There are too many names and days: ask for a shorter lookback', { limit: 'counted_rows' });
  return bucketsOf(rows);
}

/** Days put together to weeks, which begin on Sunday, and months; of each name and of all. */
export function bucketsOf(rows: readonly CountedRow[]): { global: Counts; usages: Record<string, Counts> } {
  const global = noCounts();
  const usages: Record<string, Counts> = Object.create(null);
  for (const row of rows) {
    const day = parseDay(row.day) ?? 0;
    const weekday = (((day + EPOCH_WEEKDAY) % DAYS_IN_WEEK) + DAYS_IN_WEEK) % DAYS_IN_WEEK;
    const keys = { daily: row.day, weekly: isoDayOf(day - weekday), monthly: row.day.slice(0, 7) };
    usages[row.name] ??= noCounts();
    for (const target of [global, usages[row.name] as Counts]) {
      for (const span of ['daily', 'weekly', 'monthly'] as const) add(target[span], keys[span], row[span]);
    }
  }
  return { global, usages };
}

const noCounts = (): Counts => ({ daily: {}, weekly: {}, monthly: {} });

function add(counted: Record<string, number>, key: string, count: number): void {
  if (count > 0) counted[key] = (counted[key] ?? 0) + count;
}

async function flush(asked: DialectAsked): Promise<string> {
  await asked.askAdmin(eventFlush({ site: asked.caller.site, protocol: COUNTED_PROTOCOL, type: textOf(asked, 'type'), atMs: asked.nowMs }));
  return 'Data flushed successfully!';
}

/** Figures of this process and machine, under the peer's names. */
async function stats(asked: DialectAsked): Promise<Record<string, number | string>> {
  const [row] = await asked.ask(countedEventTypes(asked.caller.site));
  const { user, system } = process.cpuUsage();
  const resident = process.memoryUsage.rss();
  const uptimeSeconds = Math.floor(uptime());
  return {
    total_redis_keys: row?.types ?? 0,
    // Share of one processor since the process began, percent: microseconds over seconds.
    cpu_usage: Math.round((user + system) / process.uptime() / 100) / 100,
    ram_usage: `${(resident / MEBIBYTE).toFixed(2)}MB`,
    ram_usage_bytes: resident,
    system_uptime_seconds: uptimeSeconds,
    system_uptime: uptimeText(uptimeSeconds),
    go_routines: process.getActiveResourcesInfo().length,
  };
}

/** `1d 2h 3m 4s`. */
export function uptimeText(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)}d ${hours % 24}h ${minutes % 60}m ${seconds % 60}s`;
}
