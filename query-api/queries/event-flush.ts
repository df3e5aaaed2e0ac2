// Marks a set of a door's events as flushed: what the log held before is left out of that door's answers from now on. What is in the
// answers already was in the log before, even where the log's clock is ahead of this machine's; but not by more than clocks may differ,
// since a clock that once leapt would flush what is still to come.
import { isoOf } from '../core/civil.ts';
import { type Bound, bound } from './bound.ts';

export const eventFlush = (flush: { site: string; protocol: string; type: string; atMs: number }): Bound<never> =>
  bound(
    'event_flush',
    `INSERT INTO event_flushes AS f (site, protocol, type, flushed_at)
SELECT $1::text, $2::text, $3::text, greatest($4::timestamptz,
  (SELECT least(max(stream_time), $4::timestamptz + INTERVAL '10 minutes') FROM partition_progress HAVING max(stream_time) IS NOT NULL))
ON CONFLICT (site, protocol, type) DO UPDATE SET flushed_at = greatest(f.flushed_at, excluded.flushed_at)`,
    [flush.site, flush.protocol, flush.type, isoOf(flush.atMs)],
  );
