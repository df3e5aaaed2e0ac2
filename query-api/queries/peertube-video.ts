// A video by any id that PeerTube has for it, and the zone of its site.
import { PEERTUBE_NUMBER_KEY } from '../../schemas/peertube-ids.ts';
import { type Bound, bound } from './bound.ts';

export type PeertubeVideoRow = {
  id: string;
  title: string;
  duration_ms: number | null;
  live: boolean | null;
  /** The number PeerTube gave it, if the site has said so. */
  number: number | null;
  first_seen_at: number;
  timezone: string;
};

const NUMBER = `v.meta ->> '${PEERTUBE_NUMBER_KEY}'`;

/** `ids` are ways to write the same id, the best one first; a number may also be one that the site has pinned in the metadata. */
export const peertubeVideo = (site: string, ids: readonly string[]): Bound<PeertubeVideoRow> =>
  bound(
    'peertube_video',
    `SELECT v.id, v.title, v.duration_ms, v.live, v.first_seen_at, s.timezone,
  CASE WHEN 'meta' = ANY(v.pinned) AND ${NUMBER} ~ '^[1-9][0-9]{0,9}$' THEN (${NUMBER})::int8 END AS number
FROM videos v JOIN sites s USING (site)
WHERE v.site = $1::text AND (v.id = ANY($2::text[]) OR (v.meta ? '${PEERTUBE_NUMBER_KEY}' AND ${NUMBER} = $3::text AND 'meta' = ANY(v.pinned)))
ORDER BY coalesce('meta' = ANY(v.pinned) AND ${NUMBER} = $3::text, false) DESC, array_position($2::text[], v.id) LIMIT 1`,
    [site, ids, ids[0] ?? ''],
  );
