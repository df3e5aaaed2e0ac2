// How far the figures reach: the append time up to which every partition has been folded, and where log was lost.
import { type Bound, bound } from './bound.ts';

/** `through` is null where no partition has folded a record; `partitions` counts those that have. */
export type FreshnessRow = { through: number | null; partitions: number };

export const freshness = (): Bound<FreshnessRow> =>
  bound('freshness', 'SELECT min(stream_time) AS through, count(stream_time) AS partitions FROM partition_progress', []);
