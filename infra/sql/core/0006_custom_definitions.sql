-- Up Migration
-- breaking: no
-- What a site means by the numbered custom values of measurement protocols. Read by the gateways every few seconds; a value that is not
-- defined is kept on its hit.

CREATE TABLE custom_definitions (
  site text NOT NULL REFERENCES sites,
  type text NOT NULL CHECK (type IN ('dimension', 'metric')),
  index smallint NOT NULL CHECK (index BETWEEN 1 AND 199),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  scope text NOT NULL CHECK (scope IN ('hit', 'session')),
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (site, type, index)
);
