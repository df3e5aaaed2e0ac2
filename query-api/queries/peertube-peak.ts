// The most viewers at one time: a sweep over their starts and ends, each viewer present from its start until its end. Those who were there
// when the window opens count from its first instant.
import { isoOf } from '../core/civil.ts';
import { type Bound, bound, paramList } from './bound.ts';
import { peertubeViewers, type VideoPlace, type Window } from './peertube-viewers.ts';

/** No row = there was nobody. */
export type PeertubePeakRow = { at: number; viewers: number };

export function peertubePeak(place: VideoPlace, { fromMs, toMs }: Window): Bound<PeertubePeakRow> {
  const params = paramList();
  const viewers = peertubeViewers(place, params);
  const from = `${params.add(fromMs === undefined ? null : isoOf(fromMs))}::timestamptz`;
  const to = `${params.add(toMs === undefined ? null : isoOf(toMs))}::timestamptz`;
  const text = `WITH ${viewers},
moves(at, change) AS (
  SELECT start_at, 1 FROM viewers UNION ALL SELECT end_at, -1 FROM viewers
), instants AS (
  SELECT CASE WHEN at < ${from} THEN ${from} ELSE at END AS at, sum(change) AS change FROM moves
  WHERE ${to} IS NULL OR at <= ${to} GROUP BY 1
), present AS (SELECT at, sum(change) OVER (ORDER BY at) AS viewers FROM instants)
SELECT at, viewers::int8 AS viewers FROM present WHERE viewers > 0 ORDER BY viewers DESC, at LIMIT 1`;
  return bound('peertube_peak', text, params.values);
}
