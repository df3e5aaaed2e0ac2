// Keys, of one site or ('') of all, oldest first; secrets are not in the table.
import type { Statement } from '../../runtime/ports.ts';

export type KeyRow = {
  id: string;
  site: string;
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

export const keyList: Statement<[site: string], KeyRow> = {
  name: 'cli-key-list',
  text: `SELECT id, site, kind, write_key, hint, scopes, origins, app, requests_per_second, label, created_at, replaced_by, revoked_at
FROM keys WHERE $1 = '' OR site = $1 ORDER BY site, created_at, id`,
};
