// One key by its public id.
import type { Statement } from '../../runtime/ports.ts';
import type { KeyRow } from './key-list.ts';

export const keyById: Statement<[id: string], KeyRow> = {
  name: 'cli-key-by-id',
  text: `SELECT id, site, kind, write_key, hint, scopes, origins, app, requests_per_second, label, created_at, replaced_by, revoked_at
FROM keys WHERE id = $1`,
};
