// What the log holds, read past everything under test but the codec: how many copies of every event, and how many per partition.
import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogConsumer } from '../../infra/runtime/kafka.ts';
import type { LogRecord } from '../../infra/runtime/ports.ts';
import { createCodec, schemaText } from '../../schemas/codec.ts';
import { recordKey } from '../../schemas/topics.ts';
import { testLogger } from '../support/log-kafka.ts';
import type { TestSystem } from '../support/system.ts';
import { eventKey } from './load.ts';

export type LogCopies = {
  /** Copies by `session#seq`. */
  copies: ReadonlyMap<string, number>;
  /** Event copies by partition. */
  events: readonly number[];
  /** Records that could not be read, by reason. */
  unreadable: ReadonlyMap<string, number>;
};

const READ_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** Reads every partition from its beginning up to `highs`. */
export async function readLog(system: TestSystem, highs: readonly number[]): Promise<LogCopies> {
  const reading = createReading(system);
  const next = highs.map(() => 0);
  const consumer = createLogConsumer({
    brokers: system.brokers,
    topic: system.topic,
    clientId: 'chaos-reader',
    groupId: `chaos-${randomUUID()}`,
    scheduler: systemScheduler,
    logger: testLogger,
    registry: new Registry(),
    settings: { fetchWaitMs: 50 },
  });
  await consumer.start({
    onAssigned(partitions) {
      consumer.resumeAll();
      for (const partition of partitions) consumer.seek(partition, next[partition] ?? 0);
    },
    async onBatch(batch) {
      for (const record of batch.records) {
        if (record.offset < (next[batch.partition] ?? 0)) continue;
        if (record.offset < (highs[batch.partition] ?? 0)) reading.add(batch.partition, record);
        next[batch.partition] = record.offset + 1;
        batch.resolve(record.offset);
      }
      await batch.heartbeat();
    },
    onHeartbeat() {},
    onCrash() {},
  });
  try {
    const deadline = systemScheduler.monotonicMs() + READ_TIMEOUT_MS;
    while (highs.some((high, partition) => (next[partition] ?? 0) < high)) {
      if (systemScheduler.monotonicMs() > deadline) throw new Error(`the log could not be read: ${next} of ${highs}`);
      await systemScheduler.sleep(POLL_MS);
    }
  } finally {
    await consumer.stop();
  }
  return reading.result;
}

function createReading(system: TestSystem): { add(partition: number, record: LogRecord): void; result: LogCopies } {
  const codec = createCodec(system.schemaIds);
  const copies = new Map<string, number>();
  const unreadable = new Map<string, number>();
  const events = Array.from({ length: system.partitions }, () => 0);
  return {
    result: { copies, events, unreadable },
    add(partition, record) {
      let message = codec.decode(record.key, record.value);
      if (message.kind === 'unknown_schema') {
        // Other ids of the same schema: what this suite registers.
        codec.learn(message.id, schemaText('beacon'));
        message = codec.decode(record.key, record.value);
      }
      if (message.kind === 'tick' || message.kind === 'control') return;
      if (message.kind !== 'beacon') {
        const reason = message.kind === 'bad' ? message.reason : message.kind;
        unreadable.set(reason, (unreadable.get(reason) ?? 0) + 1);
        return;
      }
      const { beacon } = message;
      if (record.key?.toString() !== recordKey(beacon.site, beacon.session)) {
        unreadable.set('wrong_key', (unreadable.get('wrong_key') ?? 0) + 1);
        return;
      }
      events[partition] = (events[partition] ?? 0) + beacon.events.length + beacon.rejects.length;
      for (const { seq } of beacon.events) {
        const key = eventKey(beacon.session, seq);
        copies.set(key, (copies.get(key) ?? 0) + 1);
      }
    },
  };
}
