// Reads a whole topic as it is now, apart from the processor: which event copies the log really holds.

import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogAdmin, createLogConsumer } from '../../infra/runtime/kafka.ts';
import { createLogger } from '../../infra/runtime/log.ts';
import { createMetricsRegistry } from '../../infra/runtime/metrics.ts';
import type { LogBatch } from '../../infra/runtime/ports.ts';
import type { Beacon } from '../../schemas/beacon.ts';
import { createCodec } from '../../schemas/codec.ts';
import type { TestSystem } from './system.ts';

export type LoggedBeacon = { partition: number; offset: number; appendAt: number; beacon: Beacon };

const READ_TIMEOUT_MS = 60_000;

/** Every beacon of the topic, by partition and offset. @throws if the end is not reached in time or a record is unreadable. */
export async function readLog(system: TestSystem): Promise<LoggedBeacon[]> {
  const log = {
    brokers: system.brokers,
    clientId: 'test-reader',
    logger: createLogger({ service: 'test', instance: 'test', level: 'fatal' }),
    topic: system.topic,
    scheduler: systemScheduler,
  };
  const admin = createLogAdmin(log);
  const ends = await Promise.all(Array.from({ length: system.partitions }, async (_, partition) => (await admin.bounds(partition)).high));
  await admin.close();
  const consumer = createLogConsumer({
    ...log,
    groupId: `test-reader-${systemScheduler.uuid()}`,
    registry: createMetricsRegistry({ service: 'test', version: '0', commit: '' }),
  });
  const codec = createCodec(system.schemaIds);
  const found: LoggedBeacon[] = [];
  const next = ends.map(() => 0);
  const take = ({ partition, records }: LogBatch): void => {
    for (const { offset, appendAt, key, value } of records) {
      if (offset < (next[partition] as number) || offset >= (ends[partition] as number)) continue;
      next[partition] = offset + 1;
      const message = codec.decode(key, value);
      if (message.kind === 'beacon') found.push({ partition, offset, appendAt, beacon: message.beacon });
      else if (message.kind !== 'tick' && message.kind !== 'control') throw new Error(`record ${partition}/${offset} is ${message.kind}`);
    }
  };
  await consumer.start({
    onAssigned(partitions) {
      consumer.resumeAll();
      for (const partition of partitions) consumer.seek(partition, 0);
    },
    async onBatch(batch) {
      take(batch);
      batch.resolve((batch.records.at(-1) as LogBatch['records'][number]).offset);
      await batch.heartbeat();
    },
    onHeartbeat() {},
    onCrash(error) {
      throw error;
    },
  });
  try {
    const deadline = systemScheduler.monotonicMs() + READ_TIMEOUT_MS;
    while (next.some((offset, partition) => offset < (ends[partition] as number))) {
      if (systemScheduler.monotonicMs() > deadline) throw new Error(`read to ${next} of ${ends}`);
      await systemScheduler.sleep(50);
    }
  } finally {
    await consumer.stop();
  }
  return found.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}
