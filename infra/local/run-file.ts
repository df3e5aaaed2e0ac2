// Who runs in this directory: our own pid and those of all children, kept on disk while the system runs. A start that finds the
// file of an earlier one either refuses (that one is alive) or ends what it left behind (it was killed). A pid alone proves
// nothing, since the system gives it out again: it is compared together with the start time of its process.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { systemScheduler } from '../runtime/clock.ts';
import { PlayheadError } from '../runtime/errors.ts';

const run = promisify(execFile);
const ORPHAN_STOP_TIMEOUT_MS = 20_000;
const ORPHAN_POLL_MS = 100;

/** A process that cannot be mistaken for a later one of the same number. */
export type ProcessIdentity = { name: string; pid: number; startedAt: string };
type RunRecord = { self: ProcessIdentity; children: ProcessIdentity[] };

export type RunFile = {
  /** Notes a child; call it at once after it was started. */
  add(name: string, pid: number): Promise<void>;
  drop(pid: number): void;
  /** Removes the file: nothing is left running. */
  remove(): void;
};

/** Start time of a process as an opaque text; undefined if there is no such process (or only its zombie). */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  if (existsSync('/proc/self/stat')) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    if (stat === undefined) return undefined;
    // The command in parentheses may contain anything; the fields begin after the last one. State is the first of them, the start time the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    return `${boot.trim()} ${fields[19]}`;
  }
  const listed = await run('ps', ['-o', 'stat=,lstart=', '-p', `${pid}`]).catch(() => undefined);
  const line = listed?.stdout.trim() ?? '';
  return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
}

async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await startTimeOf(identity.pid)) === identity.startedAt;
}

function readRecord(file: string): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RunRecord;
  } catch {
    return undefined;
  }
}

async function endOrphans(orphans: readonly ProcessIdentity[]): Promise<void> {
  const signal = (identity: ProcessIdentity, name: NodeJS.Signals): void => {
    try {
      process.kill(identity.pid, name);
    } catch {
      // It ended by itself in the meantime.
    }
  };
  // PostgreSQL takes SIGINT for "stop now", SIGTERM for "when all clients have left".
  for (const orphan of orphans) signal(orphan, orphan.name === 'PostgreSQL' ? 'SIGINT' : 'SIGTERM');
  const deadline = systemScheduler.monotonicMs() + ORPHAN_STOP_TIMEOUT_MS;
  for (const orphan of orphans) {
    while ((await isAlive(orphan)) && systemScheduler.monotonicMs() < deadline) await systemScheduler.sleep(ORPHAN_POLL_MS);
    if (await isAlive(orphan)) signal(orphan, 'SIGKILL');
  }
}

/**
 * Takes the directory: ends what an earlier, killed start left running, and notes ourselves.
 * @throws PlayheadError ERR_RUNNING if an earlier start is still alive.
 */
export async function takeRunFile(file: string, onProgress: (line: string) => void): Promise<RunFile> {
  const earlier = readRecord(file);
  if (earlier && (await isAlive(earlier.self))) {
    throw new PlayheadError(
      'ERR_RUNNING',
      `Playhead is already running here (process ${earlier.self.pid}): stop it with Ctrl-C or kill ${earlier.self.pid}, or use another directory (--directory).`,
    );
  }
  const alive = await Promise.all((earlier?.children ?? []).map(isAlive));
  const orphans = (earlier?.children ?? []).filter((_, index) => alive[index]);
  if (orphans.length > 0) {
    onProgress(`an earlier start was killed: stopping what it left behind (${orphans.map(({ name }) => name).join(', ')})`);
    await endOrphans(orphans);
  }
  const record: RunRecord = { self: { name: 'start', pid: process.pid, startedAt: (await startTimeOf(process.pid)) ?? '' }, children: [] };
  const write = (): void => {
    writeFileSync(`${file}.new`, JSON.stringify(record, undefined, 2));
    renameSync(`${file}.new`, file);
  };
  write();
  return {
    async add(name, pid) {
      const startedAt = await startTimeOf(pid);
      if (startedAt === undefined) return;
      record.children.push({ name, pid, startedAt });
      write();
    },
    drop(pid) {
      record.children = record.children.filter((child) => child.pid !== pid);
      write();
    },
    remove: () => rmSync(file, { force: true }),
  };
}
