// Sessions playing now, by video, and the last minutes: both are kept by the processor per partition.
import { isoOf } from '../core/civil.ts';
import { type Bound, bound } from './bound.ts';

export type LiveVideoRow = { video: string; viewers: number };
export type LiveMinuteRow = { minute: number; viewers: number };

export const LIVE_VIDEOS_MAX = 10_000;

export const liveVideos = (site: string): Bound<LiveVideoRow> =>
  bound(
    'live_videos',
    `SELECT video, sum(viewers)::int8 AS viewers FROM live_viewers WHERE site = $1::text GROUP BY video
HAVING sum(viewers) > 0 ORDER BY sum(viewers) DESC, video LIMIT ${LIVE_VIDEOS_MAX}`,
    [site],
  );

export const liveMinutes = (site: string, fromMs: number, toMs: number): Bound<LiveMinuteRow> =>
  bound(
    'live_minutes',
    `SELECT minute, sum(viewers)::int8 AS viewers FROM live_minutes
WHERE site = $1::text AND minute >= $2::timestamptz AND minute < $3::timestamptz GROUP BY minute ORDER BY minute`,
    [site, isoOf(fromMs), isoOf(toMs)],
  );
