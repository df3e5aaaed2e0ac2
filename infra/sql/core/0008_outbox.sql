-- Up Migration
-- breaking: no
-- How far the committed emissions of a partition have been handed to the topic of domain events.

CREATE TABLE outbox_progress (
  topic text NOT NULL,
  partition smallint NOT NULL,
  published_seq bigint NOT NULL,             -- emissions up to this number are in the topic
  epoch integer NOT NULL,                    -- audit column: the claim under which it was moved
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
);
-- Sections of a sealed session by its emission are found through its site, video and start: no further index.
