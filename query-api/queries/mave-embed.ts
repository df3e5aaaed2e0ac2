// Whether a site knows an embed or a space of mave.
import { type Bound, bound } from './bound.ts';

/** No row = not known. `duration_ms` is the longest that players reported, as far as it can be one. */
export type MaveEmbedRow = { duration_ms: number | null };
export type MaveSpaceRow = { known: boolean };

/** Longer media are not believed. */
const DURATION_MS_MAX = 14_400_000;

export const maveEmbed = (site: string, id: string): Bound<MaveEmbedRow> =>
  bound(
    'mave_embed',
    `WITH parts AS (
  SELECT duration_ms FROM sessions WHERE site = $1::text AND video = $2::text
  UNION ALL SELECT duration_ms FROM open_sessions WHERE site = $1::text AND video = $2::text
)
SELECT (SELECT max(duration_ms) FROM parts WHERE duration_ms > 0 AND duration_ms <= ${DURATION_MS_MAX}) AS duration_ms
WHERE EXISTS (SELECT FROM videos WHERE site = $1::text AND id = $2::text) OR EXISTS (SELECT FROM parts)`,
    [site, id],
  );

/** A space is the site's own if it is tied to it, or if one of its embeds begins with the hash. */
export const maveSpace = (site: string, space: string): Bound<MaveSpaceRow> =>
  bound(
    'mave_space',
    `SELECT EXISTS (SELECT FROM site_aliases WHERE protocol = 'mave' AND foreign_id = $2::text AND site = $1::text)
  OR EXISTS (SELECT FROM videos WHERE site = $1::text AND left(id, 5) = $2::text AND id ~ '^[A-Za-z0-9]{15}$') AS known`,
    [site, space],
  );
