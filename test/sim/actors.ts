// Processors of a simulated world, and the hand that strikes them: kills, freezes, joins, stops, outages of log and database.
import { pino } from 'pino';
import { startTicks } from '../../ingest/ticks.ts';
import { createProcessor, type Processor } from '../../processor/consumer.ts';
import { FOLD_VERSION } from '../../processor/core/partition.ts';
import type { FoldSettings } from '../../processor/core/settings.ts';
import type { ProcessorMetrics } from '../../processor/metrics.ts';
import { createWriters } from '../../processor/writers.ts';
import type { Codec } from '../../schemas/codec.ts';
import type { Control } from './controls.ts';
import type { FaultName } from './faults.ts';
import { createWriter } from './gateways.ts';
import { NEW_SCHEMA_ID, schemaIdOf } from './new-schema.ts';
import type { SimDatabase } from './sim-database.ts';
import type { SimGroup } from './sim-group.ts';
import type { SimLog } from './sim-log.ts';
import type { Tables } from './sim-tables.ts';
import type { SimProcess, World } from './world.ts';

const PROCESSORS_MAX = 4;
const TURN_MS = 400;
const BACKUP_MS = 3_000;

export type ActorsDeps = {
  world: World;
  log: SimLog;
  group: SimGroup;
  database: SimDatabase;
  /** Knows every schema: what a process knows is its own affair. */
  codec: Codec;
  partitions: number;
  settings: FoldSettings;
  configHash: Buffer;
  fault: (name: FaultName) => boolean;
  tickMs: number;
  control: Control | undefined;
};

type Running = { process: SimProcess; processor: Processor; stopping: boolean };
export type Actors = {
  /** Ends every fault that lasts, and makes sure that somebody is there to do the work. */
  stopFaults(): void;
  running(): readonly Processor[];
};

const silent = pino({ level: 'silent' });
const nothing = (): void => {};

/** Counts what the tasks did, so that a run can show that its faults had effects. */
function simMetrics(world: World, name: string): ProcessorMetrics {
  return {
    folded: nothing,
    sealed: (reason) => world.note(`sealed:${reason}`, name),
    flushed: nothing,
    flushRows: nothing,
    flushFailed: () => world.note('flushFailed', name),
    rowsRefused: () => world.note('rowsRefused', name),
    // The fallback for a number met twice (D8): here it is the finding.
    setAside: () => {
      world.failure ??= new Error('I4: an emission number was met twice');
    },
    fenced: () => world.note('fenced', name),
    rebalanced: nothing,
    restored: () => world.note('restored', name),
    snapshotTaken: nothing,
    limitHit: (limit) => world.note(`limit:${limit}`),
    holderTerminated: () => world.note('holderTerminated'),
    crashed: () => world.note('crashed'),
  };
}

export function startActors(deps: ActorsDeps): Actors {
  const { world, fault, database, log, group } = deps;
  const all: Running[] = [];
  let started = 0;
  let faulty = true;
  const alive = (): Running[] => all.filter((each) => each.process.alive);
  const startAnyway = (): void => void all.push(startProcessor(deps, `processor${started++}`));
  const start = (): void => {
    if (alive().length < PROCESSORS_MAX) startAnyway();
  };
  const restartLater = (): void => {
    world.schedule(undefined, world.random.integer(200, 5_000), 'processor restarts', start);
  };
  for (let i = world.random.integer(1, 2); i > 0; i--) start();

  let backup: Tables = database.backup();
  world.schedule(undefined, BACKUP_MS, 'backup', function again() {
    if (world.random.chance(0.5)) backup = database.backup();
    world.schedule(undefined, BACKUP_MS, 'backup', again);
  });

  /** Faults of this kind are drawn twice a second, so they are a few times likelier than those drawn with every operation. */
  const strikes = (name: FaultName): boolean => fault(name) || fault(name) || fault(name);
  const strike = (): void => {
    if (!faulty) return;
    const victim = alive().length > 0 ? world.random.pick(alive()) : undefined;
    if (victim !== undefined && strikes('processorKilled')) {
      world.kill(victim.process);
      restartLater();
    } else if (victim !== undefined && !victim.process.frozen && strikes('processorFrozen')) {
      world.freeze(victim.process);
      world.schedule(undefined, world.random.integer(500, 15_000), 'processor goes on', () => world.thaw(victim.process));
    } else if (victim !== undefined && !victim.stopping && strikes('processorStops')) {
      victim.stopping = true;
      void victim.processor.stop().then(() => {
        world.note('stoppedCleanly', victim.process.name);
        world.kill(victim.process);
      });
      restartLater();
    }
    if (strikes('processorJoins')) start();
    if (strikes('databaseDown')) database.takeDown(world.random.integer(200, 6_000));
    if (strikes('kafkaDown')) log.takeDown(world.random.integer(200, 6_000));
    if (strikes('databaseRestored')) database.restore(backup);
    // Only gateways may write: where none is there, nothing foreign comes either.
    if (log.anyGateway() && strikes('poison')) poison(deps);
    damageLog(deps, strikes);
    world.schedule(undefined, TURN_MS, 'fate', strike);
  };
  world.schedule(undefined, TURN_MS, 'fate', strike);

  return {
    stopFaults() {
      faulty = false;
      database.takeDown(0);
      log.takeDown(0);
      log.correctClocks();
      for (const each of alive()) if (each.process.frozen) world.thaw(each.process);
      // All there may be can be on their way out.
      if (!alive().some((each) => !each.stopping)) startAnyway();
      group.rebalance();
    },
    running: () => alive().map((each) => each.processor),
  };
}

function startProcessor(deps: ActorsDeps, name: string): Running {
  const { world, log, group, database, codec, partitions, settings, configHash } = deps;
  const process = world.process(name);
  const schemas = schemasOf(deps, process);
  world.note('processorStarted', name);
  const processor = createProcessor({
    clock: world.clock(),
    scheduler: world.scheduler(process),
    logger: silent,
    metrics: simMetrics(world, name),
    writers: createWriters({ database: database.database(process), connectionsMax: 2 }),
    admin: log.admin(process),
    consumer: group.consumer(process),
    codec: schemas.codec,
    snapshotSchemaId: 5,
    learnSchema: schemas.learn,
    group: 'sim',
    instance: name,
    foldVersion: FOLD_VERSION,
    configHash,
    partitions,
    settings,
    warmMs: 10_000,
    frozenWriterMs: 10_000,
    onHolderTerminated: () => world.note('holderTerminated'),
    onFatal: () => world.kill(process),
    task: {
      flushIntervalMs: 400,
      flushOutputsMax: 50,
      bufferOutputsMax: 120,
      bufferBytesMax: 64 * 1024,
      provisionalIntervalMs: 900,
      provisionalRowsPerSecondMax: 20,
      snapshotIntervalMs: 3_000,
      snapshotSliceMs: 0,
    },
  });
  if (deps.control === 'processorTicks') {
    const writer = createWriter({ ...deps, control: undefined }, process);
    const encodeTick = (): Buffer => codec.encodeTick({ instance: name });
    startTicks({ writer, scheduler: world.scheduler(process), partitions, intervalMs: deps.tickMs, encodeTick, onOutcome: nothing });
  }
  processor.start().catch((thrown: unknown) => {
    world.failure ??= thrown as Error;
  });
  return { process, processor, stopping: false };
}

/** What a process knows of schemas: those it shipped with, and what it learned from the registry (P17). */
function schemasOf({ world, codec, fault }: ActorsDeps, process: SimProcess): { codec: Codec; learn: (id: number) => Promise<void> } {
  const known = new Set<number>();
  return {
    codec: {
      ...codec,
      decode: (key, value) => {
        const id = schemaIdOf(value);
        return id === NEW_SCHEMA_ID && !known.has(id) ? { kind: 'unknown_schema', id } : codec.decode(key, value);
      },
    },
    learn: (id) =>
      new Promise((resolve, reject) => {
        world.schedule(process, world.random.integer(5, 300), `${process.name} asks the registry`, () => {
          if (fault('registryDown')) return reject(new Error('no registry'));
          world.note('schemaLearned', process.name);
          known.add(id);
          resolve();
        });
      }),
  };
}

/** What retention, elections and administrators do to the log. */
function damageLog({ world, log, partitions }: ActorsDeps, strikes: (name: FaultName) => boolean): void {
  const partition = world.random.integer(0, partitions - 1);
  const { low, high, before } = log.partition(partition);
  if (high > low && before === undefined && strikes('logCut')) log.truncate(partition, world.random.integer(low + 1, high));
  if (log.canLose(partition) && strikes('tailLost')) log.loseTail(partition, world.random.integer(1, 6));
  if (log.canLose(partition) && strikes('topicRecreated')) log.recreate(partition);
  if (strikes('partitionsAdded')) log.sayCount(partitions + 1);
}

function poison({ world, log, partitions, codec }: ActorsDeps): void {
  const partition = world.random.integer(0, partitions - 1);
  const good = codec.encodeTick({ instance: 'poison' });
  const shapes: (() => Buffer)[] = [
    () => Buffer.alloc(0),
    () => Buffer.from('not a record'),
    () => Buffer.from(good.subarray(0, good.length - 2)),
    () => {
      const flipped = Buffer.from(good);
      flipped[flipped.length - 1] = (flipped.at(-1) as number) ^ 0x20;
      return flipped;
    },
  ];
  log.appendRaw(partition, { key: null, value: world.random.pick(shapes)() });
}
