// The read key of a secret's hash: which site it may read, and what for.
import { type Bound, bound } from './bound.ts';

export type ReadKeyRow = { id: string; site: string; scopes: string[]; requests_per_second: number | null; revoked_at: number | null };

/** `hash` is the SHA-256 of the whole secret. */
export const readKey = (hash: Buffer): Bound<ReadKeyRow> =>
  bound('read_key', "SELECT id, site, scopes, requests_per_second, revoked_at FROM keys WHERE secret_hash = $1::bytea AND kind = 'read'", [
    hash,
  ]);
