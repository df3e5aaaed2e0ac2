// Viewers that overlap a window, and the watch time of those that lie within it.
import { type Bound, bound, paramList } from './bound.ts';
import { peertubeViewers, type VideoPlace, type Window, windowConditions } from './peertube-viewers.ts';

export type PeertubeOverallRow = { viewers: number; contained: number; watch_ms: number };

export function peertubeOverall(place: VideoPlace, window: Window): Bound<PeertubeOverallRow> {
  const params = paramList();
  const viewers = peertubeViewers(place, params);
  const { overlaps, within } = windowConditions(window, params);
  const text = `WITH ${viewers}
SELECT count(*) FILTER (WHERE ${overlaps}) AS viewers, count(*) FILTER (WHERE ${within}) AS contained,
  coalesce(sum(watch_ms) FILTER (WHERE ${within}), 0)::int8 AS watch_ms
FROM viewers`;
  return bound('peertube_overall', text, params.values);
}
