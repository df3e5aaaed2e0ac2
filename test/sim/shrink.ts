// A failing seed made small: first whole kinds of fault are left out, then single strokes, players and beacons, for as long as the same
// invariant breaks.
import type { FaultName } from './faults.ts';
import { type RunOptions, type RunResult, runSeed } from './run.ts';

const RUNS_MAX = 600;

export type Small = RunResult & { runs: number; without: readonly string[] };

/** Invariant (or error) that a failure names: the word before the colon. */
export const kindOf = (message: string | undefined): string | undefined => message?.split(':')[0];

/** The smallest failing run found. */
export async function shrink(seed: number, options: RunOptions = {}): Promise<Small> {
  let best = await runSeed(seed, { ...options, timeline: true });
  const kind = kindOf(best.failure?.message);
  let runs = 1;
  const dropped = new Set<FaultName>();
  let without: readonly string[] = [];
  const fails = async (kinds: ReadonlySet<FaultName>, list: readonly string[]): Promise<boolean> => {
    runs += 1;
    const tried = await runSeed(seed, {
      ...options,
      timeline: true,
      without: list,
      faults: (drawn) => new Map([...drawn].filter(([each]) => !kinds.has(each))),
    });
    if (kindOf(tried.failure?.message) !== kind) return false;
    best = tried;
    return true;
  };
  for (const name of best.faults) if (await fails(new Set([...dropped, name]), without)) dropped.add(name);
  // Halves, quarters ... single ones: most of a run has nothing to do with its failure.
  for (let size = best.occurrences.length >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < best.occurrences.length && runs < RUNS_MAX; ) {
      const fewer = [...without, ...best.occurrences.slice(from, from + size)];
      if (await fails(dropped, fewer)) without = fewer;
      else from += size;
    }
  }
  return { ...best, runs, without };
}
