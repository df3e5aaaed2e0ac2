-- Up Migration
-- breaking: no
-- Salts of the viewer keys, one per UTC day, shared by all gateways and destroyed on schedule: without its salt a day's
-- viewer keys cannot be made again or tied to anybody.

CREATE TABLE viewer_salts (
  day date PRIMARY KEY,
  salt bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
