// Log lost with an operator's consent that may touch a range. Unknown times touch every range.
import { isoOf } from '../core/civil.ts';
import type { TimeRange } from '../core/interval.ts';
import { type Bound, bound } from './bound.ts';

export type GapRow = {
  partition: number;
  from_offset: number;
  to_offset: number;
  from_at: number | null;
  to_at: number | null;
  reason: string;
};

export const GAPS_MAX = 100;

export const gaps = (range: TimeRange): Bound<GapRow> =>
  bound(
    'gaps',
    `SELECT partition, from_offset, to_offset, from_at, to_at, reason FROM data_gaps
WHERE coalesce(to_at, 'infinity') >= $1::timestamptz AND coalesce(from_at, '-infinity') < $2::timestamptz
ORDER BY partition, from_offset LIMIT ${GAPS_MAX}`,
    [isoOf(range.fromMs), isoOf(range.toMs)],
  );
