-- Up Migration
-- breaking: no
-- The tables of Playhead on plain PostgreSQL 15+. Emission tables (sessions, custom_events, dead_letters,
-- duplicate_counts) share one dense numbering per partition, emission_seq (I4); watch_sections are children of their
-- session's emission. Time columns come from the log, never from now() (P9).

CREATE TABLE sites (
  site text PRIMARY KEY,
  timezone text NOT NULL DEFAULT 'UTC',
  viewer_keys boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE keys (
  id text PRIMARY KEY,                       -- shown in lists, not secret
  site text NOT NULL REFERENCES sites,
  kind text NOT NULL CHECK (kind IN ('write', 'read')),
  write_key text UNIQUE,                     -- write keys are public: kept as they are
  secret_hash bytea UNIQUE,                  -- read keys: SHA-256 of the secret
  hint text NOT NULL,                        -- the first characters, for lists
  scopes text[] NOT NULL DEFAULT '{}',       -- read keys: query, export, admin
  origins text[] NOT NULL DEFAULT '{}',      -- write keys: allowed origins; empty = any
  app boolean NOT NULL DEFAULT false,        -- write keys: requests without an Origin header are fine
  requests_per_second integer,               -- null = the default limit
  label text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  replaced_by text,
  revoked_at timestamptz,
  CHECK ((kind = 'write') = (write_key IS NOT NULL)),
  CHECK ((kind = 'read') = (secret_hash IS NOT NULL))
);
CREATE INDEX keys_site ON keys (site);

CREATE TABLE sessions (
  site text NOT NULL,
  session text NOT NULL,
  video text NOT NULL,                       -- '' = a session without a video
  part smallint NOT NULL,                    -- 0 = the session, n = its n-th supplement
  started_at timestamptz NOT NULL,           -- event time of the session's first event, the same in all parts
  ended_at timestamptz NOT NULL,
  reason text NOT NULL,
  attempts smallint NOT NULL,
  plays smallint NOT NULL,
  unique_watch_ms bigint NOT NULL,
  total_watch_ms bigint NOT NULL,
  completions smallint NOT NULL,
  startup_ms integer,
  stalls integer NOT NULL,
  stall_ms bigint NOT NULL,
  seeks integer NOT NULL,
  start_failures smallint NOT NULL,
  playback_failures smallint NOT NULL,
  exits_before_start smallint NOT NULL,
  bitrate_kbps_ms bigint NOT NULL,
  bitrate_known_ms bigint NOT NULL,
  switches_up integer NOT NULL,
  switches_down integer NOT NULL,
  errors jsonb NOT NULL,                     -- [{"code","fatal","count"}]
  duration_ms bigint,
  live boolean,
  page_host text NOT NULL,
  page_path text NOT NULL,
  referrer_host text NOT NULL,
  source text NOT NULL,
  medium text NOT NULL,
  campaign text NOT NULL,
  country text NOT NULL,
  region text NOT NULL,
  browser text NOT NULL,
  platform text NOT NULL,
  device text NOT NULL,
  player_name text NOT NULL,
  player_version text NOT NULL,
  protocol text NOT NULL,
  bot boolean NOT NULL,
  viewer text NOT NULL,
  meta jsonb NOT NULL,
  received integer NOT NULL,
  lost integer NOT NULL,
  duplicates integer NOT NULL,
  late integer NOT NULL,
  conflicts integer NOT NULL,
  limit_hits integer NOT NULL,
  seq_highest integer NOT NULL,
  checksum bytea NOT NULL,                   -- 8 bytes, big endian: sum mod 2^64 of the event id hashes
  fold_version smallint NOT NULL,
  append_at timestamptz NOT NULL,            -- append time of the record that sealed it
  partition smallint NOT NULL,
  emission_seq bigint NOT NULL,
  source_offset bigint NOT NULL,
  epoch integer NOT NULL,                    -- audit column
  writer text NOT NULL                       -- audit column
);
CREATE UNIQUE INDEX sessions_emission ON sessions (partition, emission_seq, started_at);
CREATE INDEX sessions_video ON sessions (site, video, started_at DESC);
CREATE INDEX sessions_session ON sessions (site, session);

CREATE TABLE watch_sections (
  site text NOT NULL,
  video text NOT NULL,
  session text NOT NULL,
  part smallint NOT NULL,
  started_at timestamptz NOT NULL,           -- of the session: joins and chunks go by it
  section integer NOT NULL,                  -- place in the order played, from 0
  run integer NOT NULL,                      -- contiguous sections share a run
  from_ms bigint NOT NULL,
  to_ms bigint NOT NULL,
  section_started_at timestamptz NOT NULL,
  rate_milli integer NOT NULL,
  partition smallint NOT NULL,
  emission_seq bigint NOT NULL
);
CREATE INDEX watch_sections_video ON watch_sections (site, video, started_at DESC);

CREATE TABLE custom_events (
  site text NOT NULL,
  session text NOT NULL,
  video text NOT NULL,
  at timestamptz NOT NULL,                   -- event time
  name text NOT NULL,
  position_ms bigint,
  data jsonb NOT NULL,
  seq integer NOT NULL,
  append_at timestamptz NOT NULL,
  partition smallint NOT NULL,
  emission_seq bigint NOT NULL,
  source_offset bigint NOT NULL,
  epoch integer NOT NULL,
  writer text NOT NULL
);
CREATE UNIQUE INDEX custom_events_emission ON custom_events (partition, emission_seq, at);
CREATE INDEX custom_events_name ON custom_events (site, name, at DESC);

CREATE TABLE dead_letters (
  site text NOT NULL,                        -- '' = not readable
  session text NOT NULL,
  event_index integer NOT NULL,              -- place in the request; -1 = the whole record
  seq integer NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  payload text NOT NULL,                     -- size-capped
  events integer NOT NULL,                   -- event copies it stands for (0 for an unreadable record)
  append_at timestamptz NOT NULL,
  partition smallint NOT NULL,
  emission_seq bigint NOT NULL,
  source_offset bigint NOT NULL,
  epoch integer NOT NULL,
  writer text NOT NULL
);
CREATE UNIQUE INDEX dead_letters_emission ON dead_letters (partition, emission_seq, append_at);

CREATE TABLE duplicate_counts (              -- copies that came after their session was sealed (D19)
  site text NOT NULL,
  session text NOT NULL,
  duplicates integer NOT NULL,
  conflicts integer NOT NULL,
  append_at timestamptz NOT NULL,
  partition smallint NOT NULL,
  emission_seq bigint NOT NULL,
  source_offset bigint NOT NULL,
  epoch integer NOT NULL,
  writer text NOT NULL
);
CREATE UNIQUE INDEX duplicate_counts_emission ON duplicate_counts (partition, emission_seq, append_at);

CREATE TABLE beacons (                       -- the raw log, one row per record that carries a beacon
  site text NOT NULL,
  session text NOT NULL,
  video text NOT NULL,
  append_at timestamptz NOT NULL,
  partition smallint NOT NULL,
  log_offset bigint NOT NULL,
  payload bytea NOT NULL                     -- the record's value: Confluent header + Avro
);
CREATE UNIQUE INDEX beacons_record ON beacons (partition, log_offset, append_at);
CREATE INDEX beacons_session ON beacons (site, session, append_at);

-- Provisional figures: the rows of `sessions` as they would be if the session were sealed now. Replaced, never kept.
CREATE TABLE open_sessions (
  LIKE sessions,
  sections jsonb NOT NULL,                   -- [[run, fromMs, toMs, startedAtMs, rateMilli], ...]
  playing boolean NOT NULL
);
ALTER TABLE open_sessions ALTER COLUMN emission_seq DROP NOT NULL, ALTER COLUMN source_offset DROP NOT NULL;
CREATE UNIQUE INDEX open_sessions_key ON open_sessions (partition, site, session, video, part);
CREATE INDEX open_sessions_video ON open_sessions (site, video, started_at DESC);

CREATE TABLE live_viewers (                  -- sessions playing now, per partition; rewritten every few seconds
  partition smallint NOT NULL,
  site text NOT NULL,
  video text NOT NULL,
  viewers integer NOT NULL,
  PRIMARY KEY (partition, site, video)
);
CREATE TABLE live_minutes (                  -- the largest number seen playing in that minute of log time
  site text NOT NULL,
  minute timestamptz NOT NULL,
  partition smallint NOT NULL,
  viewers integer NOT NULL,
  PRIMARY KEY (site, minute, partition)
);

CREATE TABLE videos (
  site text NOT NULL,
  id text NOT NULL,
  title text NOT NULL DEFAULT '',
  duration_ms bigint,
  live boolean,
  meta jsonb NOT NULL DEFAULT '{}',
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  pinned text[] NOT NULL DEFAULT '{}',       -- fields set by PUT /v1/videos: players no longer change them
  PRIMARY KEY (site, id)
);

-- Rollups: additive, kept by the transaction that writes the rows (D9). The partition is in every key.
-- scope: 'site' (video = '') or 'video'. dimension '' with value '' = the total. watch_class = how many of the
-- thresholds in schemas/rollup.ts the session's total watch time reaches.
CREATE TABLE rollup_daily (
  site text NOT NULL,
  scope text NOT NULL,
  video text NOT NULL,
  dimension text NOT NULL,
  day date NOT NULL,
  value text NOT NULL,
  watch_class smallint NOT NULL,
  partition smallint NOT NULL,
  sessions bigint NOT NULL,
  attempts bigint NOT NULL,
  plays bigint NOT NULL,
  unique_watch_ms bigint NOT NULL,
  total_watch_ms bigint NOT NULL,
  completions bigint NOT NULL,
  stalls bigint NOT NULL,
  stall_ms bigint NOT NULL,
  start_failures bigint NOT NULL,
  playback_failures bigint NOT NULL,
  exits_before_start bigint NOT NULL,
  bitrate_kbps_ms bigint NOT NULL,
  bitrate_known_ms bigint NOT NULL,
  switches_up bigint NOT NULL,
  switches_down bigint NOT NULL,
  supplements bigint NOT NULL,
  startup_counts integer[] NOT NULL,         -- histogram of schemas/rollup.ts
  PRIMARY KEY (site, scope, video, dimension, day, value, watch_class, partition)
);
CREATE TABLE rollup_hourly (                 -- the total only
  site text NOT NULL,
  scope text NOT NULL,
  video text NOT NULL,
  hour timestamptz NOT NULL,
  watch_class smallint NOT NULL,
  partition smallint NOT NULL,
  sessions bigint NOT NULL,
  attempts bigint NOT NULL,
  plays bigint NOT NULL,
  unique_watch_ms bigint NOT NULL,
  total_watch_ms bigint NOT NULL,
  completions bigint NOT NULL,
  stalls bigint NOT NULL,
  stall_ms bigint NOT NULL,
  start_failures bigint NOT NULL,
  playback_failures bigint NOT NULL,
  exits_before_start bigint NOT NULL,
  bitrate_kbps_ms bigint NOT NULL,
  bitrate_known_ms bigint NOT NULL,
  switches_up bigint NOT NULL,
  switches_down bigint NOT NULL,
  supplements bigint NOT NULL,
  startup_counts integer[] NOT NULL,
  PRIMARY KEY (site, scope, video, hour, watch_class, partition)
);
-- Engagement: difference arrays over 100 equal ranges of a video's duration (101 cells). A session's parts with
-- another duration have rows of their own.
CREATE TABLE rollup_engagement (
  site text NOT NULL,
  video text NOT NULL,
  day date NOT NULL,
  duration_ms bigint NOT NULL,
  partition smallint NOT NULL,
  plays bigint NOT NULL,                     -- of all sessions of this key, watched or not
  play_steps integer[] NOT NULL,             -- +1 where a session's coverage of ranges begins, -1 after it ends
  watch_steps integer[] NOT NULL,            -- the same for runs
  supplements bigint NOT NULL,
  PRIMARY KEY (site, video, day, duration_ms, partition)
);

CREATE FUNCTION array_add(a integer[], b integer[]) RETURNS integer[]
  LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT coalesce(array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY i), '{}') FROM unnest(a, b) WITH ORDINALITY AS t(x, y, i) $$;
CREATE AGGREGATE array_sum(integer[]) (SFUNC = array_add, STYPE = integer[], INITCOND = '{}', PARALLEL = SAFE, COMBINEFUNC = array_add);

CREATE TABLE partition_progress (
  partition smallint PRIMARY KEY,
  epoch integer NOT NULL,
  claim_token uuid NOT NULL,
  next_offset bigint NOT NULL,
  emission_seq bigint NOT NULL,
  fold_version smallint NOT NULL,
  config_hash bytea NOT NULL,
  fingerprint_offset bigint,                 -- the last folded record (D23)
  fingerprint_hash bytea,
  stream_time timestamptz,                   -- append time of the last folded record: dataThrough
  ledger jsonb NOT NULL,                     -- running balance of the fold, cumulative from offset 0
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE partition_claims (
  partition smallint NOT NULL,
  epoch integer NOT NULL,
  claim_token uuid NOT NULL,
  start_offset bigint NOT NULL,
  start_seq bigint NOT NULL,
  consumer_group text NOT NULL,
  instance text NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, epoch, claim_token)
);
CREATE TABLE snapshots (
  partition smallint NOT NULL,
  epoch integer NOT NULL,
  next_offset bigint NOT NULL,
  emission_seq bigint NOT NULL,
  schema_id integer NOT NULL,
  fold_version smallint NOT NULL,
  config_hash bytea NOT NULL,
  fingerprint_offset bigint,
  fingerprint_hash bytea,
  state_hash bytea NOT NULL,
  checksum bytea NOT NULL,                   -- SHA-256 of payload
  payload bytea NOT NULL,                    -- gzip of Avro
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, epoch, next_offset)
);
CREATE TABLE data_gaps (
  partition smallint NOT NULL,
  from_offset bigint NOT NULL,
  to_offset bigint NOT NULL,
  from_at timestamptz,
  to_at timestamptz,
  reason text NOT NULL,
  operator text NOT NULL,
  accepted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, from_offset)
);
CREATE TABLE schema_ids (                    -- registry ids as last verified: a start without the registry uses them (F34)
  subject text NOT NULL,
  fingerprint text NOT NULL,                 -- SHA-256 of the canonical schema text
  id integer NOT NULL,
  verified_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subject, fingerprint)
);
