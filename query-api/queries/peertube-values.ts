// Viewers that overlap a window, by one dimension; unknown values are left out.
import { type Bound, bound, paramList } from './bound.ts';
import { peertubeViewers, type VideoPlace, type Window, windowConditions } from './peertube-viewers.ts';

export type PeertubeDimension = 'country' | 'region' | 'browser' | 'device' | 'platform';
export type PeertubeValueRow = { dimension: PeertubeDimension; value: string; viewers: number };

export const PEERTUBE_VALUE_ROWS_MAX = 20_000;

/** `dimensions` in one pass over the viewers. */
export function peertubeValues(place: VideoPlace, window: Window, dimensions: readonly PeertubeDimension[]): Bound<PeertubeValueRow> {
  const params = paramList();
  const viewers = peertubeViewers(place, params);
  const { overlaps } = windowConditions(window, params);
  const values = dimensions.map((name) => `('${name}', ${name})`).join(', ');
  const text = `WITH ${viewers}
SELECT x.dimension, x.value, count(*) AS viewers FROM viewers v, LATERAL (VALUES ${values}) x(dimension, value)
WHERE ${overlaps} AND x.value <> '' GROUP BY 1, 2 ORDER BY viewers DESC, value LIMIT ${PEERTUBE_VALUE_ROWS_MAX + 1}`;
  return bound('peertube_values', text, params.values);
}
