// How many sets of counted events a site has: the types that hold an event, those without a type being one.
import { type Bound, bound } from './bound.ts';
import { COUNTED_PROTOCOL, COUNTED_SESSION_PREFIX } from './counted-events.ts';

export const countedEventTypes = (site: string): Bound<{ types: number }> =>
  bound(
    'counted_event_types',
    `SELECT count(DISTINCT coalesce(e.data ->> 'type', '')) AS types FROM custom_events e
LEFT JOIN event_flushes f ON f.site = e.site AND f.protocol = $3::text AND f.type = coalesce(e.data ->> 'type', '')
WHERE e.site = $1::text AND starts_with(e.session, $2::text) AND e.append_at > coalesce(f.flushed_at, '-infinity')`,
    [site, COUNTED_SESSION_PREFIX, COUNTED_PROTOCOL],
  );
