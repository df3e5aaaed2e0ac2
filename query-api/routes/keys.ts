// /v1/keys: keys of the caller's site. A secret is shown once, in the answer that makes it; only its hash is kept (Q1).
import { z } from 'zod';
import { SCOPES, secretHash } from '../auth.ts';
import { isoOf } from '../core/civil.ts';
import { notFound, wrong } from '../problem.ts';
import type { Bound } from '../queries/bound.ts';
import { type KeyRow, keyById, keyInsert, keyList, keyReplace, keyRevoke, type NewKey } from '../queries/key-admin.ts';
import { route, type Services } from './route.ts';
import { count, instant, plainAnswer } from './shapes.ts';

const ORIGINS_MAX = 50;
const HINT_CHARS = 8;
const key = z.object({
  id: z.string(),
  kind: z.enum(['write', 'read']),
  writeKey: z.string().nullable().describe('Write keys are public and shown whole'),
  hint: z.string().describe('First characters, to recognise it by'),
  scopes: z.array(z.string()),
  origins: z.array(z.string()),
  app: z.boolean(),
  requestsPerSecond: count.nullable(),
  label: z.string(),
  createdAt: instant,
  replacedBy: z.string().nullable(),
  revokedAt: instant.nullable(),
});
const newKey = key.extend({ secret: z.string().nullable().describe('The read key itself: shown now and never again') });

function keyOf(row: KeyRow): z.output<typeof key> {
  return {
    id: row.id,
    kind: row.kind,
    writeKey: row.write_key,
    hint: row.hint,
    scopes: row.scopes,
    origins: row.origins,
    app: row.app,
    requestsPerSecond: row.requests_per_second,
    label: row.label,
    createdAt: isoOf(row.created_at),
    replacedBy: row.replaced_by,
    revokedAt: row.revoked_at === null ? null : isoOf(row.revoked_at),
  };
}

/** 244 random bits as letters and digits. */
const randomToken = (uuid: () => string): string => (uuid() + uuid()).replaceAll('-', '');

type Settings = Pick<NewKey, 'kind' | 'scopes' | 'origins' | 'app' | 'requestsPerSecond' | 'label'>;

async function create(services: Services, site: string, settings: Settings): Promise<{ row: KeyRow; secret: string | null }> {
  const token = randomToken(services.uuid);
  const text = `${settings.kind === 'read' ? 'sk_' : 'pk_'}${token}`;
  const [row] = await services.askAdmin(
    keyInsert({
      ...settings,
      id: `key_${randomToken(services.uuid).slice(0, 16)}`,
      site,
      writeKey: settings.kind === 'write' ? text : null,
      secretHash: settings.kind === 'read' ? secretHash(text) : null,
      hint: text.slice(0, HINT_CHARS),
    }),
  );
  return { row: row as KeyRow, secret: settings.kind === 'read' ? text : null };
}

async function own(services: Services, statement: Bound<KeyRow>): Promise<KeyRow> {
  const [row] = await services.askAdmin(statement);
  if (row === undefined) throw notFound('This key');
  return row;
}

export const keysRoute = route({
  method: 'get',
  path: '/v1/keys',
  scope: 'admin',
  summary: 'Keys of the site, newest first',
  answer: plainAnswer(z.array(key)),
  async handle({ caller }, { askAdmin }) {
    return { data: (await askAdmin(keyList(caller.site))).map(keyOf), noStore: true };
  },
});

export const keyCreateRoute = route({
  method: 'post',
  path: '/v1/keys',
  scope: 'admin',
  summary: 'Create a key',
  status: 201,
  limitedCreation: true,
  body: z.object({
    kind: z.enum(['write', 'read']),
    scopes: z.array(z.enum(SCOPES)).max(SCOPES.length).default([]).describe('Read keys: at least one'),
    origins: z.array(z.url().max(256)).max(ORIGINS_MAX).default([]).describe('Write keys: allowed origins; empty = any'),
    app: z.boolean().default(false).describe('Write keys: requests without an Origin header are fine'),
    requestsPerSecond: z.number().int().min(1).max(1_000_000).nullable().default(null),
    label: z.string().max(200).default(''),
  }),
  answer: plainAnswer(newKey),
  async handle({ caller, body }, services) {
    if (body.kind === 'read' && body.scopes.length === 0) throw wrong('/scopes', `a read key needs at least one of ${SCOPES.join(', ')}`);
    if (body.kind === 'write' && body.scopes.length > 0) throw wrong('/scopes', 'a write key has no scopes: it can read nothing');
    const { row, secret } = await create(services, caller.site, body);
    services.logger.info({ keyId: row.id, by: caller.keyId, site: caller.site, kind: row.kind, scopes: row.scopes }, 'key created');
    return { status: 201, data: { ...keyOf(row), secret }, noStore: true };
  },
});

const params = z.strictObject({ id: z.string().min(1).max(64) });

export const keyRotateRoute = route({
  method: 'post',
  path: '/v1/keys/{id}/rotate',
  scope: 'admin',
  summary: 'Create the successor of a key; the old one works until it is revoked',
  status: 201,
  limitedCreation: true,
  params,
  answer: plainAnswer(newKey),
  async handle({ caller, path }, services) {
    const old = await own(services, keyById(caller.site, path.id));
    const { row, secret } = await create(services, caller.site, { ...old, requestsPerSecond: old.requests_per_second });
    await own(services, keyReplace(caller.site, old.id, row.id));
    services.logger.info({ keyId: row.id, replaces: old.id, by: caller.keyId, site: caller.site }, 'key rotated');
    return { status: 201, data: { ...keyOf(row), secret }, noStore: true };
  },
});

export const keyRevokeRoute = route({
  method: 'delete',
  path: '/v1/keys/{id}',
  scope: 'admin',
  summary: 'Revoke a key',
  params,
  answer: plainAnswer(key),
  async handle({ caller, path }, services) {
    const row = await own(services, keyRevoke(caller.site, path.id));
    services.authenticator.forget();
    services.logger.info({ keyId: row.id, by: caller.keyId, site: caller.site }, 'key revoked');
    return { data: keyOf(row), noStore: true };
  },
});
