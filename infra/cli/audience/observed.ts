// The truth as far as the delivered events tell it: what must be answered when some events of a viewing never arrive.
import type { SessionTruth } from './truth.ts';
import type { Viewing } from './viewing.ts';

/** Figures that follow from exactly these events (places in the viewing, ascending), one truth per video that has any. */
export function observe(viewing: Viewing, indexes: readonly number[]): SessionTruth[] {
  if (indexes.length === viewing.events.length) return [...viewing.truths];
  throw new RangeError('loss is not modelled yet');
}
