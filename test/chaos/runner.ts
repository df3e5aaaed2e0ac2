// Plays faults: each on a stage of its own, those that touch only their own system a few at a time, the others alone.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { messageOf } from '../../infra/runtime/errors.ts';
import type { Violation } from '../support/invariants.ts';
import type { TestSystem } from '../support/system.ts';
import { checkReplay, checkResult, checkUsage, comeToRest } from './checks.ts';
import type { Fault } from './fault.ts';
import { DATABASE_FAULTS } from './faults-database.ts';
import { KAFKA_FAULTS } from './faults-kafka.ts';
import { PROCESS_FAULTS } from './faults-processes.ts';
import { STATE_FAULTS } from './faults-state.ts';
import { countOutcomes, startLoad } from './load.ts';
import { type MemoryLine, memoryLines } from './record.ts';
import type { Servers } from './servers.ts';
import { openStage, sessionTimeoutMs, systemOptions } from './stage.ts';

const number = (id: string): number => (id.startsWith('NC') ? 100 : 0) + Number(id.replace(/\D/g, ''));

export const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...KAFKA_FAULTS, ...DATABASE_FAULTS, ...STATE_FAULTS].sort(
  (a, b) => number(a.id) - number(b.id),
);

export type Result = {
  id: string;
  about: string;
  seed: string;
  accepted: number;
  unknown: number;
  injected: string;
  violations: Violation[];
  /** Longest time that this process, which holds the proxies, did not get to run: on a busy machine it explains what was late. */
  stallMs: number;
  /** Of the stretches in which nothing may grow, if they were long enough to tell. */
  memory: MemoryLine[];
  /** For a fault: no violation. For a control: one of those that it must show. */
  ok: boolean;
  seconds: number;
};

export type RunOptions = { seed: string; full: boolean; progress(line: string): void };

const VIEWERS = 50;
const FULL_LOAD_FACTOR = 6;
const WARM_UP_MS = 1_500;
const SHOWN_MAX = 8;
/** A control build need not find its way back: what it broke is in the tables. */
const CONTROL_REST_MS = 15_000;

/** Plays one fault from start to verdict. Never throws. */
export async function playFault(servers: Servers, fault: Fault, options: RunOptions): Promise<Result> {
  const seed = `${options.seed}/${fault.id}`;
  const startedMs = systemScheduler.monotonicMs();
  const result: Result = {
    id: fault.id,
    about: fault.about,
    seed,
    accepted: 0,
    unknown: 0,
    injected: '',
    violations: [],
    stallMs: 0,
    memory: [],
    ok: false,
    seconds: 0,
  };
  const delay = monitorEventLoopDelay();
  delay.enable();
  const say = (line: string): void => options.progress(`${fault.id.padEnd(4)} ${line}`);
  try {
    await play(servers, fault, { ...options, seed }, result, say);
  } catch (error) {
    const text = messageOf(error);
    const named = /^(I\d+): /.exec(text)?.[1];
    result.violations.push({ invariant: named ?? 'run', detail: text });
  }
  result.seconds = Math.round((systemScheduler.monotonicMs() - startedMs) / 1000);
  result.stallMs = Math.round(delay.max / 1e6);
  delay.disable();
  const broken = result.violations.map(({ invariant }) => invariant);
  result.ok = fault.mustBreak === undefined ? broken.length === 0 : fault.mustBreak.some((each) => broken.includes(each));
  if (!result.ok) for (const { invariant, detail } of result.violations.slice(0, SHOWN_MAX)) say(`${invariant}: ${detail}`);
  say(`${result.ok ? 'ok' : 'FAILED'} in ${result.seconds} s, longest stall of this process ${result.stallMs} ms`);
  return result;
}

async function play(servers: Servers, fault: Fault, options: RunOptions, result: Result, say: (line: string) => void): Promise<void> {
  const { seed, full } = options;
  const stageOptions = (typeof fault.options === 'function' ? fault.options(full) : fault.options) ?? {};
  const spreadMs = fault.loadMs * (full ? FULL_LOAD_FACTOR : 1);
  const viewers = (fault.viewers ?? VIEWERS) * (full ? FULL_LOAD_FACTOR : 1);
  say(fault.about);
  const stage = await openStage({
    servers,
    options: stageOptions,
    seed,
    full,
    startLoad: (system) => startLoad(system, { viewers, seed, spreadMs, ...(fault.delivery ? { delivery: fault.delivery } : {}) }),
  });
  let wellPlayed = false;
  try {
    await systemScheduler.sleep(WARM_UP_MS);
    await fault.inject(stage);
    say(`injected: ${injectedText(stage.injections)}`);
    // A control build may never get through again.
    const cancel = fault.mustBreak === undefined ? () => {} : systemScheduler.after(CONTROL_REST_MS, () => stage.load.giveUp());
    const load = await stage.load.end();
    cancel();
    await fault.afterLoad?.(stage, load);
    const counts = countOutcomes(load.outcomes);
    result.accepted = counts.accepted;
    result.unknown = counts.unknown;
    result.injected = injectedText(stage.injections);
    const usage = fault.mustBreak === undefined ? await checkUsage(stage) : [];
    result.memory = memoryLines(stage.usage);
    const rested = await comeToRest(stage, sessionTimeoutMs(full), fault.mustBreak === undefined ? undefined : CONTROL_REST_MS);
    result.violations.push(...rested.late);
    const checked = await checkResult(stage, load, rested, fault.lateByPlan ?? false);
    result.violations.push(...checked.violations, ...usage, ...((await fault.check?.(stage, checked.log)) ?? []));
    if (fault.mustBreak === undefined && rested.late.length === 0) {
      const { control: _control, ...correct } = stageOptions;
      result.violations.push(...(await checkReplay(stage, systemOptions(servers, correct, full), rested)));
    }
    wellPlayed = fault.mustBreak !== undefined || result.violations.length === 0;
  } finally {
    if (!wellPlayed) say(`logs: ${lastWords(stage.system)}`);
    stage.load.giveUp();
    await stage.close();
  }
}

function lastWords(system: TestSystem): string {
  return (['ingest', 'processor'] as const)
    .flatMap((name) => system.instances(name).map(({ instance }) => `\n--- ${instance}\n${system.log(name, { instance, lines: 30 })}`))
    .join('');
}

const injectedText = (injections: ReadonlyMap<string, number>): string =>
  [...injections].map(([what, times]) => `${what} ${times}`).join(', ');

/** Plays all: `atOnce` of those that can share the servers, then the others one by one. */
export async function playFaults(servers: Servers, faults: readonly Fault[], options: RunOptions & { atOnce: number }): Promise<Result[]> {
  const results: Result[] = [];
  const shared = faults.filter((fault) => !fault.alone).sort((a, b) => b.loadMs - a.loadMs);
  const worker = async (): Promise<void> => {
    for (let fault = shared.shift(); fault !== undefined; fault = shared.shift()) results.push(await playFault(servers, fault, options));
  };
  await Promise.all(Array.from({ length: options.atOnce }, worker));
  for (const fault of faults) if (fault.alone) results.push(await playFault(servers, fault, options));
  return results.sort((a, b) => number(a.id) - number(b.id));
}

/** The results as a table of text. */
export function tableOf(results: readonly Result[]): string {
  const lines = results.map((result) => {
    const broken = [...new Set(result.violations.map(({ invariant }) => invariant))].join(' ') || 'all hold';
    const cells = [
      result.id.padEnd(4),
      (result.ok ? 'ok' : 'FAIL').padEnd(4),
      String(result.accepted).padStart(6),
      String(result.unknown).padStart(5),
    ];
    return `${cells.join('  ')}  ${broken.padEnd(9)} ${String(result.seconds).padStart(4)} s  ${result.seed}  ${result.about}: ${result.injected}`;
  });
  return ['row   ok    accept  unkn  invariants  time  seed  fault: injected', ...lines].join('\n');
}
