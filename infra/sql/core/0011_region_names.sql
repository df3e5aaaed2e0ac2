-- Up Migration
-- breaking: no
-- English names of regions by their code, as the city database that a gateway was given has them.

CREATE TABLE region_names (
  region text PRIMARY KEY,                   -- as in sessions.region: ISO 3166-2
  name text NOT NULL
);
