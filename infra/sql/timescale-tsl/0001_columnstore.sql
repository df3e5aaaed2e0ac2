-- Up Migration
-- breaking: no
-- Columnar compression: under the Timescale Licence (free to run oneself, not to sell as a database service), so only where
-- the operator asks for it. No figure depends on it (P8). Chunks are compressed after the longest lateness: a supplement comes
-- at most 30 hours after its session began, a chunk spans 14 days (P10).

ALTER TABLE sessions SET (timescaledb.compress, timescaledb.compress_segmentby = 'site', timescaledb.compress_orderby = 'video, started_at DESC');
ALTER TABLE watch_sections SET (timescaledb.compress, timescaledb.compress_segmentby = 'site', timescaledb.compress_orderby = 'video, started_at DESC, session');
ALTER TABLE custom_events SET (timescaledb.compress, timescaledb.compress_segmentby = 'site', timescaledb.compress_orderby = 'name, at DESC');
ALTER TABLE beacons SET (timescaledb.compress, timescaledb.compress_segmentby = 'site', timescaledb.compress_orderby = 'session, append_at');

SELECT add_compression_policy('sessions', INTERVAL '21 days');
SELECT add_compression_policy('watch_sections', INTERVAL '21 days');
SELECT add_compression_policy('custom_events', INTERVAL '21 days');
SELECT add_compression_policy('beacons', INTERVAL '7 days');
