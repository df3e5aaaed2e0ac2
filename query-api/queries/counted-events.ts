// Events of Analytics Engine counted by name and local day, under three cut-offs at once: one pass over the range, no event leaves
// the database. A set that was flushed begins after its flush.
import { isoOf } from '../core/civil.ts';
import { type Bound, bound } from './bound.ts';

/** What the door of these events begins their sessions with; nothing else of the site does. Source: ingest/core/protocols. */
export const COUNTED_SESSION_PREFIX = 'analytics_engine-';
export const COUNTED_PROTOCOL = 'analytics_engine';

/** `type` '' = the events without one; `uniqueId` undefined = whatever it is. */
export type CountedQuestion = { site: string; type: string; uniqueId: string | undefined; lookback: number; nowMs: number };

/** Events of one name on one local day (`YYYY-MM-DD`) that are younger than each cut-off. */
export type CountedRow = { name: string; day: string; daily: number; weekly: number; monthly: number };

export const COUNTED_ROWS_MAX = 200_000;

/** Cut-offs: so many days, weeks and calendar months before now, on the site's clock. */
export const countedEvents = ({ site, type, uniqueId, lookback, nowMs }: CountedQuestion): Bound<CountedRow> =>
  bound(
    'counted_events',
    `WITH zone AS (SELECT timezone, $2::timestamptz AT TIME ZONE timezone AS now FROM sites WHERE site = $1::text),
cuts AS MATERIALIZED (
  SELECT timezone, (now - make_interval(days => $3::int)) AT TIME ZONE timezone AS daily,
    (now - make_interval(weeks => $3::int)) AT TIME ZONE timezone AS weekly,
    (now - make_interval(months => $3::int)) AT TIME ZONE timezone AS monthly FROM zone
)
SELECT e.name, to_char(e.at AT TIME ZONE c.timezone, 'YYYY-MM-DD') AS day, count(*) FILTER (WHERE e.at >= c.daily) AS daily,
  count(*) FILTER (WHERE e.at >= c.weekly) AS weekly, count(*) FILTER (WHERE e.at >= c.monthly) AS monthly
FROM custom_events e CROSS JOIN cuts c
WHERE e.site = $1::text AND e.at >= (SELECT least(daily, weekly, monthly) FROM cuts) AND starts_with(e.session, $4::text)
  AND coalesce(e.data ->> 'type', '') = $5::text AND ($6::text IS NULL OR e.data ->> 'uniqueId' = $6::text)
  AND e.append_at > coalesce((SELECT flushed_at FROM event_flushes WHERE site = $1::text AND protocol = $7::text AND type = $5::text), '-infinity')
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT ${COUNTED_ROWS_MAX + 1}`,
    [site, isoOf(nowMs), lookback, COUNTED_SESSION_PREFIX, type, uniqueId ?? null, COUNTED_PROTOCOL],
  );
