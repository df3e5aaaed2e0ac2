// Sessions per second of an embed, each at most once a second, as steps of a difference array.
import { type Bound, bound, paramList } from './bound.ts';
import { mavePlays, maveScope } from './mave-plays.ts';

/** `change` to add at `second`. */
export type MaveDropoffRow = { second: number; change: number };

/** Seconds below `seconds` only. */
export function maveDropoff(place: { site: string; video: string }, seconds: number): Bound<MaveDropoffRow> {
  const params = paramList();
  const where = maveScope(place, undefined, params);
  const end = `${params.add(seconds)}::int8`;
  const text = `WITH ${mavePlays(where)},
covered AS (
  SELECT unnest(range_agg(int4range((from_ms / 1000)::int4, least((to_ms - 1) / 1000 + 1, ${end})::int4))) AS stretch
  FROM plays WHERE from_ms / 1000 < ${end} GROUP BY session, video, started_at
)
SELECT second, sum(change)::int8 AS change FROM (
  SELECT lower(stretch) AS second, 1 AS change FROM covered UNION ALL SELECT upper(stretch), -1 FROM covered
) steps GROUP BY second ORDER BY second`;
  return bound('mave_dropoff', text, params.values);
}
