-- Up Migration
-- breaking: no
-- The public counter of views is kept in the rollups, which outlive the sessions they were made from. Sessions rolled up before count
-- once if they watched for ten seconds (watch class 6 of schemas/rollup.ts), which is what nearly all of them are.

ALTER TABLE rollup_daily ADD COLUMN views bigint NOT NULL DEFAULT 0;
ALTER TABLE rollup_hourly ADD COLUMN views bigint NOT NULL DEFAULT 0;
UPDATE rollup_daily SET views = sessions WHERE watch_class >= 6;
UPDATE rollup_hourly SET views = sessions WHERE watch_class >= 6;
