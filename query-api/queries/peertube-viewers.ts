// The common table expression under PeerTube's statistics: one row per viewer of a video, which is a session that played something. A
// part that a session of this door opened after its idle gap is a viewer of its own; parts of other doors are put together.
import { isoOf } from '../core/civil.ts';
import type { ParamList } from './bound.ts';

/** One video of a site. */
export type VideoPlace = { readonly site: string; readonly video: string };
/** Both ends are part of it; undefined = open. Epoch ms. */
export type Window = { readonly fromMs: number | undefined; readonly toMs: number | undefined };

const COLUMNS = 'session, part, started_at, ended_at, total_watch_ms, country, region, browser, platform, device';

/**
 * The text of `viewers AS (…)` and what it needs: session, part, start_at, end_at, watch_ms, country, region, browser, platform,
 * device. Sealed and open sessions alike.
 */
export function peertubeViewers({ site, video }: VideoPlace, params: ParamList): string {
  const where = `site = ${params.add(site)}::text AND video = ${params.add(video)}::text`;
  const parts = ['sessions', 'open_sessions'].map(
    (table) => `SELECT ${COLUMNS}, protocol = 'peertube' AS own FROM ${table} WHERE ${where}`,
  );
  const supplements = ['sessions', 'open_sessions'].map(
    (table) => `SELECT session, started_at FROM ${table} WHERE ${where} AND part > 0 AND protocol <> 'peertube'`,
  );
  const joined = '(session, started_at) IN (SELECT session, started_at FROM supplemented)';
  const first = ['country', 'region', 'browser', 'platform', 'device'].map((name) => `(array_agg(${name} ORDER BY part))[1]`).join(', ');
  return `parts AS NOT MATERIALIZED (${parts.join(' UNION ALL ')}),
supplemented AS MATERIALIZED (${supplements.join(' UNION ')}),
viewers AS MATERIALIZED (
  SELECT session, part, CASE WHEN part = 0 THEN started_at ELSE coalesce((${firstPlay(where)}), started_at) END AS start_at,
    ended_at AS end_at, total_watch_ms AS watch_ms, country, region, browser, platform, device
  FROM parts p WHERE total_watch_ms > 0 AND (own OR NOT ${joined})
  UNION ALL
  SELECT session, 0::int2, started_at, max(ended_at), sum(total_watch_ms)::int8, ${first}
  FROM parts p WHERE NOT own AND ${joined} GROUP BY session, started_at HAVING sum(total_watch_ms) > 0
)`;
}

/** When the part `p` began to play: parts share the start of their session, so a later one is dated by its sections. */
const firstPlay = (where: string): string => `SELECT min(x.at) FROM (
      SELECT section_started_at AS at FROM watch_sections w
      WHERE ${where} AND w.started_at = p.started_at AND w.session = p.session AND w.part = p.part
      UNION ALL
      SELECT to_timestamp((s ->> 3)::float8 / 1000) FROM open_sessions o, jsonb_array_elements(o.sections) s
      WHERE ${where} AND o.started_at = p.started_at AND o.session = p.session AND o.part = p.part) x`;

/** Conditions over `viewers`: those that overlap a window, and those that lie within it. */
export function windowConditions({ fromMs, toMs }: Window, params: ParamList): { overlaps: string; within: string } {
  const from = fromMs === undefined ? undefined : `${params.add(isoOf(fromMs))}::timestamptz`;
  const to = toMs === undefined ? undefined : `${params.add(isoOf(toMs))}::timestamptz`;
  const all = (...conditions: (string | false)[]): string => conditions.filter(Boolean).join(' AND ') || 'true';
  return {
    overlaps: all(from !== undefined && `end_at >= ${from}`, to !== undefined && `start_at <= ${to}`),
    within: all(from !== undefined && `start_at >= ${from}`, to !== undefined && `end_at <= ${to}`),
  };
}
