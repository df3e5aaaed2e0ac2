// Who watches a video now: sessions of which something was heard lately. The count that the processor keeps fresher than its open
// sessions under load is the least there are; it counts whoever was heard of in two minutes, so it says nothing of a shorter time.
import { isoOf } from '../core/civil.ts';
import { type Bound, bound } from './bound.ts';
import type { VideoPlace } from './peertube-viewers.ts';

/** Silence after which the processor counts nobody as a viewer any more, ms. */
const LIVE_SILENCE_MS = 120_000;

export const peertubeLive = (
  { site, video }: VideoPlace,
  { nowMs, liveMs }: { nowMs: number; liveMs: number },
): Bound<{ viewers: number }> =>
  bound(
    'peertube_live',
    `SELECT greatest(
  (SELECT count(DISTINCT session) FROM open_sessions WHERE site = $1::text AND video = $2::text AND ended_at > $3::timestamptz AND attempts + plays > 0),
  (SELECT coalesce(sum(viewers), 0) FROM live_viewers WHERE site = $1::text AND video = $2::text AND $4::bool))::int8 AS viewers`,
    [site, video, isoOf(nowMs - liveMs), liveMs >= LIVE_SILENCE_MS],
  );
