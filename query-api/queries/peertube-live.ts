// Who watches a video now: sessions of which something was heard lately. The count that the processor keeps fresher than its open
// sessions under load is the least there are.
import { isoOf } from '../core/civil.ts';
import { type Bound, bound } from './bound.ts';
import type { VideoPlace } from './peertube-viewers.ts';

export const peertubeLive = ({ site, video }: VideoPlace, sinceMs: number): Bound<{ viewers: number }> =>
  bound(
    'peertube_live',
    `SELECT greatest(
  (SELECT count(DISTINCT session) FROM open_sessions WHERE site = $1::text AND video = $2::text AND ended_at > $3::timestamptz AND attempts + plays > 0),
  (SELECT coalesce(sum(viewers), 0) FROM live_viewers WHERE site = $1::text AND video = $2::text))::int8 AS viewers`,
    [site, video, isoOf(sinceMs)],
  );
