// Curves over the media timeline: ranges, their boundaries, and prefix sums over difference arrays ("steps").

/** Most ranges of one answer. */
export const RANGES_MAX = 20_000;
/** Most ranges of `ranges=N`. */
export const RANGES_ASKED_MAX = 1_000;

/** N half-open ranges over a timeline: `boundaries` has N + 1 entries, the last one is the end. */
export type Ranges = { readonly boundaries: readonly number[] };

/** N equal ranges, cut at floor(i x durationMs / N) as rangesOf() of schemas/rollup.ts does; never shorter than 1 ms. */
export function equalRanges(durationMs: number, ranges: number): Ranges {
  const count = Math.max(1, Math.min(ranges, durationMs));
  return { boundaries: Array.from({ length: count + 1 }, (_, i) => Math.floor((i * durationMs) / count)) };
}

/** Ranges of `resolutionMs`, the last one shorter where the duration is not a multiple. */
export function rangesBySize(durationMs: number, resolutionMs: number): Ranges {
  const count = Math.max(1, Math.ceil(durationMs / resolutionMs));
  return { boundaries: Array.from({ length: count + 1 }, (_, i) => (i === count ? Math.max(durationMs, 1) : i * resolutionMs)) };
}

/** The resolution used when none is asked for: 1 s, or the next whole second that keeps within `rangesMax`. */
export function defaultResolutionMs(durationMs: number, rangesMax = RANGES_MAX): number {
  return Math.max(1, Math.ceil(durationMs / rangesMax / 1_000)) * 1_000;
}

export type CurvePoint = { fromMs: number; toMs: number; plays: number; watches: number; rewatches: number; share: number | null };

/**
 * Integrates difference arrays into a curve. `playSteps[i]` is how many sessions' coverage begins at range i minus how many
 * ended before it; `watchSteps` the same for runs.
 */
export function curveOf(ranges: Ranges, playSteps: readonly number[], watchSteps: readonly number[], allPlays: number): CurvePoint[] {
  const points: CurvePoint[] = [];
  let plays = 0;
  let watches = 0;
  for (let i = 0; i + 1 < ranges.boundaries.length; i++) {
    plays += playSteps[i] ?? 0;
    watches += watchSteps[i] ?? 0;
    points.push({
      fromMs: ranges.boundaries[i] as number,
      toMs: ranges.boundaries[i + 1] as number,
      plays,
      watches,
      rewatches: watches - plays,
      share: allPlays === 0 ? null : Math.min(1, plays / allPlays),
    });
  }
  return points;
}
