// One server process of the local system: started with its output in a log file, watched, and stopped by signal.
// Children run in sessions of their own, so that Ctrl-C in a terminal reaches only us and the order of stopping is ours.
// On Linux they are also told to end when we die (setpriv --pdeathsig); elsewhere the next start finds them by the pids
// it recorded (run-file.ts).
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemScheduler } from '../runtime/clock.ts';
import { messageOf, PlayheadError } from '../runtime/errors.ts';

/** How a process ended. */
export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type ManagedProcess = {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  /** undefined while it runs. */
  exit(): Exit | undefined;
  /** Sends the stop signal, waits, and sends SIGKILL if it is still there after `timeoutMs`. */
  stop(timeoutMs?: number): Promise<Exit>;
  /** Ends it at once. */
  kill(): void;
};

export type ProcessOptions = {
  name: string;
  command: string;
  args: readonly string[];
  cwd: string;
  logFile: string;
  env?: Readonly<Record<string, string | undefined>>;
  stopSignal?: NodeJS.Signals;
  /** Adds an IPC channel, by which a Node child notices that we died. */
  ipc?: boolean;
  /** Run as this user; needs root. `keepAccess` lets it pass directories that only root may enter. */
  user?: { uid: number; gid: number; keepAccess: boolean };
};

const STOP_TIMEOUT_MS = 20_000;
const SETPRIV = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path));

/** True if a tool exists that can hand a process to another user while keeping the right to enter root's directories. */
export const canKeepAccess = (): boolean => SETPRIV !== undefined;

/** The command with setpriv in front where it exists: the child ends with us, and runs as the given user. */
export function wrapCommand(options: ProcessOptions): { command: string; args: readonly string[]; uid?: number; gid?: number } {
  const { user } = options;
  if (SETPRIV === undefined) return { command: options.command, args: options.args, ...(user ? { uid: user.uid, gid: user.gid } : {}) };
  const wrapper = ['--pdeathsig', (options.stopSignal ?? 'SIGTERM').replace('SIG', '')];
  if (user) wrapper.push('--reuid', `${user.uid}`, '--regid', `${user.gid}`, '--clear-groups');
  if (user?.keepAccess) wrapper.push('--inh-caps', '+dac_override', '--ambient-caps', '+dac_override');
  return { command: SETPRIV, args: [...wrapper, '--', options.command, ...options.args] };
}

/** Starts a process. Resolves as soon as it exists. @throws PlayheadError ERR_SPAWN if it cannot be started. */
export async function startProcess(options: ProcessOptions): Promise<ManagedProcess> {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a');
  const wrapped = wrapCommand(options);
  const child = spawn(wrapped.command, wrapped.args, {
    cwd: options.cwd,
    detached: true,
    stdio: options.ipc ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
    ...(options.env ? { env: options.env } : {}),
    ...(wrapped.uid === undefined ? {} : { uid: wrapped.uid, gid: wrapped.gid }),
  });
  closeSync(log);
  // Watching a child must not keep us alive: a test file ends when its tests have, and then stops its servers.
  child.unref();
  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      resolve(exit);
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(new PlayheadError('ERR_SPAWN', `${options.name} could not be started: ${messageOf(error)}`, { cause: error })),
    );
  });
  const send = (signal: NodeJS.Signals): void => {
    if (exit === undefined) child.kill(signal);
  };
  return {
    name: options.name,
    pid: child.pid as number,
    logFile: options.logFile,
    child,
    exited,
    exit: () => exit,
    async stop(timeoutMs = STOP_TIMEOUT_MS) {
      if (exit === undefined) child.ref();
      send(options.stopSignal ?? 'SIGTERM');
      const cancel = systemScheduler.after(timeoutMs, () => send('SIGKILL'));
      const ended = await exited;
      cancel();
      return ended;
    },
    kill() {
      if (exit === undefined) child.ref();
      send('SIGKILL');
    },
  };
}

/** The last lines of a log file, for an error message; '' if there is none. */
export function logTail(logFile: string, lines = 12): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

/**
 * Waits until `probe` answers true.
 * @throws PlayheadError ERR_NOT_READY with the end of the log if the process ends or `timeoutMs` pass first.
 */
export async function untilReady(options: {
  process: ManagedProcess;
  probe: () => Promise<boolean>;
  timeoutMs: number;
  pollMs?: number;
}): Promise<void> {
  const { process: managed, probe } = options;
  const deadline = systemScheduler.monotonicMs() + options.timeoutMs;
  for (;;) {
    const exit = managed.exit();
    if (exit)
      throw new PlayheadError(
        'ERR_NOT_READY',
        `${managed.name} ended (${exit.signal ?? `code ${exit.code}`}) while starting. Its log, ${managed.logFile}, ends with:\n${logTail(managed.logFile)}`,
      );
    if (await probe().catch(() => false)) return;
    if (systemScheduler.monotonicMs() > deadline) {
      await managed.stop();
      throw new PlayheadError(
        'ERR_NOT_READY',
        `${managed.name} gave no answer within ${Math.round(options.timeoutMs / 1000)} s. Its log, ${managed.logFile}, ends with:\n${logTail(managed.logFile)}`,
      );
    }
    await systemScheduler.sleep(options.pollMs ?? 50);
  }
}
