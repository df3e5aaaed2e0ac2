// The whole system for a test: the real broker, registry and PostgreSQL of test/support/servers.ts, and the three services as
// child processes with a topic and a database of their own. Processes can be killed with any signal and started again.
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePorts } from '../../infra/local/ports.ts';
import { logTail, type ManagedProcess, startProcess, untilReady } from '../../infra/local/process.ts';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogAdmin, createLogWriter } from '../../infra/runtime/kafka.ts';
import { createLogger } from '../../infra/runtime/log.ts';
import { createMetricsRegistry } from '../../infra/runtime/metrics.ts';
import { createCodec, resolveSchemaIds, type SchemaIds } from '../../schemas/codec.ts';
import { testDatabase, testKafka, testRegistry } from './servers.ts';

export type ServiceName = 'ingest' | 'processor' | 'query-api';

export type TestSystem = {
  /** Addresses with scheme and port; they stay the same when a service is started again. */
  ingest: string;
  query: string;
  writeKey: string;
  readKey: string;
  adminKey: string;
  site: string;
  database: string;
  brokers: readonly string[];
  registry: string;
  topic: string;
  partitions: number;
  schemaIds: SchemaIds;
  /** Sends a signal to the instance and waits until it has ended; the first instance of that service if none is named. */
  kill(name: ServiceName, signal: NodeJS.Signals, options?: { instance?: string }): Promise<void>;
  /** Sends a signal without waiting for an end, as SIGSTOP and SIGCONT. */
  signal(name: ServiceName, signal: NodeJS.Signals, options?: { instance?: string }): void;
  /** Starts a (further) instance; resolves when it is ready. Settings are added to the service's environment. */
  start(name: ServiceName, options?: { instance?: string; env?: Record<string, string> }): Promise<void>;
  /** Writes a `close_all` control record to every partition. */
  closeAll(): Promise<void>;
  /** The last lines that an instance logged. */
  log(name: ServiceName, options?: { instance?: string; lines?: number }): string;
  /** Every instance that was ever started. */
  started(): { name: ServiceName; instance: string }[];
  /** The running instances of a service: their process and the address of their metrics and health. */
  instances(name: ServiceName): { instance: string; pid: number; metrics: string; exited: Promise<unknown> }[];
  stop(): Promise<void>;
};

export type SystemOptions = {
  partitions?: number;
  /** Further settings, by service. */
  env?: Partial<Record<ServiceName, Record<string, string>>>;
  /** Use this topic and its records instead of a new one: to fold a log again. */
  replayOf?: TestSystem;
  /** Services to start; default all three. */
  services?: readonly ServiceName[];
  /** Three replicas of which two must acknowledge, on the cluster of `brokers`; default one replica on the shared broker. */
  cluster?: { brokers: readonly string[] };
  /** What the services are told of their database, for a proxy between them. */
  databaseUrl?: (direct: string) => string;
};

const ROOT = new URL('../../', import.meta.url).pathname;
const READY_TIMEOUT_MS = 60_000;
const SITE = 'site';

/** Starts everything and waits until it is ready. Always `stop()` it. */
export async function startSystem(options: SystemOptions = {}): Promise<TestSystem> {
  const [kafka, registry, database] = await Promise.all([options.cluster ?? testKafka(), testRegistry(), testDatabase()]);
  const singleNode = options.cluster === undefined;
  const topic = options.replayOf?.topic ?? `test.${randomBytes(6).toString('hex')}`;
  const partitions = options.replayOf?.partitions ?? options.partitions ?? 8;
  if (!options.replayOf) {
    const admin = createLogAdmin({ brokers: kafka.brokers, clientId: 'test', logger: quiet(), topic, scheduler: systemScheduler });
    await admin.createTopic({ partitions, singleNode });
    await admin.close();
  }
  const schemaIds = await resolveSchemaIds({ registryUrl: registry.url, topic, mode: 'register' });
  const keys = { writeKey: `pk_${token()}`, readKey: `sk_${token()}`, adminKey: `sk_${token()}` };
  await writeKeys(database.url, keys);
  const directory = await mkdtemp(join(tmpdir(), 'playhead-system-'));
  const [ingestPort, queryPort] = (await freePorts(2)) as [number, number];
  const common: Record<string, string> = {
    KAFKA_BROKERS: kafka.brokers.join(','),
    SCHEMA_REGISTRY_URL: registry.url,
    DATABASE_URL: options.databaseUrl?.(database.url) ?? database.url,
    PLAYHEAD_TOPIC: topic,
    PLAYHEAD_PARTITIONS: String(partitions),
    PLAYHEAD_SINGLE_NODE: String(singleNode),
  };
  const processes = createProcesses({
    directory,
    common,
    ports: { ingest: ingestPort, 'query-api': queryPort },
    env: options.env ?? {},
    group: `test-${randomBytes(4).toString('hex')}`,
  });
  const system: TestSystem = {
    ingest: `http://127.0.0.1:${ingestPort}`,
    query: `http://127.0.0.1:${queryPort}`,
    ...keys,
    site: SITE,
    database: database.url,
    brokers: kafka.brokers,
    registry: registry.url,
    topic,
    partitions,
    schemaIds,
    ...processes.operations,
    closeAll: () => writeCloseAll(kafka.brokers, { topic, partitions, schemaIds }),
    async stop() {
      await processes.stopAll();
      await rm(directory, { recursive: true, force: true });
      await database.drop();
    },
  };
  try {
    await Promise.all((options.services ?? (['ingest', 'processor', 'query-api'] as const)).map((name) => system.start(name)));
  } catch (error) {
    await system.stop();
    throw error;
  }
  return system;
}

const quiet = (): ReturnType<typeof createLogger> => createLogger({ service: 'test', instance: 'test', level: 'fatal' });
const token = (): string => randomBytes(18).toString('base64url');

async function writeKeys(url: string, keys: { writeKey: string; readKey: string; adminKey: string }): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('INSERT INTO sites (site) VALUES ($1)', [SITE]);
    await client.query(
      `INSERT INTO keys (id, site, kind, write_key, hint, app, requests_per_second) VALUES ('w', $1, 'write', $2, 'pk_', true, 1000000)`,
      [SITE, keys.writeKey],
    );
    const scopes: [string, string, string[]][] = [
      ['r', keys.readKey, ['query', 'export']],
      ['a', keys.adminKey, ['query', 'export', 'admin']],
    ];
    for (const [id, secret, allowed] of scopes) {
      await client.query(
        `INSERT INTO keys (id, site, kind, secret_hash, hint, scopes, requests_per_second) VALUES ($1, $2, 'read', $3, 'sk_', $4, 1000000)`,
        [id, SITE, createHash('sha256').update(secret).digest(), allowed],
      );
    }
  } finally {
    await client.end();
  }
}

type Log = { topic: string; partitions: number; schemaIds: SchemaIds };

async function writeCloseAll(brokers: readonly string[], log: Log): Promise<void> {
  const writer = createLogWriter({
    brokers,
    clientId: 'test',
    logger: quiet(),
    topic: log.topic,
    partitions: log.partitions,
    scheduler: systemScheduler,
    registry: createMetricsRegistry({ service: 'test', version: '0', commit: '' }),
  });
  try {
    await writer.whenReady(15_000);
    const value = createCodec(log.schemaIds).encodeControl({ command: 'close_all', site: '', protocol: '', settings: {} });
    const batches = new Map(Array.from({ length: log.partitions }, (_, partition) => [partition, [{ key: null, value }]]));
    for (const [partition, result] of await writer.append(batches)) {
      if (result.outcome !== 'appended') throw new Error(`partition ${partition} did not take the control record: ${result.error.message}`);
    }
  } finally {
    await writer.close();
  }
}

type ProcessesOptions = {
  directory: string;
  common: Record<string, string>;
  ports: Partial<Record<ServiceName, number>>;
  env: Partial<Record<ServiceName, Record<string, string>>>;
  group: string;
};

type Processes = { operations: Pick<TestSystem, 'kill' | 'signal' | 'start' | 'log' | 'started' | 'instances'>; stopAll(): Promise<void> };

/** The environment of one instance, beside what all services share. */
function serviceEnv(name: ServiceName, options: ProcessesOptions, metricsPort: number): Record<string, string> {
  const port = String(options.ports[name] ?? 0);
  if (name === 'ingest')
    return {
      PLAYHEAD_INGEST_HOST: '127.0.0.1',
      PLAYHEAD_INGEST_PORT: port,
      PLAYHEAD_INGEST_METRICS_PORT: String(metricsPort),
      PLAYHEAD_INGEST_PREFIX_REQUESTS_PER_SECOND: '10000',
      PLAYHEAD_INGEST_PREFIX_BURST: '10000',
    };
  if (name === 'query-api')
    return { PLAYHEAD_QUERY_HOST: '127.0.0.1', PLAYHEAD_QUERY_PORT: port, PLAYHEAD_QUERY_METRICS_PORT: String(metricsPort) };
  return {
    PLAYHEAD_PROCESSOR_METRICS_PORT: String(metricsPort),
    PLAYHEAD_PROCESSOR_GROUP: options.group,
    // A number met twice must fail the run (D8).
    PLAYHEAD_PROCESSOR_ON_DUPLICATE: 'halt',
  };
}

function createProcesses(options: ProcessesOptions): Processes {
  const running = new Map<string, ManagedProcess>();
  const places = new Map<string, { name: ServiceName; metrics: string }>();
  const idOf = (name: ServiceName, instance: string | undefined): string => instance ?? `${name}-1`;
  const find = (name: ServiceName, instance: string | undefined): ManagedProcess => {
    const found = running.get(idOf(name, instance));
    if (!found) throw new Error(`${idOf(name, instance)} does not run`);
    return found;
  };
  const logFile = (name: ServiceName, instance: string | undefined): string => join(options.directory, `${idOf(name, instance)}.log`);
  const start: TestSystem['start'] = async (name, { instance, env } = {}) => {
    const id = idOf(name, instance);
    const [metricsPort] = (await freePorts(1)) as [number];
    const managed = await startProcess({
      name: id,
      command: process.execPath,
      args: ['--import', 'tsx', `${name}/main.ts`],
      cwd: ROOT,
      logFile: logFile(name, instance),
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        ...options.common,
        PLAYHEAD_INSTANCE: id,
        ...serviceEnv(name, options, metricsPort),
        ...options.env[name],
        ...env,
      },
      ipc: true,
    });
    running.set(id, managed);
    places.set(id, { name, metrics: `http://127.0.0.1:${metricsPort}` });
    const probe = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${metricsPort}/readyz`)).ok;
    await untilReady({ process: managed, probe, timeoutMs: READY_TIMEOUT_MS, pollMs: 100 });
  };
  return {
    operations: {
      start,
      async kill(name, signal, { instance } = {}) {
        const managed = find(name, instance);
        managed.child.kill(signal);
        await managed.exited;
        running.delete(idOf(name, instance));
      },
      signal: (name, signal, { instance } = {}) => void find(name, instance).child.kill(signal),
      log: (name, { instance, lines = 40 } = {}) => logTail(logFile(name, instance), lines),
      started: () => [...places].map(([instance, { name }]) => ({ name, instance })),
      instances: (name) =>
        [...running].flatMap(([instance, { pid, exited, exit }]) => {
          const place = places.get(instance);
          return place?.name === name && exit() === undefined ? [{ instance, pid, metrics: place.metrics, exited }] : [];
        }),
    },
    async stopAll() {
      await Promise.all([...running.values()].map((managed) => managed.stop()));
      running.clear();
    },
  };
}
