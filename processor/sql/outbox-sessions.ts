import type { Statement } from '../../infra/runtime/ports.ts';
import { STREAM_PROTOCOLS } from '../../schemas/door-sessions.ts';

/** A row of `sessions` with its watch sections as [run, fromMs, toMs, startedAtMs, rateMilli]. */
export type OutboxSessionRow = {
  site: string;
  session: string;
  video: string;
  part: number;
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
  errors: unknown;
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
  meta: unknown;
  received: number;
  lost: number;
  duplicates: number;
  late: number;
  append_at: number;
  fold_version: number;
  emission_seq: number;
  source_offset: number;
  sections: [number, number, number, number, number][];
};

const COLUMNS = `site, session, video, part, started_at, ended_at, reason, attempts, plays, unique_watch_ms, total_watch_ms, completions, startup_ms,
  stalls, stall_ms, seeks, start_failures, playback_failures, exits_before_start, bitrate_kbps_ms, bitrate_known_ms, switches_up, switches_down, errors,
  duration_ms, live, page_host, page_path, referrer_host, source, medium, campaign, country, region, browser, platform, device, player_name,
  player_version, protocol, bot, meta, received, lost, duplicates, late, append_at, fold_version, emission_seq, source_offset`;

/** Sealed parts of a stretch of emissions, both ends included; streams are no sessions of viewers. */
export const outboxSessions: Statement<[partition: number, first: number, last: number], OutboxSessionRow> = {
  name: 'processor_outbox_sessions',
  text: `
    SELECT ${COLUMNS}, coalesce((
      SELECT jsonb_agg(jsonb_build_array(w.run, w.from_ms, w.to_ms, (extract(epoch FROM w.section_started_at) * 1000)::int8, w.rate_milli)
        ORDER BY w.section)
      FROM watch_sections w
      WHERE w.site = s.site AND w.video = s.video AND w.started_at = s.started_at AND w.session = s.session AND w.part = s.part
        AND w.partition = s.partition AND w.emission_seq = s.emission_seq), '[]') AS sections
    FROM sessions s WHERE partition = $1 AND emission_seq BETWEEN $2 AND $3 AND protocol <> ALL ('{${STREAM_PROTOCOLS.join(',')}}'::text[])
    ORDER BY emission_seq`,
};
