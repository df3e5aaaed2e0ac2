// Retention by difference arrays over points of the timeline: a viewer's sections cover the points that lie in them, both ends included.
import { type Bound, bound, paramList } from './bound.ts';
import { peertubeViewers, type VideoPlace } from './peertube-viewers.ts';

/** `steps` to add at point `cell` (from 0); cell -1 says how many viewers there are. */
export type PeertubeRetentionRow = { cell: number; viewers: number };

/** Points lie every `stepMs` from 0. */
export function peertubeRetention(place: VideoPlace, stepMs: number): Bound<PeertubeRetentionRow> {
  const params = paramList();
  const viewers = peertubeViewers(place, params);
  const where = `t.site = ${params.add(place.site)}::text AND t.video = ${params.add(place.video)}::text`;
  const step = `${params.add(stepMs)}::float8`;
  const text = `WITH ${viewers},
sections(session, started_at, part, from_ms, to_ms) AS (
  SELECT t.session, t.started_at, t.part, t.from_ms, t.to_ms FROM watch_sections t WHERE ${where}
  UNION ALL
  SELECT t.session, t.started_at, t.part, (s ->> 1)::int8, (s ->> 2)::int8
  FROM open_sessions t, jsonb_array_elements(t.sections) s WHERE ${where}
), covered AS (
  SELECT unnest(range_agg(int4range(ceil(from_ms / ${step})::int4, floor(to_ms / ${step})::int4, '[]'))) AS stretch
  FROM sections JOIN parts USING (session, started_at, part)
  WHERE ceil(from_ms / ${step}) <= floor(to_ms / ${step})
  GROUP BY session, started_at, CASE WHEN parts.own THEN part ELSE 0 END
)
SELECT -1 AS cell, count(*) AS viewers FROM viewers
UNION ALL
SELECT cell, sum(change)::int8 FROM (
  SELECT lower(stretch) AS cell, 1 AS change FROM covered UNION ALL SELECT upper(stretch), -1 FROM covered
) moves GROUP BY cell`;
  return bound('peertube_retention', text, params.values);
}
