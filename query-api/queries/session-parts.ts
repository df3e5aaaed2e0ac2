// Everything known of one session id: all parts of all its videos, sealed and open, with their sections in the order played.
import { type Bound, bound } from './bound.ts';

export type SessionPartRow = {
  video: string;
  part: number;
  open: boolean;
  started_at: number;
  ended_at: number;
  reason: string;
  attempts: number;
  plays: number;
  unique_watch_ms: number;
  total_watch_ms: number;
  completions: number;
  startup_ms: number | null;
  stalls: number;
  stall_ms: number;
  seeks: number;
  start_failures: number;
  playback_failures: number;
  exits_before_start: number;
  bitrate_kbps_ms: number;
  bitrate_known_ms: number;
  switches_up: number;
  switches_down: number;
  errors: { code: string; fatal: boolean; count: number }[];
  duration_ms: number | null;
  live: boolean | null;
  page_host: string;
  page_path: string;
  referrer_host: string;
  source: string;
  medium: string;
  campaign: string;
  country: string;
  region: string;
  browser: string;
  platform: string;
  device: string;
  player_name: string;
  player_version: string;
  protocol: string;
  bot: boolean;
  meta: Record<string, unknown>;
  received: number;
  lost: number;
  duplicates: number;
  late: number;
  conflicts: number;
  limit_hits: number;
  fold_version: number;
  partition: number;
  source_offset: number | null;
  append_at: number;
  /** [run, fromMs, toMs, startedAtMs, rateMilli] each. */
  sections: [number, number, number, number, number][];
};

/** Most parts of one session id in an answer. */
export const SESSION_PARTS_MAX = 2_000;

const COLUMNS = `video, part, started_at, ended_at, reason, attempts, plays, unique_watch_ms, total_watch_ms, completions, startup_ms, stalls, stall_ms,
  seeks, start_failures, playback_failures, exits_before_start, bitrate_kbps_ms, bitrate_known_ms, switches_up, switches_down, errors, duration_ms, live,
  page_host, page_path, referrer_host, source, medium, campaign, country, region, browser, platform, device, player_name, player_version, protocol, bot,
  meta, received, lost, duplicates, late, conflicts, limit_hits, fold_version, partition, source_offset, append_at`;

export const sessionParts = (site: string, session: string): Bound<SessionPartRow> =>
  bound(
    'session_parts',
    `SELECT ${COLUMNS}, false AS open, coalesce((
    SELECT jsonb_agg(jsonb_build_array(w.run, w.from_ms, w.to_ms, (extract(epoch FROM w.section_started_at) * 1000)::int8, w.rate_milli) ORDER BY w.section)
    FROM watch_sections w WHERE w.site = s.site AND w.video = s.video AND w.started_at = s.started_at AND w.session = s.session AND w.part = s.part
  ), '[]') AS sections FROM sessions s WHERE site = $1::text AND session = $2::text
UNION ALL
SELECT ${COLUMNS}, true AS open, sections FROM open_sessions WHERE site = $1::text AND session = $2::text
ORDER BY started_at, video, part LIMIT ${SESSION_PARTS_MAX}`,
    [site, session],
  );
