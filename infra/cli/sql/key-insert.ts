// Makes a key; nothing happens if one of this id or text exists.
import type { Statement } from '../../runtime/ports.ts';

export type KeyInsertParams = [
  id: string,
  site: string,
  kind: 'write' | 'read',
  writeKey: string | null,
  secretHash: Buffer | null,
  hint: string,
  scopes: readonly string[],
  origins: readonly string[],
  app: boolean,
  requestsPerSecond: number | null,
  label: string,
];

export const keyInsert: Statement<KeyInsertParams, { id: string }> = {
  name: 'cli-key-insert',
  text: `INSERT INTO keys (id, site, kind, write_key, secret_hash, hint, scopes, origins, app, requests_per_second, label)
VALUES ($1, $2, $3, $4, $5, $6, $7::text[], $8::text[], $9, $10, $11) ON CONFLICT DO NOTHING RETURNING id`,
};
