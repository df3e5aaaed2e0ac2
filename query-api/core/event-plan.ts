// Where counts of custom events over given stretches of time come from: whole UTC days from the daily counts, the rest of cut days from
// the hourly ones, and only hours that a boundary cuts from the events themselves. Exact for every zone and every range.
import { DAY_MS, HOUR_MS } from './civil.ts';

export type EventPlan =
  | { readonly path: 'rows' }
  | {
      readonly path: 'rollup';
      /** Beginnings of UTC days, and of UTC hours, that hold a boundary within, epoch ms. */
      readonly cutDaysMs: readonly number[];
      readonly cutHoursMs: readonly number[];
    };

/** `boundaries` ascending: stretch i is [boundaries[i], boundaries[i + 1]). Rows where cut hours would be half of all and more. */
export function planEventCounts(boundaries: readonly number[]): EventPlan {
  const cutDaysMs = beginningsOf(boundaries, DAY_MS);
  const cutHoursMs = beginningsOf(boundaries, HOUR_MS);
  const [first = 0, last = 0] = [boundaries[0], boundaries.at(-1)];
  return cutHoursMs.length * 2 * HOUR_MS > last - first ? { path: 'rows' } : { path: 'rollup', cutDaysMs, cutHoursMs };
}

const beginningsOf = (boundaries: readonly number[], spanMs: number): number[] => [
  ...new Set(boundaries.filter((at) => at % spanMs !== 0).map((at) => Math.floor(at / spanMs) * spanMs)),
];
