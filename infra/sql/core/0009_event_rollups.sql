--! breaking
-- Up Migration
-- breaking: yes
-- A processor that does not know these tables would leave the counts short: stop the processors while it runs.
--
-- Custom events counted by hour and by day (UTC), written by the transaction that writes the events (D9). The partition is in every
-- key. scope: 'site' (video = '') or 'video'. door and type name the sets of doors that only count ('' = events of sessions,
-- schemas/door-sessions.ts). What a flush found in a row stays apart from what came after it: flushed_at is the newest flush that the
-- writer knew to be older than its events, and the append times say whether a row lies wholly on one side of a later one.

CREATE TABLE rollup_events_hourly (
  site text NOT NULL,
  scope text NOT NULL,
  video text NOT NULL,
  hour timestamptz NOT NULL,                 -- of the event
  door text NOT NULL,
  type text NOT NULL,
  name text NOT NULL,
  flushed_at timestamptz NOT NULL,
  partition smallint NOT NULL,
  events bigint NOT NULL,
  first_append_at timestamptz NOT NULL,
  last_append_at timestamptz NOT NULL,
  PRIMARY KEY (site, scope, video, hour, door, type, name, flushed_at, partition)
);
CREATE TABLE rollup_events_daily (
  site text NOT NULL,
  scope text NOT NULL,
  video text NOT NULL,
  day date NOT NULL,
  door text NOT NULL,
  type text NOT NULL,
  name text NOT NULL,
  flushed_at timestamptz NOT NULL,
  partition smallint NOT NULL,
  events bigint NOT NULL,
  first_append_at timestamptz NOT NULL,
  last_append_at timestamptz NOT NULL,
  PRIMARY KEY (site, scope, video, day, door, type, name, flushed_at, partition)
);
-- One set of a counting door, without the rows of all others.
CREATE INDEX rollup_events_hourly_sets ON rollup_events_hourly (site, door, type, hour) WHERE door <> '';
CREATE INDEX rollup_events_daily_sets ON rollup_events_daily (site, door, type, day) WHERE door <> '';

-- Counted events of one unique id, which no rollup keeps apart. Only events that name one are in it.
CREATE INDEX custom_events_unique_id ON custom_events (site, (data ->> 'uniqueId'), at)
  WHERE starts_with(session, 'analytics_engine-') AND data ->> 'uniqueId' IS NOT NULL;

-- What is there already.
CREATE TEMPORARY TABLE counted ON COMMIT DROP AS
SELECT e.site, s.scope, CASE s.scope WHEN 'video' THEN e.video ELSE '' END AS video, e.at, d.door,
  CASE WHEN d.door <> '' AND jsonb_typeof(e.data -> 'type') = 'string' THEN e.data ->> 'type' ELSE '' END AS type,
  e.name, e.partition, e.append_at
FROM custom_events e
CROSS JOIN LATERAL (SELECT CASE WHEN starts_with(e.session, 'analytics_engine-') THEN 'analytics_engine' ELSE '' END) AS d (door)
CROSS JOIN LATERAL (SELECT 'site' UNION ALL SELECT 'video' WHERE e.video <> '') AS s (scope);

INSERT INTO rollup_events_hourly
SELECT c.site, c.scope, c.video, date_trunc('hour', c.at, 'UTC'), c.door, c.type, c.name, coalesce(f.flushed_at, '-infinity'), c.partition, count(*),
  min(c.append_at), max(c.append_at)
FROM counted c LEFT JOIN event_flushes f ON f.site = c.site AND f.protocol = c.door AND f.type = c.type AND f.flushed_at < c.append_at
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
INSERT INTO rollup_events_daily
SELECT site, scope, video, (hour AT TIME ZONE 'UTC')::date, door, type, name, flushed_at, partition, sum(events), min(first_append_at), max(last_append_at)
FROM rollup_events_hourly GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;

-- Streams of counting doors are no sessions of viewers: they leave the rollups of sessions.
CREATE TEMPORARY TABLE streams ON COMMIT DROP AS
SELECT * FROM sessions WHERE protocol = 'analytics_engine';
UPDATE rollup_hourly r SET sessions = r.sessions - s.sessions, supplements = r.supplements - s.supplements
FROM (
  SELECT site, partition, date_trunc('hour', started_at, 'UTC') AS hour, count(*) FILTER (WHERE part = 0) AS sessions,
    count(*) FILTER (WHERE part > 0) AS supplements
  FROM streams GROUP BY 1, 2, 3
) s WHERE r.site = s.site AND r.scope = 'site' AND r.video = '' AND r.hour = s.hour AND r.watch_class = 0 AND r.partition = s.partition;
UPDATE rollup_daily r SET sessions = r.sessions - s.sessions, supplements = r.supplements - s.supplements
FROM (
  SELECT t.site, t.partition, (t.started_at AT TIME ZONE 'UTC')::date AS day, d.dimension, d.value, count(*) FILTER (WHERE t.part = 0) AS sessions,
    count(*) FILTER (WHERE t.part > 0) AS supplements
  FROM streams t, LATERAL (VALUES ('', ''), ('country', t.country), ('region', t.region), ('browser', t.browser), ('platform', t.platform),
    ('device', t.device), ('source', t.source), ('medium', t.medium), ('campaign', t.campaign), ('page', t.page_host || t.page_path),
    ('player', t.player_name), ('protocol', t.protocol),
    ('traffic', t.source || E'\x1f' || t.medium || E'\x1f' || t.campaign)) AS d (dimension, value)
  GROUP BY 1, 2, 3, 4, 5
) s
WHERE r.site = s.site AND r.scope = 'site' AND r.video = '' AND r.dimension = s.dimension AND r.day = s.day AND r.value = s.value
  AND r.watch_class = 0 AND r.partition = s.partition;
DELETE FROM rollup_hourly WHERE sessions = 0 AND supplements = 0 AND scope = 'site' AND watch_class = 0;
DELETE FROM rollup_daily WHERE sessions = 0 AND supplements = 0 AND scope = 'site' AND watch_class = 0;
