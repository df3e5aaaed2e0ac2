// The query API on a database of its own, with two sites and keys of every scope: what its integration tests start from.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { systemClock, systemScheduler } from '../../infra/runtime/clock.ts';
import { loadConfig } from '../../infra/runtime/config.ts';
import type { Clock, Database, DatabaseConnection } from '../../infra/runtime/ports.ts';
import { createDatabase, createReadPool } from '../../infra/runtime/postgres.ts';
import { secretHash } from '../../query-api/auth.ts';
import { queryConfigSpec } from '../../query-api/config.ts';
import { startQueryService } from '../../query-api/service.ts';
import { SEED_SITE } from './query-seed.ts';
import { type TestDatabase, testDatabase } from './servers.ts';

export const OTHER_SITE = 'site_b';
/** Read keys by what they may do; `other` is of another site and may do everything. */
export const SECRETS = {
  query: `sk_${'q'.repeat(32)}`,
  export: `sk_${'e'.repeat(32)}`,
  admin: `sk_${'a'.repeat(32)}`,
  all: `sk_${'x'.repeat(32)}`,
  none: `sk_${'n'.repeat(32)}`,
  revoked: `sk_${'r'.repeat(32)}`,
  other: `sk_${'o'.repeat(32)}`,
};
export type KeyName = keyof typeof SECRETS;
const SCOPES: Record<KeyName, string[]> = {
  query: ['query'],
  export: ['query', 'export'],
  admin: ['admin'],
  all: ['query', 'export', 'admin'],
  none: [],
  revoked: ['query'],
  other: ['query', 'export', 'admin'],
};
export const PARTITIONS = 4;

// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by comparing, not by types.
export type Loose = any;
export type Reply = { status: number; headers: Headers; text: string; body: Loose };
export type AskOptions = { key?: KeyName | null; method?: string; headers?: Record<string, string>; body?: unknown };

export type QueryServer = {
  url: string;
  database: TestDatabase;
  connection: DatabaseConnection;
  registry: Registry;
  logLines: string[];
  ask(path: string, options?: AskOptions): Promise<Reply>;
  sql(text: string, params?: readonly unknown[]): Promise<Loose[]>;
  stop(): Promise<void>;
};

/** Starts it. `env` overrides settings. */
export async function startQueryServer(options: { env?: Record<string, string>; clock?: Clock } = {}): Promise<QueryServer> {
  const database = await testDatabase();
  const writers: Database = createDatabase({ url: database.url, instance: 'test' });
  const connection = await writers.connect('test');
  const sql = (text: string, params: readonly unknown[] = []): Promise<Loose[]> =>
    connection.query({ name: `test_${secretHash(text).toString('hex').slice(0, 20)}`, text }, params as unknown[]);
  await seedKeys(sql);
  const pool = (readOnly: boolean) =>
    createReadPool({ url: database.url, applicationName: 'test', poolSize: 4, statementTimeoutMs: 10_000, readOnly });
  const [readPool, adminPool] = [pool(true), pool(false)];
  const registry = new Registry();
  const logLines: string[] = [];
  const service = await startQueryService({
    config: loadConfig(queryConfigSpec, {
      DATABASE_URL: database.url,
      PLAYHEAD_QUERY_HOST: '127.0.0.1',
      PLAYHEAD_QUERY_PORT: '0',
      PLAYHEAD_PARTITIONS: String(PARTITIONS),
      PLAYHEAD_QUERY_KEY_CACHE_MS: '200',
      PLAYHEAD_QUERY_REQUESTS_PER_MINUTE_MAX: '100000',
      PLAYHEAD_QUERY_REFUSED_PER_MINUTE_MAX: '100000',
      PLAYHEAD_QUERY_KEYS_PER_MINUTE_MAX: '1000',
      ...options.env,
    }),
    readPool,
    adminPool,
    registry,
    logger: pino({ level: 'debug' }, { write: (line: string) => void logLines.push(line) }),
    clock: options.clock ?? systemClock,
    scheduler: systemScheduler,
    version: '0.0.0-test',
  });
  const url = `http://127.0.0.1:${service.address.port}`;
  return {
    url,
    database,
    connection,
    registry,
    logLines,
    ask: (path, ask) => askOf(url, path, ask),
    sql,
    async stop() {
      await service.close();
      await Promise.all([readPool.close(), adminPool.close(), writers.close()]);
      await database.drop();
    },
  };
}

async function seedKeys(sql: QueryServer['sql']): Promise<void> {
  await sql('INSERT INTO sites (site) VALUES ($1), ($2)', [SEED_SITE, OTHER_SITE]);
  for (const name of Object.keys(SECRETS) as KeyName[])
    await sql('INSERT INTO keys (id, site, kind, secret_hash, hint, scopes, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)', [
      `key_${name}`,
      name === 'other' ? OTHER_SITE : SEED_SITE,
      'read',
      secretHash(SECRETS[name]),
      SECRETS[name].slice(0, 8),
      SCOPES[name],
      name === 'revoked' ? '2025-01-01T00:00:00Z' : null,
    ]);
}

async function askOf(url: string, path: string, options: AskOptions = {}): Promise<Reply> {
  const key = options.key === undefined ? 'all' : options.key;
  const response = await fetch(url + path, {
    method: options.method ?? 'GET',
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${SECRETS[key]}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
  });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') && !response.headers.get('content-type')?.includes('ndjson');
  return { status: response.status, headers: response.headers, text, body: json && text !== '' ? JSON.parse(text) : undefined };
}
