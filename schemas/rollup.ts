// What the rollup rows mean: watch classes, the startup histogram, dimensions. The processor writes by it, the query
// API reads by it, both through these functions only. Imports nothing.

/**
 * Thresholds of total watch time (ms) that `minWatchMs` can be answered for from rollups exactly. A session's class is
 * the number of thresholds it reaches, so "at least WATCH_THRESHOLDS_MS[i]" = class > i.
 */
export const WATCH_THRESHOLDS_MS = [
  1, 1_000, 2_000, 3_000, 5_000, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
] as const;

/** Number of thresholds reached; 0 = nothing was watched. */
export function watchClassOf(totalWatchMs: number): number {
  let watchClass = 0;
  while (watchClass < WATCH_THRESHOLDS_MS.length && totalWatchMs >= (WATCH_THRESHOLDS_MS[watchClass] as number)) watchClass++;
  return watchClass;
}

/** The least class that satisfies `minWatchMs`, or undefined where rollups cannot say (an odd threshold). */
export function watchClassFor(minWatchMs: number): number | undefined {
  if (minWatchMs <= 0) return 0;
  const index = (WATCH_THRESHOLDS_MS as readonly number[]).indexOf(minWatchMs);
  return index < 0 ? undefined : index + 1;
}

/** Cells of the startup histogram: 8 per octave, up to 65 s; the last one holds everything longer. */
export const STARTUP_CELLS = 120;

/** Cell of a startup time: exact below 8 ms, then 8 equal cells per doubling (at most 12.5 % wide). */
export function startupCellOf(startupMs: number): number {
  if (startupMs < 8) return Math.max(0, startupMs);
  const octave = 31 - Math.clz32(startupMs);
  return Math.min(STARTUP_CELLS - 1, 8 * (octave - 2) + ((startupMs >> (octave - 3)) & 7));
}

/** Middle of a cell, integer ms: what a percentile over the histogram answers. */
export function startupCellMiddleMs(cell: number): number {
  if (cell < 8) return cell;
  const octave = Math.floor(cell / 8) + 2;
  const width = 2 ** (octave - 3);
  return (8 + (cell % 8)) * width + Math.floor(width / 2);
}

/** The p-th quantile (0..1) of a startup histogram: the middle of the cell that holds the ceil(p x n)-th value; undefined if empty. */
export function startupQuantileMs(counts: readonly number[], p: number): number | undefined {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return undefined;
  const rank = Math.max(1, Math.ceil(p * total));
  let seen = 0;
  for (let cell = 0; cell < counts.length; cell++) {
    seen += counts[cell] as number;
    if (seen >= rank) return startupCellMiddleMs(cell);
  }
  return undefined;
}

/** Dimensions kept in rollup_daily one at a time; `traffic` is source, medium and campaign joined by TRAFFIC_SEPARATOR. */
export const ROLLUP_DIMENSIONS = [
  'country',
  'region',
  'browser',
  'platform',
  'device',
  'source',
  'medium',
  'campaign',
  'page',
  'player',
  'protocol',
  'traffic',
] as const;
export type RollupDimension = (typeof ROLLUP_DIMENSIONS)[number];
export const TRAFFIC_SEPARATOR = '\u001f';

/** Ranges of the engagement difference arrays: 100 equal parts of the duration, 101 cells. */
export const ENGAGEMENT_RANGES = 100;

/** First and last range (inclusive) that [fromMs, toMs) overlaps; boundaries are floor(i x durationMs / ranges). */
export function rangesOf(fromMs: number, toMs: number, durationMs: number, ranges: number): { first: number; last: number } {
  const at = (ms: number): number => {
    let i = Math.min(ranges - 1, Math.floor((ms * ranges) / durationMs));
    while (i > 0 && Math.floor((i * durationMs) / ranges) > ms) i--;
    while (i < ranges - 1 && Math.floor(((i + 1) * durationMs) / ranges) <= ms) i++;
    return i;
  };
  return { first: at(fromMs), last: at(toMs - 1) };
}
