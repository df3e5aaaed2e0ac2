// Keeps one producer of one topic alive (K23): ready only after a metadata answer, replaced with its sockets when nothing gets
// through any more (K25).
import { CompressionTypes, type Producer } from 'kafkajs';
import type { Logger } from 'pino';
import { messageOf, PlayheadError } from './errors.ts';
import { batchBytes, createCheckedAppender, type ProduceAnswer, type SendRecords } from './kafka-append.ts';
import { type KafkaClient, type KafkaConnection, type KafkaPatience, openKafka, SHORT_PATIENCE } from './kafka-client.ts';
import type { LogWriterMetrics } from './kafka-metrics.ts';
import type { Cancel, LogWriter, RecordToAppend, Scheduler } from './ports.ts';

export type LogWriterSettings = {
  /** From append to its answer. */
  appendTimeoutMs: number;
  resendPauseMs: number;
  /** Failing for this long without one success: build a new producer (K25). */
  stallRebuildMs: number;
  /** gzip costs about 15 us a record, so it is a choice; smaller batches than GZIP_BYTES_MIN stay plain. */
  compression: 'none' | 'gzip';
  batchBytesMax: number;
  patience: KafkaPatience;
};

/** Below the topic's max.message.bytes of 256 kB (K18). */
export const APPEND_BATCH_BYTES_MAX = 240 * 1024;

export const LOG_WRITER_DEFAULTS: LogWriterSettings = {
  appendTimeoutMs: 8000,
  resendPauseMs: 100,
  stallRebuildMs: 10_000,
  compression: 'none',
  batchBytesMax: APPEND_BATCH_BYTES_MAX,
  patience: SHORT_PATIENCE,
};

const GZIP_BYTES_MIN = 1024;
const WATCHDOG_INTERVAL_MS = 1000;
const METADATA_AGE_MAX_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;
const REBUILD_PAUSE_MS = 500;

export type LogWriterDeps = {
  connection: KafkaConnection;
  topic: string;
  partitions: number;
  scheduler: Scheduler;
  metrics: LogWriterMetrics;
  settings: LogWriterSettings;
};

/** A LogWriter that can be waited for. */
export type KafkaLogWriter = LogWriter & {
  /** Resolves once ready; rejects with ERR_LOG_UNAVAILABLE after the timeout. */
  whenReady(timeoutMs: number): Promise<void>;
};

/** Starts connecting at once and goes on trying until closed. */
export function startLogWriter(deps: LogWriterDeps): KafkaLogWriter {
  const keeper = new ProducerKeeper(deps);
  const append = createCheckedAppender({
    send: sendThrough(deps, keeper),
    scheduler: deps.scheduler,
    partitions: deps.partitions,
    appendTimeoutMs: deps.settings.appendTimeoutMs,
    resendPauseMs: deps.settings.resendPauseMs,
    batchBytesMax: deps.settings.batchBytesMax,
    hooks: {
      acknowledged: () => keeper.noteSuccess(),
      failed(reason) {
        deps.metrics.failed(reason);
        if (reason !== 'refused' && reason !== 'hopeless') keeper.noteFailure();
      },
      called: deps.metrics.called,
    },
  });
  return {
    append: (batches) => (keeper.ready() ? append(batches) : Promise.resolve(unavailable(batches))),
    ready: () => keeper.ready(),
    whenReady: (timeoutMs) => keeper.whenReady(timeoutMs),
    close: () => keeper.close(),
  };
}

function unavailable(batches: ReadonlyMap<number, readonly RecordToAppend[]>): Awaited<ReturnType<LogWriter['append']>> {
  const error = new PlayheadError('ERR_LOG_UNAVAILABLE', 'no connection to Kafka; nothing was sent');
  return new Map([...batches].filter(([, records]) => records.length > 0).map(([partition]) => [partition, { outcome: 'unknown', error }]));
}

function sendThrough(deps: LogWriterDeps, keeper: ProducerKeeper): SendRecords {
  const { topic, settings } = deps;
  return async (batches) => {
    const producer = keeper.producer();
    if (producer === undefined) throw new PlayheadError('ERR_LOG_UNAVAILABLE', 'no connection to Kafka');
    const messages = [];
    let largestBytes = 0;
    for (const [partition, records] of batches) {
      if (settings.compression === 'gzip') largestBytes = Math.max(largestBytes, batchBytes(records));
      for (const { key, value } of records) messages.push({ partition, key, value });
    }
    const answers = await producer.sendBatch({
      acks: -1,
      timeout: settings.patience.requestTimeoutMs,
      compression: largestBytes > GZIP_BYTES_MIN ? CompressionTypes.GZIP : CompressionTypes.None,
      topicMessages: [{ topic, messages }],
    });
    return answers.filter((answer) => answer.topicName === topic) satisfies ProduceAnswer[];
  };
}

type Live = { client: KafkaClient; producer: Producer };

class ProducerKeeper {
  private readonly deps: LogWriterDeps;
  private readonly logger: Logger;
  private readonly stopWatchdog: Cancel;
  private readonly waiting = new Set<() => void>();
  private live: Live | undefined;
  private failingSince: number | undefined;
  private closed = false;
  private building: Promise<void>;

  constructor(deps: LogWriterDeps) {
    this.deps = deps;
    this.logger = deps.connection.logger;
    this.stopWatchdog = deps.scheduler.every(WATCHDOG_INTERVAL_MS, () => this.watch());
    this.building = this.build();
  }

  ready(): boolean {
    return this.live !== undefined;
  }

  producer(): Producer | undefined {
    return this.live?.producer;
  }

  noteSuccess(): void {
    this.failingSince = undefined;
  }

  noteFailure(): void {
    this.failingSince ??= this.deps.scheduler.monotonicMs();
  }

  whenReady(timeoutMs: number): Promise<void> {
    if (this.ready()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = () => {
        cancel();
        this.waiting.delete(done);
        resolve();
      };
      const cancel = this.deps.scheduler.after(timeoutMs, () => {
        this.waiting.delete(done);
        const brokers = this.deps.connection.brokers.join(', ');
        reject(new PlayheadError('ERR_LOG_UNAVAILABLE', `no metadata of topic ${this.deps.topic} from ${brokers} in ${timeoutMs} ms`));
      });
      this.waiting.add(done);
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.stopWatchdog();
    const { live } = this;
    this.live = undefined;
    if (live !== undefined) await live.client.close([() => live.producer.disconnect()]);
    await this.building;
  }

  private watch(): void {
    const { live, failingSince } = this;
    if (live === undefined || failingSince === undefined) return;
    if (this.deps.scheduler.monotonicMs() - failingSince < this.deps.settings.stallRebuildMs) return;
    this.logger.warn({ topic: this.deps.topic }, 'nothing gets through to Kafka any more: building a new producer');
    this.deps.metrics.rebuilt();
    this.live = undefined;
    void this.dispose(live);
    this.building = this.build();
  }

  private async build(): Promise<void> {
    while (!this.closed) {
      const live = this.create();
      try {
        await this.connect(live);
        if (this.closed) return await this.dispose(live);
        this.failingSince = undefined;
        this.live = live;
        for (const done of [...this.waiting]) done();
        return;
      } catch (error) {
        void this.dispose(live);
        this.logger.warn({ topic: this.deps.topic, error: messageOf(error) }, 'no metadata from Kafka yet; trying again');
        await this.deps.scheduler.sleep(REBUILD_PAUSE_MS);
      }
    }
  }

  private create(): Live {
    const client = openKafka(this.deps.connection, this.deps.settings.patience, this.deps.scheduler);
    const producer = client.kafka.producer({
      idempotent: false,
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_AGE_MAX_MS,
      createPartitioner: () => (args) => args.message.partition as number,
    });
    return { client, producer };
  }

  /** connect() alone may succeed against a network that swallows everything; sending no records asks for the topic's metadata. */
  private async connect({ client, producer }: Live): Promise<void> {
    const cancel = this.deps.scheduler.after(CONNECT_TIMEOUT_MS, () => client.destroySockets(new Error('no metadata answer in time')));
    try {
      await producer.connect();
      await producer.sendBatch({ acks: -1, topicMessages: [{ topic: this.deps.topic, messages: [] }] });
    } finally {
      cancel();
    }
  }

  /** Sockets first: a polite end would wait for answers that never come. */
  private async dispose({ client, producer }: Live): Promise<void> {
    client.destroySockets(new Error('producer replaced'));
    await client.close([() => producer.disconnect()]);
  }
}
