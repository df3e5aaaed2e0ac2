// A member of the consumer group on kafkajs. What it must live with is K5 to K17 of the client's traps: pauses and seeks outlive a
// rebalance, batches may come late, a programming error ends it for good. It passes the truth on; the caller checks every batch.
import { AssignerProtocol, type Batch, type Consumer, type EachBatchPayload, type PartitionAssigner } from 'kafkajs';
import type { Logger } from 'pino';
import { messageOf, PlayheadError } from './errors.ts';
import { type KafkaClient, type KafkaConnection, type KafkaPatience, LONG_PATIENCE, openKafka, retryOf } from './kafka-client.ts';
import type { LogConsumerMetrics } from './kafka-metrics.ts';
import type { LogConsumer, LogConsumerHandlers, LogRecord, Scheduler } from './ports.ts';
import { type AssignorMember, assignSticky, decodeHeld, encodeHeld, type HeldPartitions } from './sticky-assignor.ts';

export type LogConsumerSettings = {
  /** A member silent for this long is evicted. */
  sessionTimeoutMs: number;
  heartbeatIntervalMs: number;
  rebalanceTimeoutMs: number;
  /** Longest wait of a fetch without records, and the sleep while all is paused (K17). */
  fetchWaitMs: number;
  fetchBytesMax: number;
  partitionFetchBytesMax: number;
  /** A moved leader is noticed after this long (K15). */
  metadataAgeMaxMs: number;
  /** Stopping cleanly may take this long; then the sockets are cut. */
  stopTimeoutMs: number;
  patience: KafkaPatience;
};

export const LOG_CONSUMER_DEFAULTS: LogConsumerSettings = {
  sessionTimeoutMs: 10_000,
  heartbeatIntervalMs: 1000,
  rebalanceTimeoutMs: 60_000,
  fetchWaitMs: 300,
  fetchBytesMax: 8 * 1024 * 1024,
  partitionFetchBytesMax: 512 * 1024,
  metadataAgeMaxMs: 15_000,
  stopTimeoutMs: 10_000,
  patience: LONG_PATIENCE,
};

export type LogConsumerDeps = {
  /** clientId names the instance. */
  connection: KafkaConnection;
  topic: string;
  groupId: string;
  scheduler: Scheduler;
  metrics: LogConsumerMetrics;
  settings: LogConsumerSettings;
};

const ASSIGNOR_NAME = 'playhead-sticky';
const ASSIGNOR_VERSION = 1;

/** Makes a consumer; it connects and joins with start(). One kafkajs instance of its own: it needs the long patience (K24). */
export function openLogConsumer(deps: LogConsumerDeps): LogConsumer {
  return new GroupMember(deps);
}

class GroupMember implements LogConsumer {
  private readonly deps: LogConsumerDeps;
  private readonly logger: Logger;
  private readonly client: KafkaClient;
  private readonly consumer: Consumer;
  private assigned: readonly number[] = [];
  /** What the next join asks to keep: outlives a crash, so that a restart gets its own partitions back if nobody took them. */
  private held: readonly number[] = [];
  private generation = 0;
  private readonly reports = new Map<number, number>();
  private reporting = false;

  constructor(deps: LogConsumerDeps) {
    const { settings } = deps;
    this.deps = deps;
    this.logger = deps.connection.logger;
    this.client = openKafka(deps.connection, settings.patience, deps.scheduler);
    this.consumer = this.client.kafka.consumer({
      groupId: deps.groupId,
      partitionAssigners: [stickyAssigner(deps.topic, () => ({ generation: this.generation, partitions: this.held }))],
      allowAutoTopicCreation: false,
      sessionTimeout: settings.sessionTimeoutMs,
      heartbeatInterval: settings.heartbeatIntervalMs,
      rebalanceTimeout: settings.rebalanceTimeoutMs,
      maxWaitTimeInMs: settings.fetchWaitMs,
      maxBytes: settings.fetchBytesMax,
      maxBytesPerPartition: settings.partitionFetchBytesMax,
      metadataMaxAge: settings.metadataAgeMaxMs,
      // Without this the consumer's own default of five retries would win over the client's (K24).
      retry: retryOf(settings.patience),
    });
  }

  async start(handlers: LogConsumerHandlers): Promise<void> {
    this.listen(handlers);
    try {
      await this.consumer.connect();
      await this.consumer.subscribe({ topics: [this.deps.topic], fromBeginning: true });
    } catch (cause) {
      const where = `topic ${this.deps.topic} on ${this.deps.connection.brokers.join(', ')}`;
      throw new PlayheadError('ERR_LOG_UNAVAILABLE', `cannot read ${where}: ${messageOf(cause)}`, { cause });
    }
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: (payload) => this.deliver(handlers, payload),
    });
  }

  pause(partitions: readonly number[]): void {
    this.onOwned(partitions, (owned) => this.consumer.pause([{ topic: this.deps.topic, partitions: owned }]));
  }

  resume(partitions: readonly number[]): void {
    this.onOwned(partitions, (owned) => this.consumer.resume([{ topic: this.deps.topic, partitions: owned }]));
  }

  /** Without a list: only this form ends a pause of a partition that was lost and came back (K6). */
  resumeAll(): void {
    this.whileRunning(() => this.consumer.resume([{ topic: this.deps.topic }]));
  }

  seek(partition: number, offset: number): void {
    this.onOwned([partition], () => this.consumer.seek({ topic: this.deps.topic, partition, offset: String(offset) }));
  }

  reportPosition(partition: number, nextOffset: number): void {
    if (!this.assigned.includes(partition)) return;
    this.reports.set(partition, nextOffset);
    if (!this.reporting) void this.sendReports();
  }

  async stop(): Promise<void> {
    const cancel = this.deps.scheduler.after(this.deps.settings.stopTimeoutMs, () => {
      this.logger.warn({ group: this.deps.groupId }, 'the group could not be left in time: cutting the connection');
      this.client.destroySockets(new Error('consumer stopped'));
    });
    try {
      await this.consumer.disconnect();
    } catch (error) {
      this.logger.warn({ group: this.deps.groupId, error: messageOf(error) }, 'consumer did not stop cleanly');
    } finally {
      cancel();
      this.assigned = [];
    }
  }

  private listen(handlers: LogConsumerHandlers): void {
    const { events } = this.consumer;
    this.consumer.on(events.GROUP_JOIN, ({ payload }) => {
      const partitions = payload.memberAssignment[this.deps.topic] ?? [];
      this.assigned = partitions.toSorted((a, b) => a - b);
      this.held = this.assigned;
      this.deps.metrics.joined();
      this.logger.info({ group: this.deps.groupId, partitions: this.assigned, tookMs: payload.duration }, 'joined the group');
      handlers.onAssigned(this.assigned);
    });
    this.consumer.on(events.HEARTBEAT, ({ payload }) => {
      this.generation = payload.groupGenerationId;
      handlers.onHeartbeat();
    });
    this.consumer.on(events.CRASH, ({ payload }) => {
      this.assigned = [];
      this.deps.metrics.crashed();
      handlers.onCrash(payload.error, payload.restart);
    });
  }

  private async deliver(handlers: LogConsumerHandlers, { batch, heartbeat, resolveOffset }: EachBatchPayload): Promise<void> {
    await handlers.onBatch({
      partition: batch.partition,
      high: Number(batch.highWatermark),
      records: recordsOf(batch),
      heartbeat,
      // A late batch of a partition that is gone (K8) must not resolve: with no partition left kafkajs would die of a TypeError.
      resolve: (offset) => {
        if (this.assigned.includes(batch.partition)) resolveOffset(String(offset));
      },
    });
  }

  private onOwned(partitions: readonly number[], act: (owned: number[]) => void): void {
    const owned = partitions.filter((partition) => this.assigned.includes(partition));
    if (owned.length > 0) this.whileRunning(() => act(owned));
  }

  /** Between a crash and the restart there is no group to act on; what was set before is gone then, and set anew by onAssigned. */
  private whileRunning(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.logger.debug({ error: messageOf(error) }, 'the consumer is between two lives');
    }
  }

  /** One commit at a time, always the newest positions; failures are left to the next report (D1). */
  private async sendReports(): Promise<void> {
    this.reporting = true;
    while (this.reports.size > 0) {
      const { topic } = this.deps;
      const positions = [...this.reports].map(([partition, offset]) => ({ topic, partition, offset: String(offset) }));
      this.reports.clear();
      try {
        await this.consumer.commitOffsets(positions);
      } catch (error) {
        this.logger.debug({ error: messageOf(error) }, 'group offsets not committed');
      }
    }
    this.reporting = false;
  }
}

function recordsOf(batch: Batch): LogRecord[] {
  return batch.messages.map(({ offset, timestamp, key, value }) => ({
    offset: Number(offset),
    appendAt: Number(timestamp),
    key,
    value,
  }));
}

/** The sticky assignor in the group protocol's clothes: what a member holds travels as user data of its join (K14). */
function stickyAssigner(topic: string, held: () => HeldPartitions): PartitionAssigner {
  return ({ cluster }) => ({
    name: ASSIGNOR_NAME,
    version: ASSIGNOR_VERSION,
    protocol: ({ topics }) => ({
      name: ASSIGNOR_NAME,
      metadata: AssignerProtocol.MemberMetadata.encode({ version: ASSIGNOR_VERSION, topics, userData: encodeHeld(held()) }),
    }),
    async assign({ members }) {
      const known = members.map(({ memberId, memberMetadata }): AssignorMember => {
        const metadata = AssignerProtocol.MemberMetadata.decode(memberMetadata);
        return { id: memberId, held: metadata === null ? undefined : decodeHeld(metadata.userData) };
      });
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
      return [...assignSticky(known, partitions)].map(([memberId, share]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: ASSIGNOR_VERSION,
          assignment: { [topic]: share },
          userData: Buffer.alloc(0),
        }),
      }));
    },
  });
}
