// The public counter of views: what the rollups hold of sealed sessions, which stays when rows go, and the open sessions. An open one that has
// not lasted for longer than a view is one; the others are listed to be walked through. One statement, so that a session that is
// sealed meanwhile is counted once.
import type { ViewRule } from '../../schemas/views.ts';
import { type Bound, bound } from './bound.ts';
import type { VideoPlace } from './peertube-viewers.ts';

/** `part` null: so many views. Else an open part; instants in epoch ms, sections as in open_sessions. */
export type PeertubeViewRow = {
  part: number | null;
  views: number;
  started_at: number | null;
  ended_at: number | null;
  protocol: string | null;
  duration_ms: number | null;
  live: boolean | null;
  sections: [run: number, fromMs: number, toMs: number, startedAt: number, rateMilli: number][] | null;
};

export const PEERTUBE_VIEW_ROWS_MAX = 100_000;

export const peertubeViews = ({ site, video }: VideoPlace, { countAfterMs, expirationMs }: ViewRule): Bound<PeertubeViewRow> =>
  bound(
    'peertube_views',
    `WITH watching AS MATERIALIZED (
  SELECT part, started_at, ended_at, protocol, duration_ms, live, sections,
    (part = 0 OR protocol = 'peertube')
      AND ended_at - to_timestamp((sections -> 0 ->> 3)::float8 / 1000) < $4::float8 * interval '1 millisecond' AS once
  FROM open_sessions WHERE site = $1::text AND video = $2::text AND sections <> '[]' AND total_watch_ms >=
    CASE WHEN live IS TRUE OR coalesce(duration_ms, 0) <= 0 OR duration_ms >= $3::int8 THEN $3::int8 ELSE duration_ms / 2 + 1 END
)
SELECT NULL::int2 AS part, ((SELECT coalesce(sum(views), 0) FROM rollup_daily
    WHERE site = $1::text AND scope = 'video' AND video = $2::text AND dimension = '')
  + (SELECT count(*) FROM watching WHERE once))::int8 AS views,
  NULL::timestamptz AS started_at, NULL::timestamptz AS ended_at, NULL::text AS protocol, NULL::int8 AS duration_ms, NULL::bool AS live, NULL::jsonb AS sections
UNION ALL
(SELECT part, 0, started_at, ended_at, protocol, duration_ms, live, sections FROM watching WHERE NOT once LIMIT ${PEERTUBE_VIEW_ROWS_MAX + 1})`,
    [site, video, countAfterMs, expirationMs],
  );
