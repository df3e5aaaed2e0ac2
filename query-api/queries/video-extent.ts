// How long a video is for its curve: what is known of it, else the furthest place that was watched.
import { isoOf } from '../core/civil.ts';
import type { Question } from '../core/question.ts';
import { type Bound, bound } from './bound.ts';

/** `known_ms` null = no duration known; `extent_ms` null = nothing watched in the range either. */
export type VideoExtentRow = { known_ms: number | null; extent_ms: number | null };

export const videoExtent = (question: Question, video: string): Bound<VideoExtentRow> =>
  bound(
    'video_extent',
    `SELECT k.known_ms, CASE WHEN k.known_ms IS NULL THEN greatest(
  (SELECT max(to_ms) FROM watch_sections WHERE site = $1::text AND video = $2::text AND started_at >= $3::timestamptz AND started_at < $4::timestamptz),
  (SELECT max((s ->> 2)::int8) FROM open_sessions o, jsonb_array_elements(o.sections) s
   WHERE o.site = $1::text AND o.video = $2::text AND o.started_at >= $3::timestamptz AND o.started_at < $4::timestamptz)) END AS extent_ms
FROM (SELECT (SELECT duration_ms FROM videos WHERE site = $1::text AND id = $2::text AND duration_ms > 0) AS known_ms) k`,
    [question.site, video, isoOf(question.range.fromMs), isoOf(question.range.toMs)],
  );
