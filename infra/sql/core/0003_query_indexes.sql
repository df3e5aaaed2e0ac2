-- Up Migration
-- breaking: no
-- Indexes that questions need beside those of the tables themselves. Each costs every write, so each says what it is for.

-- Lists of a site's sessions, newest first, and figures over all videos of a site that rollups cannot answer: without it both
-- read every session the site ever had. It costs a sealed session one entry; events cost nothing.
CREATE INDEX sessions_site ON sessions (site, started_at DESC);
-- Sessions with supplements are put together from parts; nearly all sessions have none, so this one stays tiny.
CREATE INDEX sessions_supplements ON sessions (site, started_at) WHERE part > 0;
-- Errors by code are not rolled up; only sessions that had any are read for them.
CREATE INDEX sessions_errors ON sessions (site, started_at) WHERE errors <> '[]';
-- Page visits are sessions without a video.
CREATE INDEX sessions_visits ON sessions (site, started_at) WHERE video = '';
-- Custom events of a session: page visits count theirs, and erasure by session finds them.
CREATE INDEX custom_events_session ON custom_events (site, session);
-- The same for provisional sessions, asked by session id.
CREATE INDEX open_sessions_session ON open_sessions (site, session);
-- Videos of a site by plays: the totals of a day over all videos, without reading every dimension's rows.
CREATE INDEX rollup_daily_videos ON rollup_daily (site, day) WHERE scope = 'video' AND dimension = '';
