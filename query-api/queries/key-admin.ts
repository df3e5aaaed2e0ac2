// Keys of one site: list, create, replace, revoke. Secrets are stored as hashes only.
import { type Bound, bound } from './bound.ts';

export type KeyRow = {
  id: string;
  kind: 'write' | 'read';
  write_key: string | null;
  hint: string;
  scopes: string[];
  origins: string[];
  app: boolean;
  requests_per_second: number | null;
  label: string;
  created_at: number;
  replaced_by: string | null;
  revoked_at: number | null;
};

const COLUMNS = 'id, kind, write_key, hint, scopes, origins, app, requests_per_second, label, created_at, replaced_by, revoked_at';

export const KEYS_LISTED_MAX = 1_000;

export const keyList = (site: string): Bound<KeyRow> =>
  bound('key_list', `SELECT ${COLUMNS} FROM keys WHERE site = $1::text ORDER BY created_at DESC, id LIMIT ${KEYS_LISTED_MAX}`, [site]);

export const keyById = (site: string, id: string): Bound<KeyRow> =>
  bound('key_by_id', `SELECT ${COLUMNS} FROM keys WHERE site = $1::text AND id = $2::text`, [site, id]);

export type NewKey = {
  id: string;
  site: string;
  kind: 'write' | 'read';
  writeKey: string | null;
  secretHash: Buffer | null;
  hint: string;
  scopes: readonly string[];
  origins: readonly string[];
  app: boolean;
  requestsPerSecond: number | null;
  label: string;
};

export const keyInsert = (key: NewKey): Bound<KeyRow> =>
  bound(
    'key_insert',
    `INSERT INTO keys (id, site, kind, write_key, secret_hash, hint, scopes, origins, app, requests_per_second, label)
VALUES ($1, $2, $3, $4, $5, $6, $7::text[], $8::text[], $9, $10, $11) RETURNING ${COLUMNS}`,
    [
      key.id,
      key.site,
      key.kind,
      key.writeKey,
      key.secretHash,
      key.hint,
      key.scopes,
      key.origins,
      key.app,
      key.requestsPerSecond,
      key.label,
    ],
  );

/** Notes the successor; the old key stays usable until it is revoked. */
export const keyReplace = (site: string, id: string, successor: string): Bound<KeyRow> =>
  bound('key_replace', `UPDATE keys SET replaced_by = $3::text WHERE site = $1::text AND id = $2::text RETURNING ${COLUMNS}`, [
    site,
    id,
    successor,
  ]);

export const keyRevoke = (site: string, id: string): Bound<KeyRow> =>
  bound(
    'key_revoke',
    `UPDATE keys SET revoked_at = coalesce(revoked_at, now()) WHERE site = $1::text AND id = $2::text RETURNING ${COLUMNS}`,
    [site, id],
  );
