-- Up Migration
-- breaking: no
-- What foreign doors keep: secrets that all gateways share, and what was flushed from counters.

CREATE TABLE door_secrets (
  name text PRIMARY KEY,                     -- what it is for
  secret bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Custom events of a door that came before the flush are left out of that door's answers. A mark, not a deletion: rows that are
-- folded again from the log stay flushed, and their numbering stays whole.
CREATE TABLE event_flushes (
  site text NOT NULL REFERENCES sites,
  protocol text NOT NULL,
  type text NOT NULL,                        -- set of events; '' = those without a type
  flushed_at timestamptz NOT NULL,           -- against the append time of events
  PRIMARY KEY (site, protocol, type)
);
