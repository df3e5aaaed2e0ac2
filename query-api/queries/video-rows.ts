// What is known of videos: list, one, and what the site sets itself (pinned: players no longer change it).
import { type Bound, bound } from './bound.ts';

export type VideoRow = {
  id: string;
  title: string;
  duration_ms: number | null;
  live: boolean | null;
  meta: Record<string, unknown>;
  first_seen_at: number;
  last_seen_at: number;
  pinned: string[];
};

const COLUMNS = 'id, title, duration_ms, live, meta, first_seen_at, last_seen_at, pinned';

export const videoList = (site: string, after: string | undefined, limit: number): Bound<VideoRow> =>
  bound(
    'video_list',
    `SELECT ${COLUMNS} FROM videos WHERE site = $1::text AND ($2::text IS NULL OR id > $2::text) ORDER BY id LIMIT $3::int`,
    [site, after ?? null, limit],
  );

export const videoById = (site: string, id: string): Bound<VideoRow> =>
  bound('video_by_id', `SELECT ${COLUMNS} FROM videos WHERE site = $1::text AND id = $2::text`, [site, id]);

/** Fields of PUT; undefined = leave it (and its pin) as it is, null = unknown. */
export type VideoChange = {
  title?: string | undefined;
  durationMs?: number | null | undefined;
  live?: boolean | null | undefined;
  meta?: Record<string, unknown> | undefined;
};

/** Sets the given fields and pins them. A video never seen is created: the site may know it before its players do. */
export function videoPut(site: string, id: string, change: VideoChange, nowIso: string): Bound<VideoRow> {
  const pinned = [
    ...(change.title === undefined ? [] : ['title']),
    ...(change.durationMs === undefined ? [] : ['duration_ms']),
    ...(change.live === undefined ? [] : ['live']),
    ...(change.meta === undefined ? [] : ['meta']),
  ];
  return bound(
    'video_put',
    `INSERT INTO videos AS v (site, id, title, duration_ms, live, meta, first_seen_at, last_seen_at, pinned)
VALUES ($1, $2, coalesce($3::text, ''), $4::int8, $5::boolean, coalesce($6::jsonb, '{}'), $7::timestamptz, $7::timestamptz, $8::text[])
ON CONFLICT (site, id) DO UPDATE SET
  title = CASE WHEN 'title' = ANY($8::text[]) THEN excluded.title ELSE v.title END,
  duration_ms = CASE WHEN 'duration_ms' = ANY($8::text[]) THEN excluded.duration_ms ELSE v.duration_ms END,
  live = CASE WHEN 'live' = ANY($8::text[]) THEN excluded.live ELSE v.live END,
  meta = CASE WHEN 'meta' = ANY($8::text[]) THEN excluded.meta ELSE v.meta END,
  pinned = ARRAY(SELECT DISTINCT unnest(v.pinned || $8::text[]) ORDER BY 1)
RETURNING ${COLUMNS}`,
    [
      site,
      id,
      change.title ?? null,
      change.durationMs ?? null,
      change.live ?? null,
      change.meta === undefined ? null : JSON.stringify(change.meta),
      nowIso,
      pinned,
    ],
  );
}
