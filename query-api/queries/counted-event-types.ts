// How many sets of counted events a site has: the types that hold an event, those without a type being one.
import { COUNTED_PROTOCOL } from '../../schemas/door-sessions.ts';
import { isoOf } from '../core/civil.ts';
import { type Bound, bound } from './bound.ts';
import { OLDEST_KEPT } from './counted-span.ts';

/** Under a MAX_AGE, a type counts until the day of its last event is over. */
export const countedEventTypes = (site: string, nowMs: number): Bound<{ types: number }> =>
  bound(
    'counted_event_types',
    `SELECT count(DISTINCT r.type) AS types FROM rollup_events_daily r
LEFT JOIN event_flushes f ON f.site = r.site AND f.protocol = r.door AND f.type = r.type
WHERE r.site = $1::text AND r.door = '${COUNTED_PROTOCOL}' AND r.scope = 'site' AND r.last_append_at > coalesce(f.flushed_at, '-infinity')
  AND r.day >= coalesce((${OLDEST_KEPT('$1::text', '$2::timestamptz')} AT TIME ZONE 'UTC')::date, '-infinity')`,
    [site, isoOf(nowMs)],
  );
