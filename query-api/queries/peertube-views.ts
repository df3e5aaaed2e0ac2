// Sessions that count as views. One that watched once, and for less than an hour, is one view; the others are listed with what they
// played, to be walked through.
import { type Bound, bound, paramList } from './bound.ts';
import { peertubeViewers, type VideoPlace } from './peertube-viewers.ts';

/** `session` null: `viewers` sessions of one view each. Else one stretch of a session, in the order played. Instants in epoch ms. */
export type PeertubeViewRow = {
  session: string | null;
  viewers: number;
  viewer: number;
  started_at: number;
  length_ms: number;
  ends_before: number;
};

export const PEERTUBE_VIEW_ROWS_MAX = 500_000;

export function peertubeViews(place: VideoPlace, options: { thresholdMs: number; expirationMs: number }): Bound<PeertubeViewRow> {
  const params = paramList();
  const viewers = peertubeViewers(place, params);
  const where = `t.site = ${params.add(place.site)}::text AND t.video = ${params.add(place.video)}::text`;
  const threshold = `${params.add(options.thresholdMs)}::int8`;
  const expiration = `${params.add(options.expirationMs)}::float8 * interval '1 millisecond'`;
  const text = `WITH ${viewers},
watched AS (SELECT session, part, start_at, end_at FROM viewers WHERE watch_ms >= ${threshold}),
lasting AS MATERIALIZED (
  SELECT session FROM watched GROUP BY session HAVING count(*) > 1 OR max(end_at) - min(start_at) >= ${expiration}
),
stretches AS (
  SELECT t.session, t.part, t.section_started_at AS at, t.to_ms - t.from_ms AS length_ms
  FROM watch_sections t WHERE ${where} AND t.session IN (SELECT session FROM lasting)
  UNION ALL
  SELECT t.session, t.part, to_timestamp((s ->> 3)::float8 / 1000), (s ->> 2)::int8 - (s ->> 1)::int8
  FROM open_sessions t, jsonb_array_elements(t.sections) s WHERE ${where} AND t.session IN (SELECT session FROM lasting)
),
played AS (
  SELECT s.session, dense_rank() OVER (PARTITION BY s.session ORDER BY w.start_at, w.part) AS viewer, s.at, s.length_ms,
    coalesce(lead(s.at) OVER (PARTITION BY s.session, w.start_at, w.part ORDER BY s.at), w.end_at) AS ends_before
  FROM stretches s JOIN LATERAL (
    SELECT v.part, v.start_at, v.end_at FROM watched v
    WHERE v.session = s.session AND s.at >= v.start_at AND s.at <= v.end_at ORDER BY v.start_at DESC LIMIT 1
  ) w ON true
)
SELECT NULL::text AS session, count(*) AS viewers, 0::int8 AS viewer, 0::int8 AS started_at, 0::int8 AS length_ms, 0::int8 AS ends_before
FROM watched WHERE session NOT IN (SELECT session FROM lasting)
UNION ALL
(SELECT session, 0, viewer, (extract(epoch FROM at) * 1000)::int8, length_ms, (extract(epoch FROM ends_before) * 1000)::int8
FROM played ORDER BY session, viewer, at LIMIT ${PEERTUBE_VIEW_ROWS_MAX + 1})`;
  return bound('peertube_views', text, params.values);
}
