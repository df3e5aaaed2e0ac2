-- Up Migration
-- breaking: no
-- The last result of each of the operator's checks (`playhead audit`, `playhead verify`): the query API shows it to Prometheus.

CREATE TABLE check_results (
  name text PRIMARY KEY,                     -- audit, verify
  finished_at timestamptz NOT NULL DEFAULT now(),
  sound integer NOT NULL,                    -- partitions by what was found
  unsound integer NOT NULL,
  skipped integer NOT NULL,
  problems integer NOT NULL
);
