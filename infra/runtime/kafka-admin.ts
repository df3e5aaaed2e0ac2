// Questions about the log that are not consuming it, and the administration of its topic.
//
// kafkajs has no call that reads one record. It hands its cluster object (a public type) to a partition assignor as soon as a
// consumer is made, before anything connects or joins. We make one such consumer, never run it, and ask the partition's leader
// directly: no throw-away group, no rebalance, one fetch request.
import { type Admin, type Cluster, PartitionAssigners } from 'kafkajs';
import type { Logger } from 'pino';
import { messageOf, PlayheadError } from './errors.ts';
import { type KafkaClient, type KafkaConnection, type KafkaPatience, openKafka } from './kafka-client.ts';
import { makeTopic, type NewTopic, readTopicFacts, type TopicExpectation, topicProblems } from './kafka-topic.ts';
import type { LogAdmin, LogBounds, LogRecord, Scheduler } from './ports.ts';

export type LogAdminSettings = {
  /** From a question to its answer, retries over new connections included. */
  answerTimeoutMs: number;
  patience: KafkaPatience;
};

export const LOG_ADMIN_DEFAULTS: LogAdminSettings = {
  answerTimeoutMs: 15_000,
  patience: { retries: 3, retryInitialMs: 100, retryWaitMaxMs: 500, connectionTimeoutMs: 1000, requestTimeoutMs: 5000 },
};

export type LogAdminDeps = { connection: KafkaConnection; topic: string; scheduler: Scheduler; settings: LogAdminSettings };

/** The port's questions and what only operators and tests do. Every call throws ERR_LOG_UNAVAILABLE when Kafka does not answer. */
export type KafkaLogAdmin = LogAdmin & {
  /** Throws ERR_TOPIC listing everything that is wrong with the topic and what to do about it (K26, D29). */
  checkTopic(expected: TopicExpectation): Promise<void>;
  /** False if the topic exists already; it is not changed then. */
  createTopic(wanted: NewTopic): Promise<boolean>;
  deleteTopic(): Promise<void>;
  /** Cuts the records below this offset, as retention would. */
  deleteRecords(partition: number, low: number): Promise<void>;
  /**
   * The next records from this offset on, at least one and at most about 1 MiB of them: those of one answer. Empty at the end of the log,
   * undefined where the log no longer (or not yet) holds the offset.
   */
  fetchFrom(partition: number, offset: number): Promise<readonly LogRecord[] | undefined>;
  /** Positions a group last reported, by partition; partitions without one are absent. For dashboards and tests (D1). */
  reportedPositions(groupId: string): Promise<ReadonlyMap<number, number>>;
  /** Joins and leaves a throw-away group, so that a fresh broker makes its internal topics before anybody needs them. */
  warmUpGroupCoordinator(): Promise<void>;
};

const RETRY_PAUSE_MS = 200;
const FETCH_WAIT_MS = 50;
const FETCH_BYTES_MAX = 1024 * 1024;
const READ_UNCOMMITTED = 0;

/** Connects with the first question; a connection that failed is replaced with the next. */
export function openLogAdmin(deps: LogAdminDeps): KafkaLogAdmin {
  const session = new AdminSession(deps);
  const { topic } = deps;
  return {
    partitionCount: () =>
      session.ask(async ({ cluster }) => {
        await cluster.addTargetTopic(topic);
        await cluster.refreshMetadata();
        return cluster.findTopicPartitionMetadata(topic).length;
      }),
    bounds: (partition) => session.ask(({ cluster }) => readBounds(cluster, topic, partition)),
    fetchOne: async (partition, offset) => {
      const records = await session.ask(({ cluster }) => readFrom(cluster, { topic, partition, offset }));
      return records?.find((record) => record.offset === offset);
    },
    fetchFrom: (partition, offset) => session.ask(({ cluster }) => readFrom(cluster, { topic, partition, offset })),
    close: () => session.close(),
    async checkTopic(expected) {
      const facts = await session.ask(({ admin }) => readTopicFacts(admin, topic));
      if (facts === undefined)
        throw new PlayheadError('ERR_TOPIC', `topic ${topic} does not exist: make it with \`playhead topics create\``);
      const problems = topicProblems(topic, facts, expected);
      if (problems.length > 0) throw new PlayheadError('ERR_TOPIC', problems.join('\n'));
    },
    createTopic: (wanted) => session.ask(({ admin }) => makeTopic({ admin, scheduler: deps.scheduler }, topic, wanted)),
    deleteTopic: () => session.ask(({ admin }) => admin.deleteTopics({ topics: [topic] })),
    deleteRecords: (partition, low) =>
      session.ask(({ admin }) => admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(low) }] })),
    reportedPositions: (groupId) => session.ask(({ admin }) => readPositions(admin, topic, groupId)),
    warmUpGroupCoordinator: () => session.ask((live) => joinOnce(live, deps)),
  };
}

async function readBounds(cluster: Cluster, topic: string, partition: number): Promise<LogBounds> {
  await requirePartition(cluster, topic, partition);
  const offsetAt = async (fromBeginning: boolean): Promise<number> => {
    const [found] = await cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning }]);
    const offset = found?.partitions.find((entry) => entry.partition === partition)?.offset;
    if (offset === undefined) throw new Error(`no offset of partition ${partition} in the answer`);
    return Number(offset);
  };
  return { low: await offsetAt(true), high: await offsetAt(false) };
}

/** kafkajs types a fetch answer as any: this is the part we read. */
type FetchAnswer = {
  responses: Array<{
    partitions: Array<{
      partition: number;
      messages: Array<{ offset: string; timestamp: string; key: Buffer | null; value: Buffer | null; isControlRecord?: boolean }>;
    }>;
  }>;
};

async function readFrom(cluster: Cluster, at: { topic: string; partition: number; offset: number }): Promise<LogRecord[] | undefined> {
  const { topic, partition, offset } = at;
  await requirePartition(cluster, topic, partition);
  const nodeId = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0];
  if (nodeId === undefined) throw new Error(`partition ${partition} has no leader`);
  const broker = await cluster.findBroker({ nodeId });
  try {
    const answer: FetchAnswer = await broker.fetch({
      isolationLevel: READ_UNCOMMITTED,
      maxWaitTime: FETCH_WAIT_MS,
      minBytes: 1,
      maxBytes: FETCH_BYTES_MAX,
      topics: [{ topic, partitions: [{ partition, fetchOffset: String(offset), maxBytes: FETCH_BYTES_MAX }] }],
    });
    const messages = answer.responses.flatMap((response) => response.partitions).flatMap((entry) => entry.messages);
    // The broker answers with the whole record batch around the offset.
    return messages
      .filter((message) => Number(message.offset) >= offset && message.isControlRecord !== true)
      .map((message) => ({ offset: Number(message.offset), appendAt: Number(message.timestamp), key: message.key, value: message.value }));
  } catch (error) {
    if ((error as { type?: unknown }).type === 'OFFSET_OUT_OF_RANGE') return undefined;
    throw error;
  }
}

async function requirePartition(cluster: Cluster, topic: string, partition: number): Promise<void> {
  await cluster.addTargetTopic(topic);
  await cluster.refreshMetadataIfNecessary();
  const known = cluster.findTopicPartitionMetadata(topic);
  if (known.some(({ partitionId }) => partitionId === partition)) return;
  throw new PlayheadError('ERR_LOG_PARTITION', `topic ${topic} has ${known.length} partitions, there is no partition ${partition}`);
}

async function readPositions(admin: Admin, topic: string, groupId: string): Promise<Map<number, number>> {
  const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const known = (answer?.partitions ?? []).filter(({ offset }) => Number(offset) >= 0);
  return new Map(known.map(({ partition, offset }) => [partition, Number(offset)]));
}

async function joinOnce({ client, admin }: LiveAdmin, deps: LogAdminDeps): Promise<void> {
  const groupId = `${deps.connection.clientId}-warm-up-${deps.scheduler.uuid()}`;
  const consumer = client.kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: FETCH_WAIT_MS });
  let crash: Error | undefined;
  let joined = false;
  consumer.on(consumer.events.GROUP_JOIN, () => {
    joined = true;
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) crash = payload.error;
  });
  const deadline = deps.scheduler.monotonicMs() + deps.settings.answerTimeoutMs;
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [deps.topic], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: async () => {} });
    while (!joined) {
      if (crash !== undefined) throw crash;
      if (deps.scheduler.monotonicMs() > deadline) throw new Error('the group coordinator did not become available');
      await deps.scheduler.sleep(RETRY_PAUSE_MS);
    }
  } finally {
    await consumer.disconnect();
  }
  await admin.deleteGroups([groupId]);
}

type LiveAdmin = { client: KafkaClient; admin: Admin; cluster: Cluster };

class AdminSession {
  private readonly deps: LogAdminDeps;
  private readonly logger: Logger;
  private live: Promise<LiveAdmin> | undefined;
  private closed = false;

  constructor(deps: LogAdminDeps) {
    this.deps = deps;
    this.logger = deps.connection.logger;
  }

  /** Runs a question, on a new connection after each failure, until the deadline. Our own errors pass through at once. */
  async ask<T>(question: (live: LiveAdmin) => Promise<T>): Promise<T> {
    const deadline = this.deps.scheduler.monotonicMs() + this.deps.settings.answerTimeoutMs;
    for (;;) {
      if (this.closed) throw new PlayheadError('ERR_LOG_UNAVAILABLE', 'the log admin is closed');
      try {
        return await question(await this.connected());
      } catch (cause) {
        if (cause instanceof PlayheadError) throw cause;
        await this.drop();
        if (this.deps.scheduler.monotonicMs() > deadline) {
          const where = this.deps.connection.brokers.join(', ');
          throw new PlayheadError('ERR_LOG_UNAVAILABLE', `no answer about topic ${this.deps.topic} from ${where}: ${messageOf(cause)}`, {
            cause,
          });
        }
        this.logger.debug({ topic: this.deps.topic, error: messageOf(cause) }, 'Kafka did not answer; trying again on a new connection');
        await this.deps.scheduler.sleep(RETRY_PAUSE_MS);
      }
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.drop();
  }

  private connected(): Promise<LiveAdmin> {
    this.live ??= this.connect();
    return this.live;
  }

  private async connect(): Promise<LiveAdmin> {
    const client = openKafka(this.deps.connection, this.deps.settings.patience, this.deps.scheduler);
    const admin = client.kafka.admin();
    const cluster = clusterOf(client);
    await Promise.all([admin.connect(), cluster.connect()]);
    return { client, admin, cluster };
  }

  private async drop(): Promise<void> {
    const { live } = this;
    this.live = undefined;
    if (live === undefined) return;
    // A connection that was never made has nothing to close.
    const made = await live.catch(() => undefined);
    if (made !== undefined) await made.client.close([() => made.admin.disconnect(), () => made.cluster.disconnect()]);
  }
}

/** The cluster object of a consumer that is never run. */
function clusterOf(client: KafkaClient): Cluster {
  let cluster: Cluster | undefined;
  client.kafka.consumer({
    groupId: 'never-joined',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (config) => {
        cluster = config.cluster;
        return PartitionAssigners.roundRobin(config);
      },
    ],
  });
  if (cluster === undefined) throw new PlayheadError('ERR_LOG_CLIENT', 'kafkajs handed no cluster to the assignor');
  return cluster;
}
