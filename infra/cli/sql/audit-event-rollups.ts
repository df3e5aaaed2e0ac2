// I7 for custom events: keys where the counts by hour or by day and the events themselves disagree. Partitions and flushes are summed.
// $1: only hours and days that begin since then, null = all.
import { COUNTED_PROTOCOL, COUNTED_SESSION_PREFIX } from '../../../schemas/door-sessions.ts';
import type { Statement } from '../../runtime/ports.ts';
import { ROLLUP_DIFFERENCES_MAX, type RollupAuditRow } from './audit-rollups.ts';

const KEYS = 'site, scope, video, door, type, name';

const auditOf = (table: string, span: string, ofRows: string): Statement<[since: string | null], RollupAuditRow> => ({
  name: `cli-audit-${table}`,
  text: `WITH r AS (
  SELECT ${KEYS}, ${span}, sum(events) AS events FROM ${table} WHERE $1::timestamptz IS NULL OR ${span} >= $1::timestamptz GROUP BY ${KEYS}, ${span}
), s AS (
  SELECT e.site, c.scope, c.video, d.door,
    CASE WHEN d.door <> '' AND jsonb_typeof(e.data -> 'type') = 'string' THEN e.data ->> 'type' ELSE '' END AS type,
    e.name, ${ofRows} AS ${span}, count(*) AS events
  FROM custom_events e
  CROSS JOIN LATERAL (VALUES ('site', ''), ('video', e.video)) AS c(scope, video)
  CROSS JOIN LATERAL (VALUES (CASE WHEN starts_with(e.session, '${COUNTED_SESSION_PREFIX}') THEN '${COUNTED_PROTOCOL}' ELSE '' END)) AS d(door)
  WHERE (c.scope = 'site' OR e.video <> '') AND ($1::timestamptz IS NULL OR (e.at >= $1::timestamptz AND ${ofRows} >= $1::timestamptz))
  GROUP BY 1, 2, 3, 4, 5, 6, 7
)
SELECT concat_ws(' ', 'site=' || site, 'scope=' || scope, 'video=' || nullif(video, ''), 'door=' || nullif(door, ''), 'type=' || nullif(type, ''),
  'name=' || name, '${span}=' || ${span}) AS place, 'events' AS figure, coalesce(r.events, 0)::int8 AS rollup, coalesce(s.events, 0)::int8 AS rows
FROM r FULL JOIN s USING (${KEYS}, ${span}) WHERE r.events IS DISTINCT FROM s.events
ORDER BY ${KEYS}, ${span} LIMIT ${ROLLUP_DIFFERENCES_MAX}`,
});

/** One statement per table, by its name. */
export const auditEventRollups: Readonly<Record<string, Statement<[since: string | null], RollupAuditRow>>> = {
  rollup_events_hourly: auditOf('rollup_events_hourly', 'hour', "date_trunc('hour', e.at, 'UTC')"),
  rollup_events_daily: auditOf('rollup_events_daily', 'day', "(e.at AT TIME ZONE 'UTC')::date"),
};
