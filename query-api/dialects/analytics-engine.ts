// Analytics Engine's reads: counts of events by day, week and month, their flush, and figures of the process. Every answer repeats its
// status. Where the peer is known to be wrong the answer is right instead; docs/doors/analytics-engine.md lists those places.
import { uptime } from 'node:os';
import { COUNTED_PROTOCOL } from '../../schemas/door-sessions.ts';
import { DAY_MS, isoDayOf, localDayAt, parseDay } from '../core/civil.ts';
import { type CountedSpan, countedBoundaries, sundayOf } from '../core/counted-days.ts';
import { ProblemError } from '../problem.ts';
import { countedEventTypes } from '../queries/counted-event-types.ts';
import { type CountedSpanRow, countedSpan } from '../queries/counted-span.ts';
import { type EventCountRow, eventCounts } from '../queries/event-counts.ts';
import { eventFlush } from '../queries/event-flush.ts';
import type { DialectAsked, DialectRoute } from './dialect.ts';

const LOOKBACK_DEFAULT = 7;
/** A thousand years of months: beyond this there is no event, and the calendar of the database ends. */
const LOOKBACK_MAX = 12_000;
/** Most (name, stretch of time) pairs of one answer. */
const COUNTED_ROWS_MAX = 200_000;
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
  const { site } = asked.caller;
  const [type, uniqueId] = [textOf(asked, 'type'), textOf(asked, 'uniqueId')];
  const [row] = await asked.ask(countedSpan({ site, type, lookback: lookbackOf(textOf(asked, 'lookback')), nowMs: asked.nowMs }));
  const span = spanOf(row, asked.nowMs);
  if (span === undefined) return bucketsOf([]);
  const boundaries = countedBoundaries(span);
  const set = { type, uniqueId: uniqueId === '' ? undefined : uniqueId };
  const rows = await asked.ask(eventCounts({ site, boundaries, by: { kind: 'name' }, set }, COUNTED_ROWS_MAX));
  if (rows.length > COUNTED_ROWS_MAX)
    throw new ProblemError('too-many-rows', 'There are too many names and days: ask for a shorter lookback', { limit: 'counted_rows' });
  return bucketsOf(rows.map((counted) => daysOf(counted, boundaries, span)));
}

/** undefined = nothing can be counted. */
function spanOf(row: CountedSpanRow | undefined, nowMs: number): CountedSpan | undefined {
  if (row === undefined || row.oldest === null) return undefined;
  const { timezone, daily, weekly, monthly, oldest } = row;
  return { timezone, cuts: { daily, weekly, monthly }, oldestMs: (parseDay(oldest) ?? 0) * DAY_MS, nowMs };
}

/** Events of one name on one local day (`YYYY-MM-DD`), or within one week or month, that are younger than each cut-off. */
export type CountedRow = { name: string; day: string; daily: number; weekly: number; monthly: number };

function daysOf({ bucket, value, count }: EventCountRow, boundaries: readonly number[], { timezone, cuts }: CountedSpan): CountedRow {
  const fromMs = boundaries[bucket - 1] as number;
  const since = (cutMs: number): number => (fromMs >= cutMs ? count : 0);
  const day = isoDayOf(localDayAt(timezone, fromMs));
  return { name: value, day, daily: since(cuts.daily), weekly: since(cuts.weekly), monthly: since(cuts.monthly) };
}

/** Days put together to weeks, which begin on Sunday, and months; of each name and of all. */
export function bucketsOf(rows: readonly CountedRow[]): { global: Counts; usages: Record<string, Counts> } {
  const global = noCounts();
  const usages: Record<string, Counts> = Object.create(null);
  for (const row of rows) {
    const day = parseDay(row.day) ?? 0;
    const keys = { daily: row.day, weekly: isoDayOf(sundayOf(day)), monthly: row.day.slice(0, 7) };
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
  const [row] = await asked.ask(countedEventTypes(asked.caller.site, asked.nowMs));
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
