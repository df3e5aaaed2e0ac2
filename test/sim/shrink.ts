// A failing seed with as few kinds of fault as still break it: each is left out in turn, for as long as the same invariant breaks.
import type { FaultName } from './faults.ts';
import { type RunOptions, type RunResult, runSeed } from './run.ts';

/** Invariant (or error) that a run broke: the word before the colon. */
const kindOf = (result: RunResult): string | undefined => result.failure?.message.split(':')[0];

/** The smallest failing run found, with its timeline. */
export async function shrink(seed: number, options: RunOptions = {}): Promise<RunResult> {
  let best = await runSeed(seed, { ...options, timeline: true });
  const kind = kindOf(best);
  const dropped = new Set<FaultName>();
  for (const name of best.faults) {
    const without = new Set([...dropped, name]);
    const tried = await runSeed(seed, {
      ...options,
      timeline: true,
      faults: (drawn) => new Map([...drawn].filter(([each]) => !without.has(each))),
    });
    if (kindOf(tried) !== kind) continue;
    dropped.add(name);
    best = tried;
  }
  return best;
}
