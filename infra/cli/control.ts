// Control records: an operator's orders, written at one place of every partition's log, so that a replay meets them there too (D11).
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import type { Control } from '../../schemas/beacon.ts';
import { createCodec, type SchemaIds } from '../../schemas/codec.ts';
import { PlayheadError } from '../runtime/errors.ts';
import { createLogAdmin, createLogWriter } from '../runtime/kafka.ts';
import type { Scheduler } from '../runtime/ports.ts';
import type { CliConfig } from './config.ts';

const ATTEMPTS_MAX = 10;
const RETRY_MS = 500;
const READY_TIMEOUT_MS = 15_000;
const POLL_MS = 100;

export type ControlDeps = {
  config: Pick<CliConfig, 'kafkaBrokers' | 'topic' | 'partitions' | 'singleNode'>;
  ids: SchemaIds;
  logger: Logger;
  scheduler: Scheduler;
};

/**
 * Appends the record to every partition and says at which offset. A partition whose answer was lost gets it again: orders are
 * idempotent.
 * @throws PlayheadError ERR_TOPIC, ERR_LOG_UNAVAILABLE naming the partitions that do not have it.
 */
export async function writeControl(deps: ControlDeps, control: Control): Promise<Map<number, number>> {
  const { config, scheduler } = deps;
  const shared = { brokers: config.kafkaBrokers, clientId: 'playhead-cli', logger: deps.logger, topic: config.topic, scheduler };
  const admin = createLogAdmin(shared);
  await admin.checkTopic({ partitions: config.partitions, singleNode: config.singleNode }).finally(() => admin.close());
  const writer = createLogWriter({ ...shared, partitions: config.partitions, registry: new Registry() });
  try {
    const deadline = scheduler.monotonicMs() + READY_TIMEOUT_MS;
    while (!writer.ready() && scheduler.monotonicMs() < deadline) await scheduler.sleep(POLL_MS);
    const value = createCodec(deps.ids).encodeControl(control);
    const written = new Map<number, number>();
    for (let attempt = 0; attempt < ATTEMPTS_MAX && written.size < config.partitions; attempt++) {
      if (attempt > 0) await scheduler.sleep(RETRY_MS);
      const missing = Array.from({ length: config.partitions }, (_, partition) => partition).filter((partition) => !written.has(partition));
      const results = await writer.append(new Map(missing.map((partition) => [partition, [{ key: null, value }]])));
      for (const [partition, result] of results) if (result.outcome === 'appended') written.set(partition, result.baseOffset);
    }
    if (written.size < config.partitions) {
      const missing = Array.from({ length: config.partitions }, (_, partition) => partition).filter((partition) => !written.has(partition));
      throw new PlayheadError(
        'ERR_LOG_UNAVAILABLE',
        `Not written to the partitions ${missing.join(', ')}: check Kafka and repeat the command, which does no harm to the others.`,
      );
    }
    return written;
  } finally {
    await writer.close();
  }
}
