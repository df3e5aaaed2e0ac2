// One seed = one run: faults with the invariants checked at every commit, then no faults and everything must come to rest, equal to
// the straight fold. The same seed gives the same trace.
import { createHash } from 'node:crypto';
import type { Ledger } from '../../processor/core/outputs.ts';
import { FOLD_SETTINGS_DEFAULT, type FoldSettings } from '../../processor/core/settings.ts';
import { type Codec, createCodec, schemaText } from '../../schemas/codec.ts';
import { type Actors, startActors } from './actors.ts';
import { Broken, checkCommit, checkFinished } from './check.ts';
import type { Control } from './controls.ts';
import { FAULT_NAMES, type FaultName, type FaultPlan, planFaults } from './faults.ts';
import { startGateways } from './gateways.ts';
import { NEW_SCHEMA_ID } from './new-schema.ts';
import { startOperator } from './operator.ts';
import { type Players, startPlayers } from './players.ts';
import type { Random } from './random.ts';
import { checkSnapshots } from './replay.ts';
import { createSimDatabase, type SimDatabase } from './sim-database.ts';
import { createSimGroup, type SimGroup } from './sim-group.ts';
import { createSimLog, type SimLog } from './sim-log.ts';
import { type Moment, World } from './world.ts';

/** Compiling its types costs more than half a run: one for all runs of a process. */
let sharedCodec: Codec | undefined;
const IDS = { beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 };
const TICK_MS = 1_000;
const PLAYERS_MS = 9_000;
const FAULTS_MS = 20_000;
/** Within this virtual time after the last fault everything must be at rest (I9). */
const REST_MS = 90_000;
const STEPS_MAX = 200_000;
/** One seed in so many closes its sessions by ticks alone (F23), and one replays all its snapshots (7.4). */
const BY_TICKS_EVERY = 8;
const REPLAY_EVERY = 5;
const LOOK_EVERY = 8;
/** What a partition says whose log lost what was folded. */
const LOST_LOG = ['log_shorter', 'fingerprint_mismatch', 'fingerprint_gone'];

export type RunResult = {
  seed: number;
  failure: Error | undefined;
  traceHash: string;
  steps: number;
  counts: ReadonlyMap<string, number>;
  timeline: readonly Moment[];
  faults: readonly FaultName[];
  /** Everything that can be left out on its own: strokes of fate, players, beacons; `<name>#<index>`. */
  occurrences: readonly string[];
};
export type RunOptions = {
  timeline?: boolean;
  /** Replaces the drawn plan: for shrinking and for control builds. */
  faults?: (drawn: FaultPlan) => FaultPlan;
  /** Occurrences left out, for shrinking. */
  without?: readonly string[];
  /** A deliberate defect that the checks must notice. */
  control?: Control;
};
/** Runs a seed to its end. Never throws: what is wrong is in `failure`. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const world = new World(seed, { timeline: options.timeline ?? false });
  const drawn = planFaults(world.random.fork());
  const plan = options.faults?.(drawn) ?? drawn;
  const dice = diceOf(world.random);
  const occurrences: string[] = [];
  const without = new Set(options.without ?? []);
  const happens = (occurrence: string): boolean => {
    if (without.has(occurrence)) return false;
    occurrences.push(occurrence);
    return true;
  };
  const drawnCount = new Map<FaultName, number>();
  let faulty = true;
  const fault = (name: FaultName): boolean => {
    const probability = plan.get(name);
    if (!faulty || probability === undefined || !dice(name).chance(probability)) return false;
    const index = drawnCount.get(name) ?? 0;
    drawnCount.set(name, index + 1);
    if (!happens(`${name}#${index}`)) return false;
    world.note(`fault:${name}`, `#${index}`);
    return true;
  };
  const partitions = world.random.integer(1, 4);
  const settings = foldSettings(world, options.control);
  const codec = allKnowing();
  const log = createSimLog(world, partitions, fault);
  const group = createSimGroup(world, log, fault);
  const refused = plan.has('rowRefused') ? `v${seed}-1` : undefined;
  const database = createSimDatabase({ world, fault, checkCommit, refused, control: options.control });
  const configHash = createHash('sha256').update(JSON.stringify(settings)).digest();
  const common = { world, log, codec, partitions, fault, tickMs: TICK_MS, control: options.control };
  const actors = startActors({ ...common, group, database, settings, configHash });
  const gateways = startGateways(common);
  const players = startPlayers({ world, gateways, fault, happens, untilMs: PLAYERS_MS });
  startOperator({ world, database, log, running: actors.running });
  const parts: Parts = { world, log, group, database, codec, partitions, settings, actors, players, refused, closedAt: new Map() };
  try {
    await world.runUntil(FAULTS_MS, () => world.steps > STEPS_MAX);
    faulty = false;
    actors.stopFaults();
    gateways.stopFaults();
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
    occurrences,
  };
}

/** A generator for each fault, so that leaving one out does not move the others. */
function diceOf(random: Random): (name: FaultName) => Random {
  const all = new Map(FAULT_NAMES.map((name) => [name, random.fork()]));
  return (name) => all.get(name) as Random;
}

function allKnowing(): Codec {
  if (sharedCodec !== undefined) return sharedCodec;
  sharedCodec = createCodec(IDS);
  sharedCodec.learn(NEW_SCHEMA_ID, schemaText('beacon'));
  return sharedCodec;
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
  group: SimGroup;
  database: SimDatabase;
  codec: Codec;
  partitions: number;
  settings: FoldSettings;
  actors: Actors;
  players: Players;
  refused: string | undefined;
  /** Since which offset nothing was open any more, by partition. */
  closedAt: Map<number, number>;
};

/** Liveness: with the faults gone, players finish, everything closes, and lag is 0 within REST_MS. */
async function comeToRest(parts: Parts): Promise<void> {
  const { world, log, codec, partitions, players } = parts;
  await world.runUntil(world.elapsedMs + REST_MS, () => players.idle());
  if (world.failure !== undefined) return;
  if (!players.idle()) throw new Broken('I9', 'players are still waiting for an answer');
  // Sessions close by themselves where only ticks come (F23), or all at once by an operator's order.
  const byTicks = world.seed % BY_TICKS_EVERY === 0;
  for (let partition = 0; partition < partitions && !byTicks; partition++)
    log.appendRaw(partition, { key: null, value: codec.encodeControl({ command: 'close_all', site: '', protocol: '', settings: {} }) });
  const ends = Array.from({ length: partitions }, (_, partition) => log.partition(partition).high);
  // To look costs as much as several steps.
  const rested = (): boolean => world.steps > 2 * STEPS_MAX || ends.every((end, partition) => isAtRest(parts, partition, end));
  await world.runUntil(world.elapsedMs + REST_MS, () => world.steps % LOOK_EVERY === 0 && rested());
  if (world.failure !== undefined) return;
  if (!rested()) throw new Broken('I9', restlessness(parts, ends));
  const finished = { ...parts, outcomes: players.outcomes };
  const references = checkFinished(finished);
  if (world.seed % REPLAY_EVERY !== 0) return;
  for (const [partition, reference] of references.entries()) checkSnapshots(finished, partition, reference);
  world.note('snapshotsReplayed');
}

/** Everything up to `end` is in the database and nothing is open; or the log lost what was folded, and the owner says so (D23). */
function isAtRest({ database, log, actors, closedAt }: Parts, partition: number, end: number): boolean {
  const views = actors.running().flatMap((processor) => processor.views().filter((view) => view.partition === partition));
  if (log.partition(partition).before !== undefined && views.some(({ halt }) => LOST_LOG.includes(halt?.reason ?? ''))) return true;
  const { progress, open } = database.tables();
  const row = progress.get(partition);
  // Events that wait for a missing number are in no session yet.
  if (row === undefined || row.next_offset < end || (row.ledger as Ledger).waiting > 0) return false;
  const owner = views.find((view) => view.mode === 'running' && view.epoch === row.epoch);
  if (owner?.openSessions !== 0) closedAt.delete(partition);
  else if (!closedAt.has(partition)) closedAt.set(partition, owner.nextOffset);
  if (row.next_offset < (closedAt.get(partition) ?? Number.POSITIVE_INFINITY)) return false;
  for (const key of open.keys()) if (key.startsWith(`${partition} `)) return false;
  return true;
}

function restlessness({ database, actors, group }: Parts, ends: readonly number[]): string {
  const progress = ends.map(
    (end, partition) =>
      `${partition}: ${database.tables().progress.get(partition)?.next_offset ?? '-'} of ${end}, owners ${group.owners(partition).join('+') || 'none'}`,
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
