// Between the consumer group and the tasks: assignments become tasks, batches become records. The only place that knows Kafka's
// assignments; everything here that must be synchronous is (K5-K9, K11, K12).
import type { LogBatch, LogConsumer, LogConsumerHandlers } from '../infra/runtime/ports.ts';
import { Slices } from './slices.ts';
import { PartitionTask } from './task.ts';
import type { Ownership, TaskDeps } from './task-deps.ts';
import type { TaskView } from './task-view.ts';

/** Folding gives the event loop a turn, and the group a heartbeat, at least this often. */
const TURN_MS = 8;
/** How many records are folded between two looks at the time. */
const RECORDS_PER_LOOK = 32;

export type ProcessorDeps = Omit<TaskDeps, 'heartbeats' | 'consumer' | 'slices'> & {
  consumer: LogConsumer;
  /** How long a partition that was taken away stays in memory (D28). */
  warmMs: number;
  /** The consumer died for good: the process must go (K12). */
  onFatal: (error: Error) => void;
};

export type Processor = {
  start(): Promise<void>;
  /** Drains, flushes, snapshots, leaves the group (D27). */
  stop(): Promise<void>;
  /** One entry per task, by partition. */
  views(): TaskView[];
  /** Assignments received, -1 before the first. */
  generation(): number;
};

/** Creates the processor over its ports; nothing happens before start(). */
export function createProcessor(deps: ProcessorDeps): Processor {
  const tasks = new Map<number, PartitionTask>();
  const assigned = new Set<number>();
  let heartbeatCount = 0;
  let generation = -1;
  let stopping = false;
  const batches = new Set<Promise<void>>();
  const warm = warmTasks(deps, tasks);
  const slices = new Slices(deps.scheduler, deps.task.snapshotSliceMs);
  const taskDeps: TaskDeps = { ...deps, slices, heartbeats: () => heartbeatCount };

  const take = (partition: number): void => {
    warm.keep(partition);
    let task = tasks.get(partition);
    if (task === undefined) {
      task = new PartitionTask(partition, taskDeps);
      tasks.set(partition, task);
    }
    task.assign();
  };
  const handlers: LogConsumerHandlers = {
    onAssigned(partitions) {
      if (stopping) return;
      generation += 1;
      deps.metrics.rebalanced();
      // A pause outlives a rebalance (K6): everything is resumed, then exactly what is ours paused until it is claimed (K5).
      deps.consumer.resumeAll();
      deps.consumer.pause(partitions);
      assigned.clear();
      for (const partition of partitions) assigned.add(partition);
      for (const [partition, task] of tasks) {
        if (assigned.has(partition)) continue;
        task.lose();
        warm.dropLater(partition);
      }
      for (const partition of partitions) take(partition);
      deps.logger.info({ partitions, generation }, 'assigned');
    },
    onBatch(batch) {
      const task = tasks.get(batch.partition);
      if (stopping || task === undefined || !assigned.has(batch.partition)) return Promise.resolve();
      const done = foldBatch(deps, task, task.ownership, batch);
      batches.add(done);
      return done.finally(() => batches.delete(done));
    },
    onHeartbeat() {
      heartbeatCount += 1;
    },
    onCrash(error, willRestart) {
      deps.metrics.crashed(willRestart);
      deps.logger.error({ err: error, willRestart }, 'the consumer failed');
      if (!willRestart && !stopping) deps.onFatal(error);
    },
  };

  return {
    start: () => deps.consumer.start(handlers),
    async stop() {
      stopping = true;
      deps.consumer.pause([...assigned]);
      await Promise.allSettled([...batches]);
      warm.cancel();
      await Promise.all([...tasks.values()].map((task) => task.stop()));
      await deps.consumer.stop();
      deps.writers.close();
    },
    views: () => [...tasks.values()].map((task) => task.view()).sort((a, b) => a.partition - b.partition),
    generation: () => generation,
  };
}

/** Forgets tasks whose partition did not come back in time (D28). */
function warmTasks(deps: Pick<ProcessorDeps, 'scheduler' | 'warmMs'>, tasks: Map<number, PartitionTask>) {
  const dropping = new Map<number, () => void>();
  return {
    keep(partition: number): void {
      dropping.get(partition)?.();
      dropping.delete(partition);
    },
    dropLater(partition: number): void {
      if (dropping.has(partition)) return;
      const drop = (): void => {
        dropping.delete(partition);
        tasks.delete(partition);
      };
      dropping.set(partition, deps.scheduler.after(deps.warmMs, drop));
    },
    cancel(): void {
      for (const cancel of dropping.values()) cancel();
    },
  };
}

/** Folds what of a batch is still ours. Errors of heartbeat() go to the client at once; our own never get here (K12). */
async function foldBatch(deps: Pick<ProcessorDeps, 'scheduler'>, task: PartitionTask, own: Ownership, batch: LogBatch): Promise<void> {
  task.sawHigh(batch.high, own);
  let turnMs = deps.scheduler.monotonicMs();
  let folded = 0;
  let last = -1;
  for (const record of batch.records) {
    if (task.accept(record, own) === 'stop') {
      if (own.held && last >= 0) batch.resolve(last);
      return;
    }
    last = record.offset;
    folded += 1;
    if (folded % RECORDS_PER_LOOK !== 0 || deps.scheduler.monotonicMs() - turnMs < TURN_MS) continue;
    batch.resolve(last);
    await batch.heartbeat();
    await deps.scheduler.yield();
    turnMs = deps.scheduler.monotonicMs();
  }
  if (!own.held) return;
  batch.resolve(last);
  await batch.heartbeat();
}
