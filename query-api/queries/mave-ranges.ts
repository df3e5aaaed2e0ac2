// Sessions per range of the media timeline: N ranges up to the furthest position that was played; a session is in every range of which it
// played any part.
import { type Bound, bound, paramList } from './bound.ts';
import { type MaveChoice, maveSections } from './mave-sessions.ts';

/** One row per range, ascending; no row = nothing was played. */
export type MaveRangeRow = { range: number; extent_ms: number; viewers: number };

export function maveRanges(choice: MaveChoice, ranges: number): Bound<MaveRangeRow> {
  const params = paramList();
  const sections = maveSections(choice, params);
  const count = `${params.add(ranges)}::int8`;
  const text = `WITH ${sections},
extent AS (SELECT max(to_ms) AS ms FROM sections),
covered AS (
  SELECT unnest(range_agg(int4range((from_ms * ${count} / e.ms)::int4, ((to_ms * ${count} - 1) / e.ms)::int4 + 1))) AS stretch
  FROM sections, extent e GROUP BY session, video, started_at
), steps(cell, change) AS (
  SELECT lower(stretch), 1 FROM covered UNION ALL SELECT upper(stretch), -1 FROM covered
  UNION ALL SELECT cell, 0 FROM generate_series(0, ${count}::int4 - 1) cell WHERE EXISTS (SELECT FROM covered)
)
SELECT * FROM (
  SELECT cell AS range, (SELECT ms FROM extent) AS extent_ms, (sum(sum(change)) OVER (ORDER BY cell))::int8 AS viewers FROM steps GROUP BY cell
) r WHERE range < ${count} ORDER BY range`;
  return bound('mave_ranges', text, params.values);
}
