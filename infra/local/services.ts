// Our own processes: started as children, started again when they crash, stopped in the order asked for.
//
// Modes of a service: starting (until /readyz first answers; an end here fails the start), running (an end here means a restart
// after a pause that doubles up to a limit), stopping (an end here is what we want).
import { messageOf, PlayheadError } from '../runtime/errors.ts';
import type { Cancel, Scheduler } from '../runtime/ports.ts';
import { PROJECT_DIRECTORY } from './paths.ts';
import { logTail, type ManagedProcess, startProcess } from './process.ts';

const RESTART_PAUSE_MS = 500;
const RESTART_PAUSE_MAX_MS = 30_000;
/** A service that ran this long starts again without the pause of earlier crashes. */
const HEALTHY_MS = 60_000;
const READY_POLL_MS = 100;
const PROBE_TIMEOUT_MS = 2_000;

export type ServiceSpec = {
  name: string;
  /** File to run, relative to the project, and its arguments. */
  file: string;
  args?: readonly string[];
  env: Readonly<Record<string, string>>;
  logFile: string;
  /** Address that answers 200 once it can work; none = ready when it runs. */
  readyUrl?: string;
};

export type Service = {
  readonly name: string;
  readonly logFile: string;
  restarts(): number;
  ready(timeoutMs: number): Promise<void>;
  stop(timeoutMs: number): Promise<void>;
  kill(): void;
};

export type ServiceDeps = {
  scheduler: Scheduler;
  onProcess: (name: string, pid: number) => Promise<void>;
  onEnd: (pid: number) => void;
  onCrash: (line: string) => void;
};

/** Starts a service. @throws PlayheadError ERR_SPAWN. */
export async function startService(deps: ServiceDeps, spec: ServiceSpec): Promise<Service> {
  const service = new SupervisedService(deps, spec);
  await service.start();
  return service;
}

class SupervisedService implements Service {
  readonly name: string;
  readonly logFile: string;
  readonly #deps: ServiceDeps;
  readonly #spec: ServiceSpec;
  #process: ManagedProcess | undefined;
  #mode: 'starting' | 'running' | 'stopping' = 'starting';
  #restarts = 0;
  #pauseMs = RESTART_PAUSE_MS;
  #cancelRestart: Cancel = () => {};

  constructor(deps: ServiceDeps, spec: ServiceSpec) {
    this.#deps = deps;
    this.#spec = spec;
    this.name = spec.name;
    this.logFile = spec.logFile;
  }

  restarts(): number {
    return this.#restarts;
  }

  async start(): Promise<void> {
    const { name, file, args = [], env, logFile } = this.#spec;
    const startedMs = this.#deps.scheduler.monotonicMs();
    const managed = await startProcess({
      name,
      command: process.execPath,
      args: ['--import', 'tsx', file, ...args],
      cwd: PROJECT_DIRECTORY,
      env,
      logFile,
      ipc: true,
    });
    this.#process = managed;
    await this.#deps.onProcess(name, managed.pid);
    void managed.exited.then(({ code, signal }) => {
      this.#deps.onEnd(managed.pid);
      if (this.#mode !== 'running') return;
      if (this.#deps.scheduler.monotonicMs() - startedMs > HEALTHY_MS) this.#pauseMs = RESTART_PAUSE_MS;
      this.#deps.onCrash(
        `${name} ended (${signal ?? `code ${code}`}); starting it again in ${this.#pauseMs / 1000} s, its log is ${logFile}`,
      );
      this.#restartLater();
    });
  }

  #restartLater(): void {
    this.#cancelRestart = this.#deps.scheduler.after(this.#pauseMs, () => {
      this.#restarts += 1;
      this.start().catch((error: unknown) => {
        this.#deps.onCrash(messageOf(error));
        this.#restartLater();
      });
    });
    this.#pauseMs = Math.min(RESTART_PAUSE_MAX_MS, this.#pauseMs * 2);
  }

  async ready(timeoutMs: number): Promise<void> {
    const { readyUrl, name, logFile } = this.#spec;
    const deadline = this.#deps.scheduler.monotonicMs() + timeoutMs;
    while (readyUrl !== undefined && !(await answersOk(readyUrl))) {
      const exit = this.#process?.exit();
      const tooLate = this.#deps.scheduler.monotonicMs() > deadline;
      if (this.#mode === 'stopping') return;
      if (exit || tooLate) {
        const what = exit
          ? `ended (${exit.signal ?? `code ${exit.code}`}) while starting`
          : `was not ready within ${Math.round(timeoutMs / 1000)} s`;
        throw new PlayheadError('ERR_SERVICE', `The ${name} ${what}. Its log, ${logFile}, ends with:\n${logTail(logFile)}`);
      }
      await this.#deps.scheduler.sleep(READY_POLL_MS);
    }
    if (this.#mode === 'starting') this.#mode = 'running';
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#mode = 'stopping';
    this.#cancelRestart();
    await this.#process?.stop(timeoutMs);
  }

  kill(): void {
    this.#mode = 'stopping';
    this.#cancelRestart();
    this.#process?.kill();
  }
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
