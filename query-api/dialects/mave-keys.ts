// mave's key routes. Its keys identify who sends: they are write keys of the caller's site. Whoever may make them holds a read key with the
// scope `admin`.
import { createHash } from 'node:crypto';
import { isoOf } from '../core/civil.ts';
import { ProblemError } from '../problem.ts';
import { keyList } from '../queries/key-admin.ts';
import { maveKeyInsert, maveKeyRevoke } from '../queries/mave-keys.ts';
import type { DialectAsked, DialectRoute } from './dialect.ts';
import { MAVE_ACCESS } from './mave-access.ts';

const KEY_BYTES = 16;
/** What a caller may choose: no spaces, nothing that a header, a path or a log could stumble over, and nothing that looks like a secret. */
const CHOSEN = /^(?!sk_)[A-Za-z0-9+/=_.~-]{8,128}$/;

export function maveKeyRoutes(): readonly DialectRoute[] {
  const path = '/api/v1/keys';
  const shared = { ...MAVE_ACCESS, scope: 'admin' } as const;
  return [
    { ...shared, method: 'post', path, readsBody: true, limitedCreation: true, handle: create },
    { ...shared, method: 'get', path, handle: list },
    { ...shared, method: 'delete', path: `${path}/*key`, handle: revoke },
  ];
}

const refused = (detail: string): ProblemError => new ProblemError('wrong-parameters', detail);

/** 16 bytes of two random ids, which hold 244 random bits. */
const randomKey = (uuid: () => string): string =>
  createHash('sha256')
    .update(uuid() + uuid())
    .digest()
    .subarray(0, KEY_BYTES)
    .toString('base64');

async function create({ caller, body, askAdmin, uuid }: DialectAsked): Promise<{ status: number; body: unknown }> {
  const chosen = (body as { key?: unknown } | undefined)?.key;
  if (chosen !== undefined && (typeof chosen !== 'string' || !CHOSEN.test(chosen))) throw refused('Could not create key');
  const id = `key_${uuid().replaceAll('-', '').slice(0, 16)}`;
  const [row] = await askAdmin(maveKeyInsert(caller.site, id, chosen ?? randomKey(uuid)));
  if (row === undefined) throw refused('Could not create key');
  return { status: 201, body: { key: row.write_key } };
}

async function list({ caller, askAdmin }: DialectAsked): Promise<{ body: unknown }> {
  const rows = await askAdmin(keyList(caller.site));
  const keys = rows
    .filter(({ kind }) => kind === 'write')
    .map((row) => ({ key: row.write_key, disabled_at: row.revoked_at === null ? null : isoOf(row.revoked_at) }));
  return { body: { keys } };
}

/** The key comes URL-encoded or as it is: slashes in it then look like more of the path. */
async function revoke({ caller, params, askAdmin }: DialectAsked): Promise<{ body: unknown }> {
  const parts = params['key'] as unknown as readonly string[];
  const [row] = await askAdmin(maveKeyRevoke(caller.site, parts.join('/')));
  if (row === undefined) throw refused('Could not revoke key');
  return { body: { message: 'Key revoked' } };
}
