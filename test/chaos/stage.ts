// Where one fault is played: a system of its own on the shared servers, its database behind a proxy of its own, and hands to break
// things with. What was injected is counted: a fault that never took effect proves nothing.
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { createRandom, type Random } from '../../infra/cli/audience/random.ts';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import type { KillPoint } from '../support/kill-points.ts';
import { type ServiceName, type SystemOptions, startSystem, type TestSystem } from '../support/system.ts';
import { type UsageSample, type UsageWatch, usages, watchUsage } from '../support/usage.ts';
import type { Load } from './load.ts';
import type { Servers } from './servers.ts';

export type Control = 'unchecked_send' | 'idempotent' | 'no_epoch_check';

export type StageOptions = {
  processors?: number;
  partitions?: number;
  ingestEnv?: Record<string, string>;
  processorEnv?: Record<string, string>;
  control?: Control;
};

export type Stage = {
  system: TestSystem;
  servers: Servers;
  /** Between the services and their database. */
  database: FaultProxy;
  random: Random;
  full: boolean;
  load: Load;
  /** What each process held before the load began. */
  idle: ReadonlyMap<string, UsageSample>;
  /** What each process holds; `usage.steady` marks a stretch in which nothing may grow (I10). */
  usage: UsageWatch;
  /** Short time in a CI run, long time in a full one. */
  time(shortMs: number, fullMs: number): Promise<void>;
  times(short: number, full: number): number;
  injected(what: string, times?: number): void;
  injections: ReadonlyMap<string, number>;
  /** Starts an instance with a kill point; resolves when it is ready, or has died of it, or stands still. */
  startArmed(name: ServiceName, instance: string, point: KillPoint, count: number, action?: 'kill' | 'stop'): Promise<void>;
  /** Waits until an instance has died, or stands still. */
  taken(name: ServiceName, instance: string, timeoutMs?: number): Promise<void>;
  sql(text: string): Promise<Record<string, unknown>[]>;
  until(what: string, condition: () => Promise<boolean> | boolean, timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
};

const PRELOAD = new URL('../support/fault-preload.ts', import.meta.url).href;
export const SESSION_TIMEOUT_SHORT_MS = 4_000;
const SESSION_TIMEOUT_FULL_MS = 10_000;
const UNTIL_TIMEOUT_MS = 60_000;
const SAMPLE_SHORT_MS = 1_000;
const SAMPLE_FULL_MS = 5_000;
const POLL_MS = 50;

/**
 * Long grace, and a session ends by its last word only: what a fault delays is still folded in its place, so figures must equal the
 * truth. The last word seals soon, so that rows are written all the time.
 */
const FOLD_ENV = {
  PLAYHEAD_FOLD_GRACE_MS: '600000',
  PLAYHEAD_FOLD_LEAVE_LINGER_MS: '1000',
  PLAYHEAD_FOLD_ENDED_LINGER_MS: '600000',
  PLAYHEAD_FOLD_STEP_CAP_MS: '1500',
};

export const sessionTimeoutMs = (full: boolean): number => (full ? SESSION_TIMEOUT_FULL_MS : SESSION_TIMEOUT_SHORT_MS);

/** Settings of the systems of a stage, and of the one that folds its log again. */
export function systemOptions(servers: Servers, options: StageOptions, full: boolean): SystemOptions {
  const preload = { NODE_OPTIONS: `--import tsx --import ${PRELOAD}`, CHAOS_SESSION_TIMEOUT_MS: String(sessionTimeoutMs(full)) };
  const control = options.control === undefined ? {} : { CHAOS_CONTROL: options.control };
  return {
    partitions: options.partitions ?? 6,
    cluster: { brokers: servers.cluster.brokers },
    services: [],
    env: {
      ingest: { ...preload, ...control, PLAYHEAD_TICK_INTERVAL_MS: '500', PLAYHEAD_INGEST_DEADLINE_MS: '3000', ...options.ingestEnv },
      processor: {
        ...preload,
        ...control,
        ...FOLD_ENV,
        PLAYHEAD_PROCESSOR_FLUSH_INTERVAL_MS: '300',
        PLAYHEAD_PROCESSOR_SNAPSHOT_INTERVAL_MS: '1500',
        ...options.processorEnv,
      },
    },
  };
}

export type NewStage = { servers: Servers; options: StageOptions; seed: string; full: boolean; startLoad: (system: TestSystem) => Load };

/** Starts gateway and processors, then the load. */
export async function openStage({ servers, options, seed, full, startLoad }: NewStage): Promise<Stage> {
  const database = await startFaultProxy({ targetPort: servers.postgres.port });
  const throughProxy = (direct: string): string => direct.replace(`:${servers.postgres.port}/`, `:${database.port}/`);
  const system = await startSystem({ ...systemOptions(servers, options, full), databaseUrl: throughProxy });
  const injections = new Map<string, number>();
  const until: Stage['until'] = async (what, condition, timeoutMs = UNTIL_TIMEOUT_MS) => {
    const deadline = systemScheduler.monotonicMs() + timeoutMs;
    while (!(await condition())) {
      if (systemScheduler.monotonicMs() > deadline) throw new Error(`never happened: ${what}`);
      await systemScheduler.sleep(POLL_MS);
    }
  };
  let usage: UsageWatch | undefined;
  const close = async (): Promise<void> => {
    await usage?.stop();
    database.heal();
    for (const name of ['ingest', 'processor'] as const) for (const { pid } of system.instances(name)) signalQuietly(pid, 'SIGCONT');
    await system.stop();
    await database.close();
  };
  try {
    const processors = Array.from({ length: options.processors ?? 2 }, (_, index) => `p${index + 1}`);
    await Promise.all([system.start('ingest'), ...processors.map((instance) => system.start('processor', { instance }))]);
  } catch (error) {
    await close();
    throw error;
  }
  const idle = await usages(system);
  usage = watchUsage(system, full ? SAMPLE_FULL_MS : SAMPLE_SHORT_MS);
  return {
    system,
    servers,
    database,
    random: createRandom(`${seed}/faults`),
    full,
    load: startLoad(system),
    idle,
    usage,
    time: (shortMs, fullMs) => systemScheduler.sleep(full ? fullMs : shortMs),
    times: (short, many) => (full ? many : short),
    injected: (what, times = 1) => void injections.set(what, (injections.get(what) ?? 0) + times),
    injections,
    ...armed(system, until),
    sql: (text) => withClient(system.database, async (client) => (await client.query(text)).rows as Record<string, unknown>[]),
    until,
    close,
  };
}

function armed(system: TestSystem, until: Stage['until']): Pick<Stage, 'startArmed' | 'taken'> {
  const standing = (name: ServiceName, instance: string): boolean =>
    system.instances(name).some((each) => each.instance === instance && stateOf(each.pid) === 'T');
  const dead = (name: ServiceName, instance: string): boolean => !system.instances(name).some((each) => each.instance === instance);
  return {
    async startArmed(name, instance, point, count, action = 'kill') {
      const started = system.start(name, { instance, env: { CHAOS_AT: `${point}:${count}:${action}` } }).catch((error: unknown) => {
        // One that dies before it is ready is what was asked for.
        if (!dead(name, instance)) throw error;
      });
      await Promise.race([started, until(`${instance} runs`, () => standing(name, instance))]);
      started.catch(() => {});
    },
    taken: (name, instance, timeoutMs = UNTIL_TIMEOUT_MS) =>
      until(`the kill point in ${instance}`, () => dead(name, instance) || standing(name, instance), timeoutMs),
  };
}

export async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

export function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

/** State letter of a process as Linux tells it, '' where it does not: T = stopped. */
export function stateOf(pid: number): string {
  try {
    return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '';
  } catch {
    return '';
  }
}
