-- Up Migration
-- breaking: no
-- Which site a foreign identifier means, and what a site wants of a door. Both are read by the gateways every few seconds.

CREATE TABLE site_aliases (
  protocol text NOT NULL,                    -- a door, or 'host' for host names of requests
  foreign_id text NOT NULL,                  -- as the protocol sends it, normalised (space hash, tid, measurement id ...)
  site text NOT NULL REFERENCES sites,
  settings jsonb NOT NULL DEFAULT '{}',      -- settings of the door for this identifier only; over those of site_doors
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (protocol, foreign_id)
);
CREATE INDEX site_aliases_site ON site_aliases (site);

CREATE TABLE site_doors (
  site text NOT NULL REFERENCES sites,
  protocol text NOT NULL,
  settings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (site, protocol)
);
