// Videos whose metadata contain a JSON object.
import { type Bound, bound } from './bound.ts';

/** More videos than this cannot be asked about by metadata at once. */
export const MAVE_VIDEOS_MAX = 10_000;

/** `id` null = any; one more row than the limit tells that there are too many. */
export const maveChosenVideos = (site: string, id: string | null, meta: string): Bound<{ id: string }> =>
  bound(
    'mave_chosen_videos',
    `SELECT id FROM videos WHERE site = $1::text AND ($2::text IS NULL OR id = $2::text) AND meta @> $3::jsonb ORDER BY id LIMIT ${MAVE_VIDEOS_MAX + 1}`,
    [site, id, meta],
  );
