// What the services need before they start: tables, the demo's site and keys, the topic, the schemas. All of it may exist already.
import type { Logger } from 'pino';
import { createKey } from '../cli/keys.ts';
import { prepareSchemas, prepareTopic } from '../cli/topics.ts';
import { migrate } from '../runtime/migrations.ts';
import type { Scheduler } from '../runtime/ports.ts';
import { createReadPool, type ReadPool } from '../runtime/postgres.ts';
import type { LocalSecrets } from './secrets.ts';

const STATEMENT_TIMEOUT_MS = 15_000;
const RETENTION_HOURS = 168;

export const DEMO_SITE = 'demo';
export const DEMO_WRITE_KEY = 'pk_demo';

async function withPool<T>(url: string, run: (pool: ReadPool) => Promise<T>): Promise<T> {
  const pool = createReadPool({
    url,
    applicationName: 'playhead:start',
    poolSize: 2,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    readOnly: false,
  });
  return run(pool).finally(() => pool.close());
}

/** Migrates, and makes the demo's site with its write key and both read keys. @throws PlayheadError ERR_MIGRATION, ERR_DATABASE. */
export async function prepareDatabase(databaseUrl: string, secrets: LocalSecrets): Promise<void> {
  await migrate({ databaseUrl, timescale: 'off' });
  await withPool(databaseUrl, async (pool) => {
    const shared = { site: DEMO_SITE, label: 'made by npm start' };
    await createKey(pool, { ...shared, kind: 'write', scopes: [], app: true, id: 'key_demo_write', text: DEMO_WRITE_KEY });
    await createKey(pool, { ...shared, kind: 'read', scopes: ['query', 'export'], id: 'key_demo_read', text: secrets.readKey });
    await createKey(pool, { ...shared, kind: 'read', scopes: ['query', 'export', 'admin'], id: 'key_demo_admin', text: secrets.adminKey });
  });
}

export type PrepareLogDeps = {
  brokers: string[];
  registryUrl: string;
  databaseUrl: string;
  topic: string;
  domainEventsTopic: string;
  partitions: number;
  logger: Logger;
  scheduler: Scheduler;
};

/** Makes the topics and schemas. @throws PlayheadError ERR_TOPIC, ERR_SCHEMAS. */
export async function prepareLog(deps: PrepareLogDeps): Promise<void> {
  const config = {
    kafkaBrokers: deps.brokers,
    schemaRegistryUrl: deps.registryUrl,
    topic: deps.topic,
    domainEventsTopic: deps.domainEventsTopic,
    partitions: deps.partitions,
    singleNode: true,
    retentionHours: RETENTION_HOURS,
  };
  const shared = { config, logger: deps.logger, scheduler: deps.scheduler };
  const domainEvents = deps.domainEventsTopic === '' ? [] : [prepareTopic(shared, deps.domainEventsTopic)];
  await Promise.all([
    prepareTopic(shared),
    ...domainEvents,
    withPool(deps.databaseUrl, (pool) => prepareSchemas({ ...shared, mode: 'register', pool })),
  ]);
}
