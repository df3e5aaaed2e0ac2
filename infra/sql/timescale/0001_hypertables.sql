-- Up Migration
-- breaking: no
-- Hypertables: only what TimescaleDB offers under the Apache licence (P8). Every unique index of these tables contains the time
-- column (P9). Rows that are there already move into chunks, which takes an exclusive lock for as long as that lasts.

CREATE EXTENSION IF NOT EXISTS timescaledb;

-- 14 days: rows of one video lie together, which is worth more than small chunks once they are compressed, and a chunk's
-- indexes still fit in a quarter of memory (P12).
SELECT create_hypertable('sessions', by_range('started_at', INTERVAL '14 days'), create_default_indexes => false, migrate_data => true);
SELECT create_hypertable('watch_sections', by_range('started_at', INTERVAL '14 days'), create_default_indexes => false, migrate_data => true);
SELECT create_hypertable('custom_events', by_range('at', INTERVAL '14 days'), create_default_indexes => false, migrate_data => true);
-- One day: by far the most bytes and the shortest retention; a day is dropped as a file.
SELECT create_hypertable('beacons', by_range('append_at', INTERVAL '1 day'), create_default_indexes => false, migrate_data => true);
