// Sites and their keys: made, listed, replaced and revoked by whoever may write to the database. Read keys are kept as SHA-256
// only, so a secret is shown once, when it is made (Q1). Write keys are public and kept as they are (G7).
import { createHash, randomBytes } from 'node:crypto';
import { PlayheadError } from '../runtime/errors.ts';
import type { ReadPool } from '../runtime/postgres.ts';
import { keyById } from './sql/key-by-id.ts';
import { keyInsert } from './sql/key-insert.ts';
import { type KeyRow, keyList } from './sql/key-list.ts';
import { keyReplace } from './sql/key-replace.ts';
import { keyRevoke } from './sql/key-revoke.ts';
import { siteInsert } from './sql/site-insert.ts';

export const SCOPES = ['query', 'export', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Site names stand in record keys before a slash. */
const SITE_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const KEY_TEXT = /^(pk|sk)_[A-Za-z0-9_-]{4,128}$/;
const SECRET_BYTES = 24;
const ID_BYTES = 8;
const HINT_CHARACTERS = 8;

export type KeyWish = {
  site: string;
  kind: 'write' | 'read';
  scopes: readonly Scope[];
  origins?: readonly string[];
  app?: boolean;
  requestsPerSecond?: number | null;
  label?: string;
  /** A fixed id and text, for a demo; random otherwise. */
  id?: string;
  text?: string;
};

export type MadeKey = { id: string; text: string; made: boolean };

/** Makes a site; false if it exists. @throws PlayheadError ERR_SITE for a name that cannot be one. */
export async function createSite(pool: ReadPool, site: string, timezone = 'UTC'): Promise<boolean> {
  if (!SITE_NAME.test(site)) {
    throw new PlayheadError(
      'ERR_SITE',
      `"${site}" cannot be a site: use 1 to 63 of a-z, 0-9, dot, dash and underscore, beginning with a letter or digit.`,
    );
  }
  return (await pool.query(siteInsert, [site, timezone])).length > 0;
}

/** Makes a key, and its site if need be. @throws PlayheadError ERR_KEY, ERR_SITE. */
export async function createKey(pool: ReadPool, wish: KeyWish): Promise<MadeKey> {
  if (wish.kind === 'read' && wish.scopes.length === 0)
    throw new PlayheadError('ERR_KEY', `A read key needs at least one scope: ${SCOPES.join(', ')}.`);
  await createSite(pool, wish.site);
  const text = wish.text ?? `${wish.kind === 'read' ? 'sk' : 'pk'}_${randomBytes(SECRET_BYTES).toString('hex')}`;
  if (!KEY_TEXT.test(text)) throw new PlayheadError('ERR_KEY', 'A key is pk_ or sk_ and 4 to 128 letters, digits, dashes and underscores.');
  const id = wish.id ?? `key_${randomBytes(ID_BYTES).toString('hex')}`;
  const isWrite = wish.kind === 'write';
  const rows = await pool.query(keyInsert, [
    id,
    wish.site,
    wish.kind,
    isWrite ? text : null,
    isWrite ? null : createHash('sha256').update(text, 'utf8').digest(),
    text.slice(0, HINT_CHARACTERS),
    isWrite ? [] : wish.scopes,
    isWrite ? (wish.origins ?? []) : [],
    isWrite && (wish.app ?? false),
    wish.requestsPerSecond ?? null,
    wish.label ?? '',
  ]);
  return { id, text, made: rows.length > 0 };
}

/** Keys of a site, or of all sites for ''. */
export const listKeys = (pool: ReadPool, site: string): Promise<KeyRow[]> => pool.query(keyList, [site]);

/** Makes the successor of a key with the same rights; the old one works on until it is revoked. @throws PlayheadError ERR_KEY. */
export async function rotateKey(pool: ReadPool, id: string): Promise<MadeKey> {
  const old = await known(pool, id);
  if (old.revoked_at !== null) throw new PlayheadError('ERR_KEY', `The key ${id} was revoked and can have no successor: create a new one.`);
  const made = await createKey(pool, {
    site: old.site,
    kind: old.kind,
    scopes: old.scopes as Scope[],
    origins: old.origins,
    app: old.app,
    requestsPerSecond: old.requests_per_second,
    label: old.label,
  });
  await pool.query(keyReplace, [id, made.id]);
  return made;
}

/** Ends a key. Gateways and query servers notice within seconds. @throws PlayheadError ERR_KEY. */
export async function revokeKey(pool: ReadPool, id: string): Promise<void> {
  await known(pool, id);
  await pool.query(keyRevoke, [id]);
}

async function known(pool: ReadPool, id: string): Promise<KeyRow> {
  const [row] = await pool.query(keyById, [id]);
  if (row === undefined) throw new PlayheadError('ERR_KEY', `There is no key with the id ${id}: see \`playhead keys list\`.`);
  return row;
}
