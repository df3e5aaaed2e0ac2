// The servers of a chaos run: three brokers behind proxies, a PostgreSQL that can be restarted, killed and put back, a registry.
// Started once for all faults; each fault has a topic and a database of its own.
import { chmod, chown, cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePorts } from '../../infra/local/ports.ts';
import { type LocalPostgres, startLocalPostgres } from '../../infra/local/postgres.ts';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { stopTestServers, testRegistry } from '../support/servers.ts';

export type Postgres = {
  port: number;
  /** fast = SIGINT, immediate = SIGQUIT, smart = SIGTERM followed by fast, killed = SIGKILL of the postmaster. */
  restart(how: 'fast' | 'smart' | 'immediate' | 'killed'): Promise<void>;
  /** Stops at once, copies the data directory, goes on. */
  backUp(): Promise<void>;
  /** Stops at once and goes on with the copied directory. */
  putBack(): Promise<void>;
  stop(): Promise<void>;
};

export type Servers = { cluster: Cluster; postgres: Postgres; stop(): Promise<void> };

const SMART_MS = 1_000;
const START_ATTEMPTS_MAX = 5;
const START_PAUSE_MS = 500;

/** Starts everything; test/support/servers.ts finds PostgreSQL by TEST_DATABASE_URL. */
export async function startServers(): Promise<Servers> {
  const directory = await mkdtemp(join(tmpdir(), 'playhead-chaos-'));
  const [cluster, postgres] = await Promise.all([
    startCluster(directory),
    startPostgres(join(directory, 'postgres'), join(directory, 'backup')),
    testRegistry(),
  ]);
  return {
    cluster,
    postgres,
    async stop() {
      await Promise.all([cluster.stop(), postgres.stop(), stopTestServers()]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function startPostgres(directory: string, backup: string): Promise<Postgres> {
  const [port] = (await freePorts(1)) as [number];
  const settings = { fsync: 'off', full_page_writes: 'off', shared_buffers: '128MB', max_connections: '300' };
  const open = async (attempt = 1): Promise<LocalPostgres> => {
    try {
      return await startLocalPostgres({ directory, port, password: 'test', settings });
    } catch (error) {
      // After the postmaster was killed its children may hold the shared memory for a moment.
      if (attempt >= START_ATTEMPTS_MAX) throw error;
      await systemScheduler.sleep(START_PAUSE_MS);
      return open(attempt + 1);
    }
  };
  let server = await open();
  await makeDatabase(server.url('postgres'));
  process.env['TEST_DATABASE_URL'] = server.url('test');
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    process.kill(server.pid, signal);
    await server.exited;
  };
  return {
    port,
    async restart(how) {
      if (how === 'smart') {
        process.kill(server.pid, 'SIGTERM');
        await systemScheduler.sleep(SMART_MS);
      }
      if (how === 'killed') server.kill();
      await (how === 'killed' ? server.exited : how === 'immediate' ? end('SIGQUIT') : server.stop());
      server = await open();
    },
    async backUp() {
      await end('SIGQUIT');
      await rm(backup, { recursive: true, force: true });
      await cp(join(directory, 'data'), backup, { recursive: true, preserveTimestamps: true });
      await copyOwner(join(directory, 'data'), backup);
      server = await open();
    },
    async putBack() {
      await end('SIGQUIT');
      await rm(join(directory, 'data'), { recursive: true, force: true });
      await cp(backup, join(directory, 'data'), { recursive: true, preserveTimestamps: true });
      await copyOwner(backup, join(directory, 'data'));
      server = await open();
    },
    stop: () => server.stop(),
  };
}

/** Node copies files as the user that runs; the server may run as another one. */
async function copyOwner(from: string, to: string): Promise<void> {
  const { uid, gid, mode } = await stat(from);
  if (process.getuid?.() !== 0) return;
  await chmod(to, mode);
  await chown(to, uid, gid);
  const entries = await readdir(to, { recursive: true });
  await Promise.all(entries.map((entry) => chown(join(to, entry), uid, gid)));
}

async function makeDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('CREATE DATABASE test');
  } finally {
    await client.end();
  }
}
