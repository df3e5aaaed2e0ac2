// A real Confluent-compatible schema registry (Apicurio) on this machine, in memory or with its data in PostgreSQL.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { portOrFree } from './ports.ts';
import { type Exit, type ManagedProcess, startProcess, untilReady } from './process.ts';

const READY_TIMEOUT_MS = 60_000;
const PROBE_TIMEOUT_MS = 2000;
const HEAP_MB = 256;

export type LocalRegistry = {
  /** Base address for clients, path included. */
  url: string;
  port: number;
  pid: number;
  logFile: string;
  exited: Promise<Exit>;
  stop(): Promise<void>;
  kill(): void;
};

export type LocalRegistryOptions = {
  java: string;
  registryDirectory: string;
  registryJar: string;
  directory: string;
  port: number;
  /** Where it keeps its data; in memory if absent. */
  database?: { host: string; port: number; name: string; user: string; password: string };
  /** Environment of the process, by default only what Java needs. */
  env: Readonly<Record<string, string | undefined>>;
  /** Told of the process at once, before it is ready. */
  onSpawn?: (process: ManagedProcess) => Promise<void>;
};

/**
 * Starts the registry and waits until it answers.
 * @throws PlayheadError ERR_NOT_READY with the end of its log, ERR_SPAWN.
 */
export async function startLocalRegistry(options: LocalRegistryOptions): Promise<LocalRegistry> {
  const { database } = options;
  await mkdir(options.directory, { recursive: true });
  const port = await portOrFree(options.port);
  const storage = database && {
    APICURIO_STORAGE_KIND: 'sql',
    APICURIO_STORAGE_SQL_KIND: 'postgresql',
    APICURIO_DATASOURCE_URL: `jdbc:postgresql://${database.host}:${database.port}/${database.name}`,
    APICURIO_DATASOURCE_USERNAME: database.user,
    APICURIO_DATASOURCE_PASSWORD: database.password,
  };
  const managed = await startProcess({
    name: 'the schema registry',
    command: options.java,
    args: [`-Xmx${HEAP_MB}m`, '-XX:TieredStopAtLevel=1', '-jar', join(options.registryDirectory, options.registryJar)],
    cwd: options.directory,
    logFile: join(options.directory, 'registry.log'),
    env: { ...options.env, QUARKUS_HTTP_HOST: '127.0.0.1', QUARKUS_HTTP_PORT: `${port}`, ...storage },
  });
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  const probe = async (): Promise<boolean> => (await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })).ok;
  await options.onSpawn?.(managed);
  await untilReady({ process: managed, probe, timeoutMs: READY_TIMEOUT_MS, pollMs: 100 });
  return {
    url,
    port,
    pid: managed.pid,
    logFile: managed.logFile,
    exited: managed.exited,
    stop: async () => void (await managed.stop()),
    kill: managed.kill,
  };
}
