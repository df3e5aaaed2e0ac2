// Viewers and watch time over time. A viewer is counted in every interval it touches; all its watch time lies in the interval of its end.
import { isoOf } from '../core/civil.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';
import { peertubeViewers, type VideoPlace } from './peertube-viewers.ts';

/** `value` of interval `cell` (from 0); for viewers a change from the interval before. */
export type PeertubeSeriesRow = { cell: number; value: number };

/** Half-open intervals, of which the last one ends at `endMs`; nothing after `toMs` counts. */
export type Intervals = { readonly starts: readonly number[]; readonly endMs: number; readonly toMs: number };

const startsOf = ({ starts }: Intervals, params: ParamList): string => `${params.add(starts.map(isoOf))}::timestamptz[]`;

/** Viewers who had left before the first interval are left out. */
export function peertubeViewerSeries(place: VideoPlace, intervals: Intervals): Bound<PeertubeSeriesRow> {
  const params = paramList();
  const viewers = peertubeViewers(place, params);
  const starts = startsOf(intervals, params);
  const to = `${params.add(isoOf(intervals.toMs))}::timestamptz`;
  const text = `WITH ${viewers},
touched AS (
  SELECT greatest(0, width_bucket(start_at, ${starts}) - 1) AS first, width_bucket(end_at, ${starts}) AS after
  FROM viewers WHERE start_at <= ${to}
)
SELECT cell, sum(change)::int8 AS value FROM (
  SELECT first AS cell, 1 AS change FROM touched WHERE after > 0 UNION ALL SELECT after, -1 FROM touched WHERE after > 0
) moves GROUP BY cell`;
  return bound('peertube_viewer_series', text, params.values);
}

/** Milliseconds watched. */
export function peertubeWatchSeries(place: VideoPlace, intervals: Intervals): Bound<PeertubeSeriesRow> {
  const params = paramList();
  const viewers = peertubeViewers(place, params);
  const starts = startsOf(intervals, params);
  const to = `${params.add(isoOf(intervals.toMs))}::timestamptz`;
  const text = `WITH ${viewers}
SELECT width_bucket(end_at, ${starts}) - 1 AS cell, sum(watch_ms)::int8 AS value FROM viewers
WHERE end_at <= ${to} AND width_bucket(end_at, ${starts}) > 0 GROUP BY 1`;
  return bound('peertube_watch_series', text, params.values);
}

/** Downloads, if anybody reports them: custom events of that name. */
export const DOWNLOAD_EVENT_NAME = 'download';

export function peertubeDownloadSeries({ site, video }: VideoPlace, intervals: Intervals): Bound<PeertubeSeriesRow> {
  const params = paramList();
  const starts = startsOf(intervals, params);
  const first = `${params.add(isoOf(intervals.starts[0] ?? intervals.toMs))}::timestamptz`;
  const text = `SELECT width_bucket(at, ${starts}) - 1 AS cell, count(*) AS value FROM custom_events
WHERE site = ${params.add(site)}::text AND video = ${params.add(video)}::text AND name = ${params.add(DOWNLOAD_EVENT_NAME)}::text
  AND at >= ${first} AND at <= ${params.add(isoOf(intervals.toMs))}::timestamptz GROUP BY 1`;
  return bound('peertube_download_series', text, params.values);
}
