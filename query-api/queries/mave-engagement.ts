// Sessions per second of the media timeline, by bucket: each session once a second, by difference arrays over the union of its seconds.
import { type Bound, bound, paramList } from './bound.ts';
import { type MaveChoice, maveSections } from './mave-sessions.ts';

/** `change` to add at `second`. */
export type MaveSecondRow = { bucket: number; second: number; change: number };

export const MAVE_STEPS_MAX = 200_000;
/** Seconds beyond this are not a timeline that anybody watches. */
const SECOND_MAX = 2_000_000_000;

export function maveEngagement(choice: MaveChoice): Bound<MaveSecondRow> {
  const params = paramList();
  const sections = maveSections(choice, params);
  const text = `WITH ${sections},
covered AS (
  SELECT bucket, unnest(range_agg(int4range(least(from_ms / 1000, ${SECOND_MAX})::int4, (least((to_ms - 1) / 1000, ${SECOND_MAX}) + 1)::int4))) AS stretch
  FROM sections GROUP BY bucket, session, video, started_at
), steps(bucket, second, change) AS (
  SELECT bucket, lower(stretch), 1 FROM covered UNION ALL SELECT bucket, upper(stretch), -1 FROM covered
)
SELECT bucket, second, sum(change)::int8 AS change FROM steps
GROUP BY bucket, second HAVING sum(change) <> 0 ORDER BY bucket, second LIMIT ${MAVE_STEPS_MAX + 1}`;
  return bound('mave_engagement', text, params.values);
}
