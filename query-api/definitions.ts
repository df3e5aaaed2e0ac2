// What every figure means: one written definition each, served by the API. `sql` counts it from the tables for one site and
// range, so that anyone with a database connection can check an answer.

export type Definition = {
  readonly name: string;
  readonly unit: string;
  readonly meaning: string;
  readonly source: string;
  readonly sql: string;
};

const OWN = 'Playhead';
/** CTA-2066: Streaming Quality of Experience Events, Properties and Metrics (Consumer Technology Association). */
const cta = (metric: string): string => `CTA-2066, ${metric}`;

const sum = (column: string): string => `SELECT sum(${column}) FROM sessions WHERE site = $1 AND started_at >= $2 AND started_at < $3`;
const over = (expression: string): string => `SELECT ${expression} FROM sessions WHERE site = $1 AND started_at >= $2 AND started_at < $3`;

export const DEFINITIONS: readonly Definition[] = [
  {
    name: 'attempts',
    unit: 'sessions',
    meaning: 'Sessions that asked to play, whether or not playback started.',
    source: cta('play attempt'),
    sql: sum('attempts'),
  },
  {
    name: 'plays',
    unit: 'sessions',
    meaning: 'Sessions in which playback really started: a first frame was shown.',
    source: cta('successful play attempt'),
    sql: sum('plays'),
  },
  {
    name: 'uniqueWatchMs',
    unit: 'ms of media',
    meaning: 'For each session the length of the union of its watch sections, added up: what was watched twice counts once.',
    source: OWN,
    sql: sum('unique_watch_ms'),
  },
  {
    name: 'totalWatchMs',
    unit: 'ms of media',
    meaning:
      'Sum of the lengths of all watch sections: what was watched twice counts twice. Positions prove it; a claimed time never does.',
    source: cta('playing time, in media time'),
    sql: sum('total_watch_ms'),
  },
  {
    name: 'averageWatchMs',
    unit: 'ms of media',
    meaning: 'totalWatchMs divided by plays; null without plays.',
    source: OWN,
    sql: over('sum(total_watch_ms) / nullif(sum(plays), 0)'),
  },
  {
    name: 'completions',
    unit: 'sessions',
    meaning: 'Plays whose `ended` was seen, or whose played position came within 1 s or 1 % of the end of the media.',
    source: OWN,
    sql: sum('completions'),
  },
  {
    name: 'startupMs',
    unit: 'ms',
    meaning:
      'From the request to play to the first frame: median and 95th percentile over plays for which it is known. Read from a histogram with 8 cells per doubling, so a value is the middle of a cell at most 12.5 % wide.',
    source: cta('video startup time'),
    sql: over('percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY startup_ms)'),
  },
  {
    name: 'stalls',
    unit: 'stalls',
    meaning: 'Interruptions because the buffer ran dry; never during startup and never as the consequence of a seek.',
    source: cta('rebuffering event'),
    sql: sum('stalls'),
  },
  {
    name: 'stallMs',
    unit: 'ms',
    meaning: 'Time spent in stalls.',
    source: cta('rebuffering time'),
    sql: sum('stall_ms'),
  },
  {
    name: 'rebufferRatio',
    unit: 'ratio',
    meaning: 'stallMs divided by stallMs + totalWatchMs over the whole set of sessions, startup excluded; null where both are 0.',
    source: cta('rebuffering ratio'),
    sql: over('sum(stall_ms)::float8 / nullif(sum(stall_ms + total_watch_ms), 0)'),
  },
  {
    name: 'startFailures',
    unit: 'sessions',
    meaning: 'Attempts that ended in a fatal error before the first frame.',
    source: cta('video start failure'),
    sql: sum('start_failures'),
  },
  {
    name: 'playbackFailures',
    unit: 'sessions',
    meaning: 'Plays that met a fatal error after the first frame.',
    source: cta('video playback failure'),
    sql: sum('playback_failures'),
  },
  {
    name: 'exitsBeforeStart',
    unit: 'sessions',
    meaning: 'Attempts that ended without a first frame and without a fatal error.',
    source: cta('exit before video start'),
    sql: sum('exits_before_start'),
  },
  {
    name: 'bitrateBps',
    unit: 'bit/s',
    meaning: 'Bitrate of the renditions played, weighted by the played time for which it is known; null where it never was.',
    source: cta('average played bitrate'),
    sql: over('1000 * sum(bitrate_kbps_ms) / nullif(sum(bitrate_known_ms), 0)'),
  },
  {
    name: 'switchesUp',
    unit: 'switches',
    meaning: 'Changes to a rendition of higher bitrate.',
    source: cta('bitrate switch'),
    sql: sum('switches_up'),
  },
  {
    name: 'switchesDown',
    unit: 'switches',
    meaning: 'Changes to a rendition of lower bitrate.',
    source: cta('bitrate switch'),
    sql: sum('switches_down'),
  },
  {
    name: 'errors',
    unit: 'errors',
    meaning: 'Errors by code and by whether they were fatal, as often as players reported them.',
    source: cta('error'),
    sql: "SELECT e ->> 'code' AS code, (e ->> 'fatal')::boolean AS fatal, sum((e ->> 'count')::int8) FROM sessions, jsonb_array_elements(errors) e WHERE site = $1 AND started_at >= $2 AND started_at < $3 GROUP BY 1, 2",
  },
  {
    name: 'reported',
    unit: 'as sent',
    meaning: 'Counters that players sum up themselves and send as such; passed on, never mixed with our own figures.',
    source: OWN,
    sql: "SELECT f.key, sum((f.value #>> '{}')::numeric) FROM custom_events, jsonb_each(data) f WHERE site = $1 AND name = 'reported' AND at >= $2 AND at < $3 AND jsonb_typeof(f.value) = 'number' GROUP BY 1",
  },
  {
    name: 'engagement.plays',
    unit: 'sessions',
    meaning: 'Sessions that watched any part of a range of the media; each counts once.',
    source: OWN,
    sql: 'SELECT count(DISTINCT (session, started_at)) FROM watch_sections WHERE site = $1 AND started_at >= $2 AND started_at < $3 AND video = $4 AND from_ms < $6 AND to_ms > $5',
  },
  {
    name: 'engagement.watches',
    unit: 'runs',
    meaning:
      'Times a range was played: runs of contiguous watch sections that touch it. A pause, a stall or a change of speed does not end a run; a jump does.',
    source: OWN,
    sql: 'SELECT count(DISTINCT (session, started_at, part, run)) FROM watch_sections WHERE site = $1 AND started_at >= $2 AND started_at < $3 AND video = $4 AND from_ms < $6 AND to_ms > $5',
  },
  {
    name: 'engagement.rewatches',
    unit: 'runs',
    meaning: 'engagement.watches less engagement.plays.',
    source: OWN,
    sql: 'SELECT count(DISTINCT (session, started_at, part, run)) - count(DISTINCT (session, started_at)) FROM watch_sections WHERE site = $1 AND started_at >= $2 AND started_at < $3 AND video = $4 AND from_ms < $6 AND to_ms > $5',
  },
  {
    name: 'engagement.share',
    unit: 'ratio',
    meaning: 'engagement.plays divided by all plays of the video in the range of time; null without plays.',
    source: OWN,
    sql: `${sum('plays')} AND video = $4`,
  },
  {
    name: 'visits',
    unit: 'sessions',
    meaning: 'Sessions without a video that came through a measurement protocol.',
    source: OWN,
    sql: "SELECT count(*) FROM sessions WHERE site = $1 AND started_at >= $2 AND started_at < $3 AND video = '' AND part = 0 AND protocol IN ('microticks', 'ga', 'ga4', 'snowplow', 'segment', 'plausible', 'umami', 'posthog')",
  },
  {
    name: 'pageviews',
    unit: 'events',
    meaning: 'Custom events of visits with which the protocol says that a page was shown.',
    source: OWN,
    sql: "SELECT count(*) FROM custom_events WHERE site = $1 AND at >= $2 AND at < $3 AND video = '' AND name IN ('pageview', 'page_view', '$pageview', 'page', 'screenview', 'screen_view')",
  },
  {
    name: 'events',
    unit: 'events',
    meaning: 'Custom events of visits that do not say that a page was shown.',
    source: OWN,
    sql: "SELECT count(*) FROM custom_events WHERE site = $1 AND at >= $2 AND at < $3 AND video = '' AND name NOT IN ('pageview', 'page_view', '$pageview', 'page', 'screenview', 'screen_view')",
  },
  {
    name: 'averageDurationMs',
    unit: 'ms',
    meaning: 'From the first to the last event of a visit, averaged over visits; null without visits.',
    source: OWN,
    sql: "SELECT avg(extract(epoch FROM ended_at - started_at) * 1000) FROM sessions WHERE site = $1 AND started_at >= $2 AND started_at < $3 AND video = ''",
  },
  {
    name: 'bounceRate',
    unit: 'ratio',
    meaning: 'Share of visits without duration: one event, several at one instant, or nothing after the first that counts as interaction.',
    source: OWN,
    sql: "SELECT avg((ended_at = started_at)::int) FROM sessions WHERE site = $1 AND started_at >= $2 AND started_at < $3 AND video = ''",
  },
  {
    name: 'visitors',
    unit: 'viewer keys',
    meaning: 'Different viewer keys; a key changes every day and cannot be traced back. Absent where the site has them switched off.',
    source: OWN,
    sql: "SELECT count(DISTINCT viewer) FILTER (WHERE viewer <> '') FROM sessions WHERE site = $1 AND started_at >= $2 AND started_at < $3",
  },
  {
    name: 'live.viewers',
    unit: 'sessions',
    meaning: 'Sessions whose media is playing now, as of a few seconds ago.',
    source: cta('concurrent plays'),
    sql: 'SELECT sum(viewers) FROM live_viewers WHERE site = $1',
  },
  {
    name: 'live.minutes',
    unit: 'sessions',
    meaning: 'The largest number seen playing in each minute, added up over partitions.',
    source: cta('peak concurrent plays'),
    sql: 'SELECT minute, sum(viewers) FROM live_minutes WHERE site = $1 GROUP BY minute',
  },
  {
    name: 'dataThrough',
    unit: 'instant',
    meaning: 'Everything that the broker appended before this instant is in the figures; null until every partition has been read.',
    source: OWN,
    sql: 'SELECT min(stream_time) FROM partition_progress',
  },
  {
    name: 'provisionalSessions',
    unit: 'sessions',
    meaning: 'How many of the sessions counted are still open: their figures will grow.',
    source: OWN,
    sql: 'SELECT count(*) FROM open_sessions WHERE site = $1 AND started_at >= $2 AND started_at < $3',
  },
  {
    name: 'ledger.difference',
    unit: 'events',
    meaning: 'Events in the log less those folded, late, dead, duplicate or waiting for a missing number: 0, or something is wrong.',
    source: OWN,
    sql: "SELECT sum((ledger ->> 'eventsInLog')::int8 - (ledger ->> 'folded')::int8 - (ledger ->> 'late')::int8 - (ledger ->> 'dead')::int8 - (ledger ->> 'duplicates')::int8 - (ledger ->> 'waiting')::int8) FROM partition_progress",
  },
];
