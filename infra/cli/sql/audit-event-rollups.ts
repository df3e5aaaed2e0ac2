// I7 for custom events: hours, sites and names where the counts by hour, the counts by day and the events themselves disagree. Partitions
// are summed. $1: only what happened since then, null = all; the day of that instant is judged by its hours alone.
import type { Statement } from '../../runtime/ports.ts';

export type EventRollupAuditRow = { site: string; name: string; at: number; span: string; rollup: number; rows: number };

/** Most differences listed. */
export const EVENT_ROLLUP_DIFFERENCES_MAX = 100;

export const auditEventRollups: Statement<[since: string | null], EventRollupAuditRow> = {
  name: 'cli-audit-event-rollups',
  text: `WITH edge AS (SELECT date_trunc('hour', coalesce($1::timestamptz, '-infinity') + INTERVAL '59 minutes 59.999 seconds', 'UTC') AS at),
events AS (
  SELECT e.site, e.name, date_trunc('hour', e.at, 'UTC') AS hour, count(*) AS events FROM custom_events e, edge
  WHERE e.at >= edge.at GROUP BY 1, 2, 3
), hours AS (
  SELECT h.site, h.name, h.hour, sum(h.events) AS events FROM rollup_events_hourly h, edge
  WHERE h.scope = 'site' AND h.hour >= edge.at GROUP BY 1, 2, 3
), days AS (
  SELECT d.site, d.name, d.day, sum(d.events) AS events FROM rollup_events_daily d, edge
  WHERE d.scope = 'site' AND d.day::timestamp AT TIME ZONE 'UTC' >= edge.at GROUP BY 1, 2, 3
), event_days AS (
  SELECT e.site, e.name, (e.hour AT TIME ZONE 'UTC')::date AS day, sum(e.events) AS events FROM events e, edge
  WHERE date_trunc('day', e.hour, 'UTC') >= edge.at GROUP BY 1, 2, 3
)
SELECT site, name, hour AS at, 'hour' AS span, coalesce(h.events, 0)::bigint AS rollup, coalesce(e.events, 0)::bigint AS rows
FROM hours h FULL JOIN events e USING (site, name, hour) WHERE h.events IS DISTINCT FROM e.events
UNION ALL
SELECT site, name, day::timestamp AT TIME ZONE 'UTC', 'day', coalesce(d.events, 0)::bigint, coalesce(e.events, 0)::bigint
FROM days d FULL JOIN event_days e USING (site, name, day) WHERE d.events IS DISTINCT FROM e.events
ORDER BY site, at, name LIMIT ${EVENT_ROLLUP_DIFFERENCES_MAX}`,
};
