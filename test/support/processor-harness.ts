// A processor over the in-process log and a real PostgreSQL, for tests of the shell: a small log with known content, processors
// that can die at any call they make to a port, and what the tables hold in the end in a form that can be compared.
import pg from 'pg';
import { pino } from 'pino';
import { systemClock, systemScheduler } from '../../infra/runtime/clock.ts';
import type { Database, DatabaseConnection, LogAdmin, Scheduler } from '../../infra/runtime/ports.ts';
import { createDatabase, type WriterLimits } from '../../infra/runtime/postgres.ts';
import { configHashOf } from '../../processor/config-hash.ts';
import { createProcessor, type Processor } from '../../processor/consumer.ts';
import { FOLD_VERSION } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT, type FoldSettings } from '../../processor/core/settings.ts';
import { NO_METRICS, type ProcessorMetrics } from '../../processor/metrics.ts';
import type { TaskSettings } from '../../processor/task-deps.ts';
import { createWriters } from '../../processor/writers.ts';
import { type Beacon, type BeaconEvent, UNKNOWN_CONTEXT, UNKNOWN_DETAIL } from '../../schemas/beacon.ts';
import { type Codec, createCodec } from '../../schemas/codec.ts';
import { partitionOf, recordKey } from '../../schemas/topics.ts';
import { createMemoryLog, type MemoryConsumer, type MemoryLog } from './log-memory.ts';

export const TEST_SCHEMA_IDS = { beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 };
export const testCodec = (): Codec => createCodec(TEST_SCHEMA_IDS);

const START_AT = Date.UTC(2026, 10, 20, 10, 0, 0);

export type TestLog = {
  log: MemoryLog;
  partitions: number;
  /** Appends a beacon at this many ms after the start. */
  beacon(site: string, session: string, afterMs: number, events: readonly Partial<BeaconEvent>[], more?: Partial<Beacon>): number;
  tickAll(afterMs: number): void;
  closeAll(afterMs: number): void;
  highs(): number[];
};

/** An empty log whose append times are given, so that every run over it is the same. */
export function createTestLog(partitions = 2, batchRecordsMax = 7): TestLog {
  const log = createMemoryLog({ partitions, clock: systemClock, batchRecordsMax });
  const codec = testCodec();
  const all = (afterMs: number, value: Buffer): void => {
    for (let partition = 0; partition < partitions; partition++)
      log.appendRaw(partition, { key: null, value, appendAt: START_AT + afterMs });
  };
  return {
    log,
    partitions,
    beacon(site, session, afterMs, events, more = {}) {
      const key = Buffer.from(recordKey(site, session));
      const beacon: Beacon = {
        site,
        session,
        video: 'intro',
        protocol: 'native',
        receivedAt: START_AT + afterMs,
        sentAt: START_AT + afterMs,
        baseAt: START_AT,
        context: { ...UNKNOWN_CONTEXT, title: 'Intro', durationMs: 60_000, live: 0, country: 'NL', browser: 'Firefox', source: 'news' },
        events: events.map((event) => ({ type: 'heartbeat', seq: -1, at: afterMs, positionMs: -1, detail: null, ...event })),
        rejects: [],
        ignoredFields: 0,
        ...more,
      };
      const partition = partitionOf(key, partitions);
      log.appendRaw(partition, { key, value: codec.encodeBeacon(beacon, key), appendAt: START_AT + afterMs });
      return partition;
    },
    tickAll: (afterMs) => all(afterMs, codec.encodeTick({ instance: 'gateway' })),
    closeAll: (afterMs) => all(afterMs, codec.encodeControl({ command: 'close_all', site: '', protocol: '', settings: {} })),
    highs: () => Array.from({ length: partitions }, (_, partition) => log.records(partition).length),
  };
}

/** Sessions that play, jump, repeat themselves, send custom events, end late; at the end everything is closed. */
export function fillLog(test: TestLog, sessions = 12): void {
  for (let round = 0; round < 4; round++) {
    for (let n = 0; n < sessions; n++) {
      const at = round * 5_000 + n * 10;
      const seq = round * 2;
      const events: Partial<BeaconEvent>[] =
        round === 0
          ? [
              { seq: 0, type: 'attempt', at, positionMs: 0 },
              { seq: 1, type: 'playing', at: at + 300 + n, positionMs: 0 },
            ]
          : [
              { seq, at: at - 2_000, positionMs: round * 5_000 - 2_300 - n },
              round === 2
                ? { seq: seq + 1, type: 'custom', at: at - 1_000, detail: { ...UNKNOWN_DETAIL, name: 'chapter', text: '{"n":2}' } }
                : { seq: seq + 1, at: at - 1_000, positionMs: round * 5_000 - 1_300 - n },
            ];
      test.beacon('site', `session${n}`, at, events);
      if (n % 4 === 0) test.beacon('site', `session${n}`, at + 5, events);
    }
    test.tickAll(round * 5_000 + 4_000);
  }
  for (let n = 0; n < sessions; n += 3)
    test.beacon('site', `session${n}`, 21_000 + n, [{ seq: 8, type: 'leave', at: 20_500, positionMs: 15_000 }]);
  test.beacon('site', 'broken', 21_100, [], {
    rejects: [{ index: 0, seq: -1, reason: 'bad_type', detail: 'what', payload: '{"a":"\\u0000"}' }],
  });
  test.log.appendRaw(0, { key: null, value: Buffer.from('poison'), appendAt: START_AT + 21_200 });
  for (let after = 25_000; after <= 45_000; after += 5_000) test.tickAll(after);
  // A copy and a straggler of sessions that were left: a duplicate after the seal, and a supplement.
  test.beacon('site', 'session0', 46_000, [{ seq: 8, type: 'leave', at: 20_500, positionMs: 15_000 }]);
  test.beacon('site', 'session3', 46_100, [{ seq: 9, type: 'heartbeat', at: 22_000, positionMs: 16_000 }]);
  test.tickAll(50_000);
  test.closeAll(51_000);
  test.tickAll(55_000);
}

/** Dies at a chosen call: nothing it asked for afterwards is answered, its sockets are gone, its timers never fire. */
export type Mortality = { dieAt: number; when: 'before' | 'after' };
export type Mortal = { calls: number; alive: boolean; trace: string[]; died: Promise<void> };

const never = <T>(): Promise<T> => new Promise<T>(() => {});

export type RunOptions = {
  test: TestLog;
  url: string;
  instance?: string;
  group?: string;
  task?: Partial<TaskSettings>;
  settings?: Partial<FoldSettings>;
  limits?: Partial<WriterLimits>;
  mortality?: Mortality;
  wrapDatabase?: (database: Database) => Database;
  wrapAdmin?: (admin: LogAdmin) => LogAdmin;
  metrics?: Partial<ProcessorMetrics>;
  learnSchema?: (id: number) => Promise<void>;
  codec?: Codec;
  warmMs?: number;
  frozenWriterMs?: number;
  setAsideDuplicates?: boolean;
  scheduler?: Scheduler;
};

export type RunningProcessor = {
  processor: Processor;
  consumer: MemoryConsumer;
  mortal: Mortal;
  fatal: Error[];
  /** Frozen writers this one has ended. */
  terminated: string[];
  logs: string[];
  /** As kill -9. */
  die(): void;
  stop(): Promise<void>;
};

const FAST: TaskSettings = {
  flushIntervalMs: 3,
  flushOutputsMax: 1_000,
  bufferOutputsMax: 2_000,
  bufferBytesMax: 1_000_000,
  provisionalIntervalMs: 1,
  provisionalRowsPerSecondMax: 100_000,
  snapshotIntervalMs: 15,
  snapshotSliceMs: 0,
};

let groups = 0;
const alive = new Set<RunningProcessor>();

/** Ends every processor that a test left running, as after its failure. */
export function killAll(): void {
  for (const running of alive) running.die();
  alive.clear();
}

/** Starts a processor over the log. Each one has a group of its own unless one is named. */
export async function runProcessor(options: RunOptions): Promise<RunningProcessor> {
  const { test, url } = options;
  const instance = options.instance ?? 'p1';
  groups += 1;
  const group = options.group ?? `group${groups}`;
  const consumer = test.log.consumer(group, instance);
  const { mortal, wrap, onDeath, die } = createMortal(options.mortality, consumer);
  const logs: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void logs.push(line) });
  const raw = createDatabase({ url, instance, ...(options.limits === undefined ? {} : { limits: options.limits }) });
  onDeath(() => void raw.close());
  const database = mortalDatabase(options.wrapDatabase?.(raw) ?? raw, wrap);
  const adminPort = options.wrapAdmin?.(test.log.admin) ?? test.log.admin;
  const admin: LogAdmin = {
    partitionCount: () => wrap('partitionCount', () => adminPort.partitionCount()),
    bounds: (partition) => wrap('bounds', () => adminPort.bounds(partition)),
    fetchOne: (partition, offset) => wrap('fetchOne', () => adminPort.fetchOne(partition, offset)),
    close: () => adminPort.close(),
  };
  const settings = { ...FOLD_SETTINGS_DEFAULT, ...options.settings };
  const codec = options.codec ?? testCodec();
  const writers = createWriters({ database, connectionsMax: 2 });
  const fatal: Error[] = [];
  const terminated: string[] = [];
  const processor = createProcessor({
    clock: systemClock,
    scheduler: mortalScheduler(options.scheduler ?? systemScheduler, mortal, wrap, onDeath),
    logger,
    metrics: { ...NO_METRICS, ...options.metrics },
    admin,
    consumer,
    writers,
    codec,
    learnSchema: options.learnSchema ?? (async (id) => Promise.reject(new Error(`no schema ${id}`))),
    snapshotSchemaId: TEST_SCHEMA_IDS.snapshot,
    partitions: test.partitions,
    settings,
    configHash: configHashOf(settings, test.partitions),
    foldVersion: FOLD_VERSION,
    group,
    instance,
    task: { ...FAST, ...options.task },
    warmMs: options.warmMs ?? 60_000,
    frozenWriterMs: options.frozenWriterMs ?? 10_000,
    setAsideDuplicates: options.setAsideDuplicates ?? false,
    onHolderTerminated: (holder) => void terminated.push(holder.application_name),
    onFatal: (error) => void fatal.push(error),
  });
  await processor.start();
  const running: RunningProcessor = {
    processor,
    consumer,
    mortal,
    fatal,
    terminated,
    logs,
    die,
    async stop() {
      await processor.stop();
      await raw.close();
      alive.delete(running);
    },
  };
  alive.add(running);
  return running;
}

type Wrap = <T>(name: string, run: () => Promise<T>) => Promise<T>;

function createMortal(mortality: Mortality | undefined, consumer: MemoryConsumer) {
  const endings: (() => void)[] = [];
  let announce: () => void = () => {};
  const mortal: Mortal = { calls: 0, alive: true, trace: [], died: new Promise((resolve) => (announce = resolve)) };
  const die = (): void => {
    if (!mortal.alive) return;
    mortal.alive = false;
    consumer.kill();
    for (const end of endings) end();
    announce();
  };
  const wrap: Wrap = async (name, run) => {
    if (!mortal.alive) return never();
    mortal.calls += 1;
    const fatal = mortality !== undefined && mortal.calls === mortality.dieAt;
    mortal.trace.push(name);
    if (fatal && mortality.when === 'before') {
      die();
      return never();
    }
    try {
      const result = await run();
      if (fatal) die();
      return mortal.alive ? result : never();
    } catch (thrown) {
      if (!mortal.alive) return never();
      throw thrown;
    }
  };
  return { mortal, wrap, die, onDeath: (end: () => void) => void endings.push(end) };
}

function mortalScheduler(inner: Scheduler, mortal: Mortal, wrap: Wrap, onDeath: (end: () => void) => void): Scheduler {
  return {
    ...inner,
    after(ms, run) {
      const cancel = inner.after(ms, () => (mortal.alive ? run() : undefined));
      onDeath(cancel);
      return cancel;
    },
    sleep: (ms) => wrap('sleep', () => inner.sleep(ms)),
    yield: () => wrap('yield', () => inner.yield()),
  };
}

function mortalDatabase(database: Database, wrap: Wrap): Database {
  return {
    connect: (role) => wrap('connect', async () => mortalConnection(await database.connect(role), wrap)),
    close: () => database.close(),
  };
}

function mortalConnection(connection: DatabaseConnection, wrap: Wrap): DatabaseConnection {
  return {
    query: (statement, params) => wrap(statement.name, () => connection.query(statement, params)),
    copy: (payload) => wrap(`copy ${payload.table}`, () => connection.copy(payload)),
    begin: () => wrap('begin', () => connection.begin()),
    commit: () => wrap('commit', () => connection.commit()),
    rollback: () => wrap('rollback', () => connection.rollback()),
    destroy: () => connection.destroy(),
  };
}

/** A connection that may lose its database: a poll can outlive the test that asked. */
async function connectTo(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Runs statements on a connection of its own. */
export async function sql<R = Record<string, unknown>>(url: string, text: string, values: unknown[] = []): Promise<R[]> {
  const client = await connectTo(url);
  try {
    return (await client.query(text, values)).rows as R[];
  } finally {
    await client.end();
  }
}

/** What every processor is doing, for the message of a test that waited in vain. */
const situation = (): string =>
  [...alive]
    .map(({ processor, logs, mortal }) =>
      [JSON.stringify(processor.views()), ...logs.slice(-8), mortal.trace.slice(-20).join(', ')].join('\n'),
    )
    .join('\n\n');

/** Waits until a condition holds; fails with what it last saw. */
export async function until(what: string, holds: () => Promise<boolean> | boolean, timeoutMs = 30_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}\n${situation()}`);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}

/** Waits until every record of the log is in the database. */
export async function untilFolded(test: TestLog, url: string, timeoutMs = 30_000): Promise<void> {
  const client = await connectTo(url);
  try {
    await until(
      'all records folded',
      async () => {
        const { rows } = await client.query('SELECT partition, next_offset::int AS at FROM partition_progress');
        const at = new Map(rows.map((row) => [row.partition, row.at]));
        return test.highs().every((high, partition) => high === 0 || at.get(partition) === high);
      },
      timeoutMs,
    );
  } finally {
    await client.end();
  }
}

const COMPARED = [
  'sessions',
  'watch_sections',
  'custom_events',
  'dead_letters',
  'duplicate_counts',
  'beacons',
  'rollup_daily',
  'rollup_hourly',
  'rollup_engagement',
  'rollup_events_hourly',
  'rollup_events_daily',
  'open_sessions',
] as const;

/** Everything that is a function of the log, as sorted text (I6): all columns but epoch and writer. */
export async function contents(url: string): Promise<Record<string, string[]>> {
  const client = await connectTo(url);
  try {
    const found: Record<string, string[]> = {};
    for (const table of COMPARED) {
      const { rows } = await client.query(`SELECT (to_jsonb(t) - 'epoch' - 'writer')::text AS row FROM ${table} t ORDER BY 1`);
      found[table] = rows.map((row: { row: string }) => row.row);
    }
    const progress = await client.query(
      `SELECT (to_jsonb(t) - 'epoch' - 'claim_token' - 'updated_at')::text AS row FROM partition_progress t ORDER BY partition`,
    );
    found['partition_progress'] = progress.rows.map((row: { row: string }) => row.row);
    return found;
  } finally {
    await client.end();
  }
}
