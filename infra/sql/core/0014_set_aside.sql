-- Up Migration
-- breaking: no
-- Emissions whose number was taken by a row that no commit of ours accounts for: what the fold gave, beside the row that stayed (D8).

CREATE TABLE set_aside_emissions (
  partition smallint NOT NULL,
  emission_seq bigint NOT NULL,
  epoch integer NOT NULL,
  writer text NOT NULL,
  kind text NOT NULL,                        -- of the output: sealed, custom, dead, duplicate
  output jsonb NOT NULL,
  set_aside_at timestamptz NOT NULL DEFAULT now()
);
