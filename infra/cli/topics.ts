// The topic and the schemas: made once before the services start, checked at any time.
import type { Logger } from 'pino';
import { resolveDomainSchemaIds, resolveSchemaIds, type SchemaIds } from '../../schemas/codec.ts';
import { messageOf, PlayheadError } from '../runtime/errors.ts';
import { createLogAdmin } from '../runtime/kafka.ts';
import type { Scheduler } from '../runtime/ports.ts';
import type { ReadPool } from '../runtime/postgres.ts';
import { createSchemaIdStore } from '../runtime/schema-ids.ts';
import type { CliConfig } from './config.ts';

const HOUR_MS = 3_600_000;

export type TopicDeps = {
  config: Pick<CliConfig, 'kafkaBrokers' | 'schemaRegistryUrl' | 'topic' | 'partitions' | 'singleNode' | 'retentionHours'> &
    Partial<Pick<CliConfig, 'domainEventsTopic'>>;
  logger: Logger;
  scheduler: Scheduler;
};

/** Makes the topic unless it exists, checks it, and lets the broker make its internal topics. Answers whether it was made. @throws PlayheadError ERR_TOPIC, ERR_LOG_UNAVAILABLE. */
export async function prepareTopic(deps: TopicDeps, topic = deps.config.topic): Promise<boolean> {
  const { config } = deps;
  const admin = createLogAdmin({
    brokers: config.kafkaBrokers,
    clientId: 'playhead-cli',
    logger: deps.logger,
    topic,
    scheduler: deps.scheduler,
  });
  try {
    const made = await admin.createTopic({
      partitions: config.partitions,
      singleNode: config.singleNode,
      retentionMs: config.retentionHours * HOUR_MS,
    });
    await admin.checkTopic({ partitions: config.partitions, singleNode: config.singleNode });
    await admin.warmUpGroupCoordinator();
    return made;
  } finally {
    await admin.close();
  }
}

/** Throws what is wrong with the topic. @throws PlayheadError ERR_TOPIC, ERR_LOG_UNAVAILABLE. */
export async function checkTopic(deps: TopicDeps, topic = deps.config.topic): Promise<void> {
  const { config } = deps;
  const admin = createLogAdmin({
    brokers: config.kafkaBrokers,
    clientId: 'playhead-cli',
    logger: deps.logger,
    topic,
    scheduler: deps.scheduler,
  });
  await admin.checkTopic({ partitions: config.partitions, singleNode: config.singleNode }).finally(() => admin.close());
}

/** Registers the schemas (or only looks them up) and remembers their ids in the database if one is given. @throws PlayheadError ERR_SCHEMAS. */
export async function prepareSchemas(deps: TopicDeps & { mode: 'register' | 'verify'; pool?: ReadPool }): Promise<SchemaIds> {
  const { config, pool } = deps;
  const options = {
    registryUrl: config.schemaRegistryUrl,
    mode: deps.mode,
    ...(pool ? { store: createSchemaIdStore({ query: pool.query, logger: deps.logger }) } : {}),
  };
  const topic = config.domainEventsTopic ?? '';
  const resolve = async (): Promise<SchemaIds> => {
    if (topic !== '') await resolveDomainSchemaIds({ ...options, topic });
    return resolveSchemaIds({ ...options, topic: config.topic });
  };
  return resolve().catch((error: unknown) => {
    throw new PlayheadError('ERR_SCHEMAS', messageOf(error), { cause: error });
  });
}
