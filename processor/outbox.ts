// The outbox: committed emissions also go to a topic, for other systems. It reads what flushes have committed, never what is still being
// folded, so the topic never knows of a session that the database does not. Append first, then move the position: a crash between the two
// repeats records, and their numbers tell. Two owners of a partition at worst repeat as well: each begins at the position in the database,
// appends without holes, and moves the position only under its claim.
import type { Logger } from 'pino';
import { messageOf } from '../infra/runtime/errors.ts';
import type { LogWriter, RecordToAppend, Scheduler } from '../infra/runtime/ports.ts';
import type { DomainCodec } from '../schemas/codec.ts';
import { retryPauseMs } from './flusher.ts';
import type { OutboxMetrics } from './outbox-metrics.ts';
import { type OutboxRecord, outboxRecords } from './outbox-records.ts';
import { moveOutbox } from './sql/move-outbox.ts';
import { outboxEvents } from './sql/outbox-events.ts';
import { type OutboxPosition, outboxPositions } from './sql/outbox-positions.ts';
import { outboxSessions } from './sql/outbox-sessions.ts';
import type { TaskView } from './task-view.ts';
import type { Writers } from './writers.ts';

export type OutboxSettings = {
  topic: string;
  /** Pause between two rounds while there is nothing to do, ms. */
  intervalMs: number;
  /** Emissions of one partition in one round. */
  emissionsMax: number;
  /** Bytes of one partition in one round; the writer refuses larger batches as a whole. */
  batchBytesMax: number;
};

export const OUTBOX_DEFAULTS: Omit<OutboxSettings, 'topic'> = { intervalMs: 500, emissionsMax: 500, batchBytesMax: 200 * 1024 };

export type OutboxDeps = {
  /** Connections of its own: flushes do not wait for it. */
  writers: Writers;
  /** Of the topic of domain events, which has as many partitions as the log. */
  log: LogWriter;
  codec: DomainCodec;
  scheduler: Scheduler;
  logger: Logger;
  metrics: OutboxMetrics;
  /** What the processor owns. */
  views: () => readonly Pick<TaskView, 'partition' | 'mode' | 'epoch'>[];
  settings: OutboxSettings;
};

export type Outbox = {
  start(): void;
  /** One pass over the partitions owned now; whether there is more to do at once. @throws what database and log throw. */
  round(): Promise<boolean>;
  /** Ends after the round under way. */
  stop(): Promise<void>;
};

/** What one partition publishes in a round: emissions (after, last], of which some have a record. */
type Batch = { position: OutboxPosition; last: number; records: readonly OutboxRecord[] };

const RECORD_OVERHEAD_BYTES = 64;

export function createOutbox(deps: OutboxDeps): Outbox {
  let stopping = false;
  let running: Promise<void> | undefined;
  let known = new Set<number>();

  const owned = (): Map<number, number> =>
    new Map(deps.views().flatMap(({ partition, mode, epoch }) => (mode === 'running' ? [[partition, epoch] as const] : [])));

  const round = async (): Promise<boolean> => {
    const epochs = owned();
    for (const partition of known) if (!epochs.has(partition)) deps.metrics.forget(partition);
    known = new Set(epochs.keys());
    if (epochs.size === 0) return false;
    const positions = await readPositions(deps, epochs);
    // Before anything can fail: what cannot be published must be seen to wait.
    for (const { partition, through, published } of positions) deps.metrics.waiting(partition, through - published);
    if (!deps.log.ready()) return false;
    const batches = await readBatches(deps, positions);
    const more = await publish(deps, batches);
    for (const { position, last } of batches.values()) deps.metrics.waiting(position.partition, position.through - last);
    return more;
  };
  const loop = async (): Promise<void> => {
    for (let failures = 0; !stopping; ) {
      try {
        const more = await round();
        failures = 0;
        if (more) await deps.scheduler.yield();
        else await deps.scheduler.sleep(deps.settings.intervalMs);
      } catch (thrown) {
        deps.metrics.failed();
        deps.logger.warn({ err: messageOf(thrown), topic: deps.settings.topic }, 'the outbox could not go on: trying again');
        await deps.scheduler.sleep(retryPauseMs(deps.scheduler, failures++));
      }
    }
  };
  return {
    start() {
      running ??= loop();
    },
    round,
    async stop() {
      stopping = true;
      await running;
    },
  };
}

/** Of the partitions whose epoch is still ours. */
async function readPositions(deps: OutboxDeps, epochs: ReadonlyMap<number, number>): Promise<OutboxPosition[]> {
  const { topic } = deps.settings;
  const positions = await deps.writers.use((connection) => connection.query(outboxPositions, [topic, [...epochs.keys()]]));
  return positions.filter(({ partition, epoch }) => epoch === epochs.get(partition));
}

async function readBatches(deps: OutboxDeps, positions: readonly OutboxPosition[]): Promise<Map<number, Batch>> {
  const batches = new Map<number, Batch>();
  for (const position of positions)
    batches.set(position.partition, position.through > position.published ? await readBatch(deps, position) : nothing(position));
  return batches;
}

const nothing = (position: OutboxPosition): Batch => ({ position, last: position.published, records: [] });

async function readBatch(deps: OutboxDeps, position: OutboxPosition): Promise<Batch> {
  const { emissionsMax, batchBytesMax } = deps.settings;
  const { partition, published } = position;
  const stretch = [partition, published + 1, Math.min(position.through, published + emissionsMax)] as const;
  const { sessions, events } = await deps.writers.use(async (connection) => ({
    sessions: await connection.query(outboxSessions, [...stretch]),
    events: await connection.query(outboxEvents, [...stretch]),
  }));
  const all = outboxRecords(deps.codec, partition, { sessions, events });
  const fitting = countFitting(all, batchBytesMax);
  const cut = all[fitting];
  return { position, last: cut === undefined ? stretch[2] : cut.seq - 1, records: all.slice(0, fitting) };
}

/** How many of the first records fit into one append; the first always does. */
function countFitting(records: readonly OutboxRecord[], bytesMax: number): number {
  let bytes = 0;
  for (const [i, { record }] of records.entries()) {
    bytes += RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + record.value.length;
    if (bytes > bytesMax && i > 0) return i;
  }
  return records.length;
}

/** Appends, then moves the positions of what was appended. Whether any partition has more. */
async function publish(deps: OutboxDeps, batches: ReadonlyMap<number, Batch>): Promise<boolean> {
  const appends = new Map<number, readonly RecordToAppend[]>();
  for (const [partition, { records }] of batches)
    if (records.length > 0)
      appends.set(
        partition,
        records.map(({ record }) => record),
      );
  const results = appends.size === 0 ? undefined : await deps.log.append(appends);
  let more = false;
  let failure: Error | undefined;
  for (const [partition, batch] of batches) {
    if (batch.last === batch.position.published) continue;
    const result = batch.records.length === 0 ? undefined : results?.get(partition);
    if (batch.records.length > 0 && result?.outcome !== 'appended') {
      failure ??= result?.error ?? new Error(`the log said nothing about partition ${partition}`);
      continue;
    }
    await move(deps, batch);
    more ||= batch.last < batch.position.through;
  }
  if (failure !== undefined) throw failure;
  return more;
}

async function move(deps: OutboxDeps, { position, last, records }: Batch): Promise<void> {
  const { partition, epoch, published } = position;
  const params = [deps.settings.topic, partition, epoch, published, last] as const;
  const moved = await deps.writers.use((connection) => connection.query(moveOutbox, [...params]));
  for (const kind of ['session', 'custom'] as const) {
    const count = records.filter((record) => record.kind === kind).length;
    if (count > 0) deps.metrics.published(kind, count);
  }
  if (moved.length === 0)
    deps.logger.warn({ partition, epoch }, 'the outbox of this partition was moved elsewhere: its last records repeat');
}
