import type { Statement } from '../../infra/runtime/ports.ts';

export type UpsertVideosParams = [
  sites: readonly string[],
  ids: readonly string[],
  titles: readonly string[],
  durationsMs: readonly (number | null)[],
  live: readonly (boolean | null)[],
  metas: readonly string[],
  firstSeenMs: readonly number[],
  lastSeenMs: readonly number[],
];

/**
 * What players say of their videos: the latest known value wins, fields (columns) pinned by the site stay. The only rows that two
 * partitions share, so they come in key order: no two flushes can wait for each other in a circle.
 */
export const upsertVideos: Statement<UpsertVideosParams, never> = {
  name: 'processor_upsert_videos',
  text: `
    INSERT INTO videos AS v (site, id, title, duration_ms, live, meta, first_seen_at, last_seen_at)
    SELECT u.site, u.id, u.title, u.duration_ms, u.live, u.meta::jsonb,
      to_timestamp(u.first_seen::float8 / 1000), to_timestamp(u.last_seen::float8 / 1000)
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::text[], $7::bigint[], $8::bigint[])
      AS u (site, id, title, duration_ms, live, meta, first_seen, last_seen)
    ON CONFLICT (site, id) DO UPDATE SET
      title = CASE WHEN excluded.title = '' OR 'title' = ANY (v.pinned) OR (excluded.last_seen_at < v.last_seen_at AND v.title <> '')
        THEN v.title ELSE excluded.title END,
      duration_ms = CASE WHEN excluded.duration_ms IS NULL OR 'duration_ms' = ANY (v.pinned)
          OR (excluded.last_seen_at < v.last_seen_at AND v.duration_ms IS NOT NULL)
        THEN v.duration_ms ELSE excluded.duration_ms END,
      live = CASE WHEN excluded.live IS NULL OR 'live' = ANY (v.pinned) OR (excluded.last_seen_at < v.last_seen_at AND v.live IS NOT NULL)
        THEN v.live ELSE excluded.live END,
      meta = CASE WHEN excluded.meta = '{}' OR 'meta' = ANY (v.pinned) OR (excluded.last_seen_at < v.last_seen_at AND v.meta <> '{}')
        THEN v.meta ELSE excluded.meta END,
      first_seen_at = least(v.first_seen_at, excluded.first_seen_at),
      last_seen_at = greatest(v.last_seen_at, excluded.last_seen_at)`,
};
