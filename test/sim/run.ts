// One seed = one run: faults with the invariants checked at every commit, then no faults and everything must come to rest, equal to
// the straight fold. The same seed gives the same trace.
import { createHash } from 'node:crypto';
import { FOLD_SETTINGS_DEFAULT, type FoldSettings } from '../../processor/core/settings.ts';
import { type Codec, createCodec } from '../../schemas/codec.ts';
import { type Actors, startActors } from './actors.ts';
import { Broken, checkCommit, checkFinished } from './check.ts';
import { type FaultName, type FaultPlan, planFaults } from './faults.ts';
import { createSimDatabase, type SimDatabase } from './sim-database.ts';
import { createSimLog, type SimLog } from './sim-log.ts';
import { startWorkload, type Workload } from './workload.ts';
import { World } from './world.ts';

/** Compiling its types costs more than half a run: one for all runs of a process. */
let sharedCodec: Codec | undefined;
const IDS = { beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 };
const TICK_MS = 1_000;
const PLAYERS_MS = 9_000;
const FAULTS_MS = 20_000;
/** Within this virtual time after the last fault everything must be at rest (I9). */
const REST_MS = 90_000;
const STEPS_MAX = 200_000;

export type RunResult = {
  seed: number;
  failure: Error | undefined;
  traceHash: string;
  steps: number;
  counts: ReadonlyMap<string, number>;
  timeline: readonly string[];
  faults: readonly FaultName[];
};
export type RunOptions = {
  timeline?: boolean;
  /** Replaces the drawn plan: for shrinking and for control builds. */
  faults?: (drawn: FaultPlan) => FaultPlan;
  /** A deliberate defect that the checks must notice. */
  control?: Control;
};
/** noEpochCheck: the database believes whatever a writer believes (NC3). sealOnLeap: log-active time is not capped (H7, H8). */
export type Control = 'noEpochCheck' | 'sealOnLeap';

/** Runs a seed to its end. Never throws: what is wrong is in `failure`. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const world = new World(seed, { timeline: options.timeline ?? false });
  const drawn = planFaults(world.random.fork());
  const plan = options.faults?.(drawn) ?? drawn;
  const dice = world.random.fork();
  let faulty = true;
  const fault = (name: FaultName): boolean => {
    const probability = plan.get(name);
    if (!faulty || probability === undefined || !dice.chance(probability)) return false;
    world.note(`fault:${name}`);
    return true;
  };
  const partitions = world.random.integer(1, 4);
  const settings = foldSettings(world, options.control);
  sharedCodec ??= createCodec(IDS);
  const codec = sharedCodec;
  const log = createSimLog(world, partitions, fault);
  const database = createSimDatabase(world, fault, checkCommit, options.control);
  const configHash = createHash('sha256').update(JSON.stringify(settings)).digest();
  const actors = startActors({ world, log, database, codec, partitions, settings, configHash, fault });
  const workload = startWorkload({ world, log, codec, partitions, fault, tickMs: TICK_MS, untilMs: PLAYERS_MS });
  const parts: Parts = { world, log, database, codec, partitions, settings, actors, workload };
  try {
    await world.runUntil(FAULTS_MS, () => world.steps > STEPS_MAX);
    faulty = false;
    actors.stopFaults();
    workload.stopFaults();
    if (world.failure === undefined) await comeToRest(parts);
  } catch (thrown) {
    world.failure ??= thrown as Error;
  }
  return {
    seed,
    failure: world.failure,
    traceHash: world.traceHash(),
    steps: world.steps,
    counts: world.counts,
    timeline: world.timeline(),
    faults: [...plan.keys()],
  };
}

function foldSettings(world: World, control: Control | undefined): FoldSettings {
  return {
    ...FOLD_SETTINGS_DEFAULT,
    idleGapMs: world.random.pick([6_000, 12_000]),
    leaveLingerMs: 1_500,
    endedLingerMs: 3_000,
    graceMs: world.random.pick([800, 2_000]),
    stepCapMs: control === 'sealOnLeap' ? 86_400_000 : 3 * TICK_MS,
    tombstoneMs: 600_000,
    openSessionsMax: world.random.pick([3, 1_000]),
    pendingEventsMax: world.random.pick([4, 512]),
  };
}

type Parts = {
  world: World;
  log: SimLog;
  database: SimDatabase;
  codec: Codec;
  partitions: number;
  settings: FoldSettings;
  actors: Actors;
  workload: Workload;
};

/** Liveness: with the faults gone, players finish, an operator closes everything, and lag is 0 within REST_MS. */
async function comeToRest(parts: Parts): Promise<void> {
  const { world, log, database, codec, partitions, workload, settings } = parts;
  await world.runUntil(world.elapsedMs + REST_MS, () => workload.idle());
  if (world.failure !== undefined) return;
  if (!workload.idle()) throw new Broken('I9', 'players are still waiting for an answer');
  const ends: number[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    log.appendRaw(partition, { key: null, value: codec.encodeControl({ command: 'close_all', site: '', protocol: '', settings: {} }) });
    ends.push(log.high(partition));
  }
  const rested = (): boolean =>
    world.steps > 2 * STEPS_MAX ||
    (database.tables().open.size === 0 &&
      ends.every((end, partition) => (database.tables().progress.get(partition)?.next_offset ?? -1) >= end));
  await world.runUntil(world.elapsedMs + REST_MS, rested);
  if (world.failure !== undefined) return;
  if (!rested()) throw new Broken('I9', restlessness(parts, ends));
  checkFinished({ log, tables: database.tables(), partitions, codec, settings, outcomes: workload.outcomes });
}

function restlessness({ database, actors, log }: Parts, ends: readonly number[]): string {
  const progress = ends.map(
    (end, partition) =>
      `${partition}: ${database.tables().progress.get(partition)?.next_offset ?? '-'} of ${end}, owners ${log.owners(partition).join('+') || 'none'}`,
  );
  const views = actors
    .running()
    .flatMap((processor) =>
      processor
        .views()
        .map(
          (view) =>
            `${view.partition} ${view.mode}${view.halt ? ` (${view.halt.reason}: ${view.halt.detail})` : ''} next ${view.nextOffset}`,
        ),
    );
  return `not at rest: ${progress.join('; ')}; open ${database.tables().open.size}; tasks: ${views.join('; ')}`;
}
