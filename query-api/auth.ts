// Who asks: a read key decides the site and what may be asked (Q1, Q2). Keys come in the Authorization header only.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../infra/runtime/ports.ts';
import type { ReadPool } from '../infra/runtime/postgres.ts';
import { ProblemError } from './problem.ts';
import { type ReadKeyRow, readKey } from './queries/read-key.ts';

export const SCOPES = ['query', 'export', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** A key that may ask: its public id, its site, what it may do. */
export type Caller = {
  readonly keyId: string;
  readonly site: string;
  readonly scopes: ReadonlySet<string>;
  readonly requestsPerSecond: number | null;
};

/** Most looked-up keys remembered. */
export const KEY_CACHE_ENTRIES_MAX = 10_000;
const SECRET = /^sk_[A-Za-z0-9_-]{16,128}$/;
/** Query parameters under which people put keys. */
const KEY_PARAMETERS = ['key', 'api_key', 'apikey', 'apiKey', 'access_token', 'token', 'secret'];

/** SHA-256 of a secret, as stored in the keys table. */
export const secretHash = (secret: string): Buffer => createHash('sha256').update(secret, 'utf8').digest();

export type Authenticator = {
  /** @throws ProblemError no-key, unknown-key. */
  caller(authorization: string | undefined): Promise<Caller>;
  /** Forgets what is remembered: after a key was revoked here. */
  forget(): void;
};

/** Looks keys up by hash, remembering answers (also "unknown") for `cacheMs`. */
export function createAuthenticator(deps: { pool: Pick<ReadPool, 'query'>; clock: Clock; cacheMs: number }): Authenticator {
  const cache = new LRUCache<string, { row: ReadKeyRow | undefined; until: number }>({ max: KEY_CACHE_ENTRIES_MAX });
  return {
    async caller(authorization) {
      const secret = secretOf(authorization);
      const hash = secretHash(secret);
      const id = hash.toString('base64');
      const now = deps.clock.now();
      let known = cache.get(id);
      if (known === undefined || known.until <= now) {
        const { statement, params } = readKey(hash);
        const rows = await deps.pool.query(statement, params);
        known = { row: rows[0], until: now + deps.cacheMs };
        cache.set(id, known);
      }
      const { row } = known;
      if (row === undefined)
        throw new ProblemError('unknown-key', 'This key is not known: check that it was copied whole, or create another one');
      if (row.revoked_at !== null) throw new ProblemError('unknown-key', 'This key was revoked: use its successor');
      return { keyId: row.id, site: row.site, scopes: new Set(row.scopes), requestsPerSecond: row.requests_per_second };
    },
    forget: () => cache.clear(),
  };
}

function secretOf(authorization: string | undefined): string {
  const match = /^Bearer +(\S+) *$/i.exec(authorization ?? '');
  if (match === null) throw new ProblemError('no-key', 'Send a read key: Authorization: Bearer sk_…');
  const secret = match[1] as string;
  if (secret.startsWith('pk_'))
    throw new ProblemError('unknown-key', 'This is a write key: it identifies a site and can read nothing. Send a read key (sk_…)');
  if (!SECRET.test(secret)) throw new ProblemError('unknown-key', 'This is not a read key: those begin with sk_');
  return secret;
}

/** @throws ProblemError key-in-url: the URL ends up in logs and histories, so a key in it is as good as published. */
export function refuseKeyInUrl(query: Readonly<Record<string, unknown>>): void {
  for (const name of KEY_PARAMETERS) {
    const value = query[name];
    if (value === undefined) continue;
    throw new ProblemError(
      'key-in-url',
      `Send the key as Authorization: Bearer, not as ?${name}=, and replace it if it is secret: URLs are logged`,
      {
        errors: [{ pointer: `/${name}`, detail: 'keys are not accepted in a URL' }],
      },
    );
  }
}

/** @throws ProblemError missing-scope. */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!caller.scopes.has(scope)) throw new ProblemError('missing-scope', `This needs a key with the scope "${scope}"`);
}
