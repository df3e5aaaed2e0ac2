-- Up Migration
-- breaking: no
-- Actions of Microticks' sessions in the order of time, without reading every other custom event of their site. Only theirs are in it.

CREATE INDEX custom_events_ticks ON custom_events (site, at) WHERE starts_with(session, 'microticks-');
