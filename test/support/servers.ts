// Real Kafka, PostgreSQL and schema registry for tests. In order of preference: servers given by TEST_KAFKA_BROKERS,
// TEST_DATABASE_URL and TEST_REGISTRY_URL (test/run.ts starts them once for all files of a run and sets these), else servers
// of this process, started at first use and stopped when it ends.
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import pg from 'pg';
import { ensureDownloaded } from '../../infra/local/download.ts';
import { findJava } from '../../infra/local/java.ts';
import { startLocalKafka } from '../../infra/local/kafka.ts';
import { downloadsDirectory } from '../../infra/local/paths.ts';
import { startLocalPostgres } from '../../infra/local/postgres.ts';
import { startLocalRegistry } from '../../infra/local/registry.ts';
import { migrate, SQL_DIRECTORY } from '../../infra/runtime/migrations.ts';
import { assertTestDatabase } from './database-guard.ts';

export type TestKafka = { brokers: string[] };
export type TestDatabase = { url: string; drop(): Promise<void> };
export type TestRegistry = { url: string };

type Stoppable = { stop(): Promise<void> };
const started: Stoppable[] = [];
let directory: Promise<string> | undefined;
let kafka: Promise<TestKafka> | undefined;
let registry: Promise<TestRegistry> | undefined;
let adminUrl: Promise<string> | undefined;
let template: Promise<string> | undefined;

/** Stops what this process started; called by itself when the file's tests are over. */
export async function stopTestServers(): Promise<void> {
  await Promise.all(started.splice(0).map((server) => server.stop()));
  if (directory) await rm(await directory, { recursive: true, force: true });
  directory = undefined;
  kafka = undefined;
  registry = undefined;
  adminUrl = undefined;
  template = undefined;
}

function ownDirectory(): Promise<string> {
  directory ??= mkdtemp(join(tmpdir(), 'playhead-test-'));
  return directory;
}

const downloads = () =>
  ensureDownloaded(downloadsDirectory(process.env['PLAYHEAD_LOCAL_DIR'] ?? ''), (line) => process.stderr.write(`${line}\n`));
const java = () => findJava(process.env['JAVA_HOME'] ?? '');

// Registered with the file's root, not with the test that first asks. The runner itself is not a test and stops by itself.
if (process.env['TEST_RUNNER'] !== 'true') after(stopTestServers);

/** A real broker. Make a topic of your own per test. */
export function testKafka(): Promise<TestKafka> {
  const given = process.env['TEST_KAFKA_BROKERS'];
  if (given) return Promise.resolve({ brokers: given.split(',') });
  kafka ??= (async () => {
    const own = await ownDirectory();
    const { kafkaLibs } = await downloads();
    const server = await startLocalKafka({ java: await java(), kafkaLibs, directory: join(own, 'kafka'), port: 0, heapMb: 400 });
    started.push(server);
    return { brokers: server.brokers };
  })();
  return kafka;
}

/** A real schema registry, in memory. */
export function testRegistry(): Promise<TestRegistry> {
  const given = process.env['TEST_REGISTRY_URL'];
  if (given) return Promise.resolve({ url: given });
  registry ??= (async () => {
    const own = await ownDirectory();
    const { registryDirectory, registryJar } = await downloads();
    const server = await startLocalRegistry({
      java: await java(),
      registryDirectory,
      registryJar,
      directory: join(own, 'registry'),
      port: 0,
      env: process.env,
    });
    started.push(server);
    return { url: server.url };
  })();
  return registry;
}

/** Connection URL of a server on which databases may be created; it names a database with `test` in its name. */
export function testDatabaseServer(): Promise<string> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return Promise.resolve(given);
  adminUrl ??= (async () => {
    const own = await ownDirectory();
    const server = await startLocalPostgres({
      directory: join(own, 'postgres'),
      port: 0,
      password: 'test',
      settings: { fsync: 'off', full_page_writes: 'off', shared_buffers: '256MB', max_connections: '300' },
    });
    started.push(server);
    await execute(server.url('postgres'), 'CREATE DATABASE test');
    return server.url('test');
  })();
  return adminUrl;
}

/** Runs statements one after the other on a connection of their own; refuses a server's maintenance only by the guard of its callers. */
async function execute(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

export function withDatabaseName(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

function migrationsDigest(): string {
  const digest = createHash('sha256');
  const folder = join(SQL_DIRECTORY, 'core');
  for (const file of readdirSync(folder).sort()) digest.update(file).update(readFileSync(join(folder, file)));
  return digest.digest('hex').slice(0, 10);
}

/** Name of a migrated database to copy, made by whoever comes first; the advisory lock lets the others wait. */
function templateDatabase(admin: string): Promise<string> {
  template ??= (async () => {
    const name = `playhead_test_template_${migrationsDigest()}`;
    const client = new pg.Client({ connectionString: admin });
    await client.connect();
    try {
      await client.query('SELECT pg_advisory_lock(76543)');
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1 AND datallowconn = false', [name]);
      if (rowCount === 0) {
        await client.query(`DROP DATABASE IF EXISTS ${name}`);
        await client.query(`CREATE DATABASE ${name}`);
        await migrate({ databaseUrl: withDatabaseName(admin, name), timescale: 'off' });
        await client.query(`ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false`);
      }
      await client.query('SELECT pg_advisory_unlock(76543)');
    } finally {
      await client.end();
    }
    return name;
  })();
  return template;
}

/** A fresh database: migrated (default), or empty. Dropped with its server, or earlier with drop(). */
export async function testDatabase(options: { migrated?: boolean } = {}): Promise<TestDatabase> {
  const admin = await testDatabaseServer();
  assertTestDatabase(admin);
  const name = `playhead_test_${randomBytes(6).toString('hex')}`;
  const source = options.migrated === false ? '' : ` TEMPLATE ${await templateDatabase(admin)}`;
  await execute(admin, `CREATE DATABASE ${name}${source}`);
  const url = withDatabaseName(admin, name);
  return { url, drop: () => dropTestDatabase(url, admin) };
}

async function dropTestDatabase(url: string, admin: string): Promise<void> {
  assertTestDatabase(url);
  await execute(admin, `DROP DATABASE IF EXISTS ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
}
