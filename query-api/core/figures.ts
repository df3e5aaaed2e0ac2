// Figures: additive sums over sessions, and the figure block that answers are made of (api.md section 3). A sum of two sets
// of sessions is the sum of their sums, so rollups, rows and provisional sessions can be put together in any order.
import { STARTUP_CELLS, startupQuantileMs } from '../../schemas/rollup.ts';

/** Names of the additive counts, as columns of the rollups are named in camelCase. */
export const SUM_NAMES = [
  'sessions',
  'provisional',
  'attempts',
  'plays',
  'uniqueWatchMs',
  'totalWatchMs',
  'completions',
  'stalls',
  'stallMs',
  'startFailures',
  'playbackFailures',
  'exitsBeforeStart',
  'bitrateKbpsMs',
  'bitrateKnownMs',
  'switchesUp',
  'switchesDown',
] as const;
export type SumName = (typeof SUM_NAMES)[number];

/** Sums over a set of sessions. `startupCounts` is the histogram of schemas/rollup.ts, one cell per index. */
export type FigureSums = Record<SumName, number> & { startupCounts: number[] };

/** The figure block of api.md. Quotients over nothing are null, never 0: no plays have no average. */
export type FigureBlock = {
  attempts: number;
  plays: number;
  uniqueWatchMs: number;
  totalWatchMs: number;
  averageWatchMs: number | null;
  completions: number;
  startupMs: { median: number | null; p95: number | null };
  stalls: number;
  stallMs: number;
  rebufferRatio: number | null;
  startFailures: number;
  playbackFailures: number;
  exitsBeforeStart: number;
};

/** What /v1/quality adds to the block. */
export type QualityBlock = FigureBlock & { bitrateBps: number | null; switchesUp: number; switchesDown: number };

/** Sums of no session at all. */
export function noFigures(): FigureSums {
  const sums = { startupCounts: new Array<number>(STARTUP_CELLS).fill(0) } as FigureSums;
  for (const name of SUM_NAMES) sums[name] = 0;
  return sums;
}

/** Adds `more` to `sums` in place. Histograms may be shorter than STARTUP_CELLS. */
export function addFigures(sums: FigureSums, more: Partial<Record<SumName, number>> & { startupCounts?: readonly number[] }): FigureSums {
  for (const name of SUM_NAMES) sums[name] += more[name] ?? 0;
  addCounts(sums.startupCounts, more.startupCounts ?? []);
  return sums;
}

/** Adds one histogram to another in place. */
export function addCounts(counts: number[], more: readonly number[]): void {
  for (let cell = 0; cell < more.length; cell++) counts[cell] = (counts[cell] ?? 0) + (more[cell] as number);
}

/** a / b in [0, 1] or any other quotient; null where b is 0. */
export const quotient = (a: number, b: number): number | null => (b === 0 ? null : a / b);

/** a / b as an integer; null where b is 0. */
export const wholeQuotient = (a: number, b: number): number | null => (b === 0 ? null : Math.round(a / b));

/** The figure block of a set of sessions. */
export function figureBlock(sums: FigureSums): FigureBlock {
  return {
    attempts: sums.attempts,
    plays: sums.plays,
    uniqueWatchMs: sums.uniqueWatchMs,
    totalWatchMs: sums.totalWatchMs,
    averageWatchMs: wholeQuotient(sums.totalWatchMs, sums.plays),
    completions: sums.completions,
    startupMs: {
      median: startupQuantileMs(sums.startupCounts, 0.5) ?? null,
      p95: startupQuantileMs(sums.startupCounts, 0.95) ?? null,
    },
    stalls: sums.stalls,
    stallMs: sums.stallMs,
    rebufferRatio: quotient(sums.stallMs, sums.stallMs + sums.totalWatchMs),
    startFailures: sums.startFailures,
    playbackFailures: sums.playbackFailures,
    exitsBeforeStart: sums.exitsBeforeStart,
  };
}

/** The block of /v1/quality: bitrate is weighted by played time for which one was known. */
export function qualityBlock(sums: FigureSums): QualityBlock {
  return {
    ...figureBlock(sums),
    bitrateBps: wholeQuotient(sums.bitrateKbpsMs * 1_000, sums.bitrateKnownMs),
    switchesUp: sums.switchesUp,
    switchesDown: sums.switchesDown,
  };
}

/** Most plays first, then most attempts, then by value: an order without ties, so that pages are stable. */
export function compareGroups(a: { value: string; sums: FigureSums }, b: { value: string; sums: FigureSums }): number {
  return b.sums.plays - a.sums.plays || b.sums.attempts - a.sums.attempts || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0);
}
