// Write keys of a site by their text, as mave's key routes know them.
import { type Bound, bound } from './bound.ts';

export type MaveKeyRow = { write_key: string; revoked_at: number | null };

/** One write key of the site, revoked or not. */
export const maveKey = (site: string, key: string): Bound<MaveKeyRow> =>
  bound('mave_key', "SELECT write_key, revoked_at FROM keys WHERE site = $1::text AND kind = 'write' AND write_key = $2::text", [
    site,
    key,
  ]);

/** No row = the key exists already, here or elsewhere. */
export const maveKeyInsert = (site: string, id: string, key: string): Bound<MaveKeyRow> =>
  bound(
    'mave_key_insert',
    `INSERT INTO keys (id, site, kind, write_key, hint, app) VALUES ($1::text, $2::text, 'write', $3::text, left($3::text, 8), true)
ON CONFLICT DO NOTHING RETURNING write_key, revoked_at`,
    [id, site, key],
  );

export const maveKeyRevoke = (site: string, key: string): Bound<MaveKeyRow> =>
  bound(
    'mave_key_revoke',
    `UPDATE keys SET revoked_at = coalesce(revoked_at, now()) WHERE site = $1::text AND kind = 'write' AND write_key = $2::text
RETURNING write_key, revoked_at`,
    [site, key],
  );
