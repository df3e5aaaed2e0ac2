// The time ranges one can choose, as parameters of the API.

export type Range = { id: string; name: string; spanMs: number; granularity: 'minute' | 'hour' | 'day' };
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const RANGES: readonly Range[] = [
  { id: '1h', name: '1 h', spanMs: HOUR_MS, granularity: 'minute' },
  { id: '24h', name: '24 h', spanMs: DAY_MS, granularity: 'hour' },
  { id: '7d', name: '7 d', spanMs: 7 * DAY_MS, granularity: 'day' },
  { id: '30d', name: '30 d', spanMs: 30 * DAY_MS, granularity: 'day' },
  { id: '90d', name: '90 d', spanMs: 90 * DAY_MS, granularity: 'day' },
];
export const RANGE_DEFAULT = '24h';

/** Instants of a range that ends with the running minute, hour or day, and of the range of the same length before it. */
export function instantsOf(range: Range, nowMs: number): { from: string; to: string; before: { from: string; to: string } } {
  const step = range.granularity === 'minute' ? 60_000 : range.granularity === 'hour' ? HOUR_MS : DAY_MS;
  const to = (Math.floor(nowMs / step) + 1) * step;
  const iso = (ms: number): string => new Date(ms).toISOString();
  return { from: iso(to - range.spanMs), to: iso(to), before: { from: iso(to - 2 * range.spanMs), to: iso(to - range.spanMs) } };
}
