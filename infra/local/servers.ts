// The three servers of the local system, started side by side: PostgreSQL first answers within a second, and the registry keeps
// its data in it; Kafka takes its own time beside them.
import { join } from 'node:path';
import type { Statement } from '../runtime/ports.ts';
import { createReadPool } from '../runtime/postgres.ts';
import { ensureDownloaded } from './download.ts';
import { findJava } from './java.ts';
import { type LocalKafka, startLocalKafka } from './kafka.ts';
import { type LocalPostgres, startLocalPostgres } from './postgres.ts';
import type { ManagedProcess } from './process.ts';
import { type LocalRegistry, startLocalRegistry } from './registry.ts';

const STATEMENT_TIMEOUT_MS = 15_000;
export const DATABASE_NAME = 'playhead';
const REGISTRY_DATABASE_NAME = 'registry';

export type ServersDeps = {
  directory: string;
  downloads: string;
  javaHome: string;
  env: Readonly<Record<string, string | undefined>>;
  ports: { Kafka: number; 'the schema registry': number; PostgreSQL: number };
  postgresPassword: string;
  onProgress: (line: string) => void;
  /** Told of every process at once after it was started. */
  onProcess: (process: ManagedProcess) => Promise<void>;
  /** Runs as soon as PostgreSQL answers, beside the others. */
  onDatabase: (databaseUrl: string) => Promise<void>;
};

export type LocalServers = { kafka: LocalKafka; registry: LocalRegistry; postgres: LocalPostgres; databaseUrl: string };

/** Starts all three; they are ready when it resolves. What did start is known through onProcess even if it rejects. */
export async function startServers(deps: ServersDeps): Promise<LocalServers> {
  const java = await findJava(deps.javaHome);
  const downloaded = await ensureDownloaded(deps.downloads, deps.onProgress);
  const { onProcess: onSpawn } = deps;
  const ready = async <T>(name: string, starting: Promise<T>): Promise<T> => {
    const server = await starting;
    deps.onProgress(`${name} is ready`);
    return server;
  };
  const kafka = ready(
    'Kafka',
    startLocalKafka({ java, kafkaLibs: downloaded.kafkaLibs, directory: join(deps.directory, 'kafka'), port: deps.ports.Kafka, onSpawn }),
  );
  const database = ready(
    'PostgreSQL',
    startLocalPostgres({
      directory: join(deps.directory, 'postgres'),
      port: deps.ports.PostgreSQL,
      password: deps.postgresPassword,
      onSpawn,
    }),
  );
  const registry = database.then(async (postgres) => {
    await createDatabases(postgres.url('postgres'), [DATABASE_NAME, REGISTRY_DATABASE_NAME]);
    const starting = startLocalRegistry({
      java,
      registryDirectory: downloaded.registryDirectory,
      registryJar: downloaded.registryJar,
      directory: join(deps.directory, 'registry'),
      port: deps.ports['the schema registry'],
      env: deps.env,
      onSpawn,
      database: {
        host: postgres.host,
        port: postgres.port,
        name: REGISTRY_DATABASE_NAME,
        user: postgres.user,
        password: postgres.password,
      },
    });
    const [server] = await Promise.all([ready('the schema registry', starting), deps.onDatabase(postgres.url(DATABASE_NAME))]);
    return server;
  });
  const all = await Promise.allSettled([kafka, database, registry]);
  const failed = all.find((each) => each.status === 'rejected');
  if (failed) throw failed.reason;
  const postgres = await database;
  return { kafka: await kafka, registry: await registry, postgres, databaseUrl: postgres.url(DATABASE_NAME) };
}

async function createDatabases(url: string, names: readonly string[]): Promise<void> {
  const pool = createReadPool({
    url,
    applicationName: 'playhead:start',
    poolSize: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    readOnly: false,
  });
  const existing: Statement<[], { name: string }> = { name: 'databases', text: 'SELECT datname AS name FROM pg_database' };
  try {
    const have = (await pool.query(existing, [])).map(({ name }) => name);
    for (const name of names) {
      if (!have.includes(name)) await pool.query({ name: `create-${name}`, text: `CREATE DATABASE ${name}` }, []);
    }
  } finally {
    await pool.close();
  }
}
