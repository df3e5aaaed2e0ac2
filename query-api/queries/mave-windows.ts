// Views, watch time and unique watch time in windows of wall-clock time.
import { type Bound, bound, paramList } from './bound.ts';
import {
  INSIDE_MS,
  MAVE_VIEW_MS,
  type MaveScope,
  type MaveWindow,
  mavePlays,
  maveScope,
  maveWindowList,
  OVERLAPS,
  sinceOf,
} from './mave-plays.ts';

export type MaveWindowRow = { name: string; views: number; watch_ms: number; unique_ms: number };

/** A play of an hour or more says nothing about how much of the media was seen. */
const UNIQUE_WALL_MS_MAX = 3_600_000;

/** Unique time: the distinct seconds of a session, never more than its wall-clock play. A window without any play has no row. */
export function maveWindows(scope: MaveScope, windows: readonly MaveWindow[]): Bound<MaveWindowRow> {
  const params = paramList();
  const where = maveScope(scope, sinceOf(windows), params);
  const short = `p.end_ms - p.begin_ms < ${UNIQUE_WALL_MS_MAX}`;
  const mediaAt = (instant: string): string => `p.from_ms + (${instant} - p.begin_ms) * p.rate / 1000`;
  const first = `((${mediaAt('greatest(p.begin_ms, w.from_ms)')}) / 1000)::int4`;
  const last = `((greatest(p.from_ms + 1, ${mediaAt('least(p.end_ms, w.to_ms)')}) - 1) / 1000)::int4`;
  const text = `WITH ${mavePlays(where)},
${maveWindowList(windows, params)},
per_session AS (
  SELECT w.name, sum(${INSIDE_MS}) AS wall_ms, coalesce(sum(${INSIDE_MS}) FILTER (WHERE ${short}), 0) AS short_ms,
    range_agg(int4range(${first}, greatest(${first}, ${last}) + 1)) FILTER (WHERE ${short}) AS seconds
  FROM plays p JOIN windows w ON ${OVERLAPS} GROUP BY w.name, p.session, p.video, p.started_at
)
SELECT name, count(*) FILTER (WHERE wall_ms >= ${MAVE_VIEW_MS}) AS views, sum(wall_ms)::int8 AS watch_ms,
  sum(least(short_ms, (SELECT coalesce(sum(upper(r) - lower(r)), 0) * 1000 FROM unnest(seconds) r)))::int8 AS unique_ms
FROM per_session GROUP BY name`;
  return bound('mave_windows', text, params.values);
}
