// The outbox with its adapters: the writer of its topic, its schemas, its connection. Off unless a topic is named.
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { systemScheduler } from '../infra/runtime/clock.ts';
import { createLogAdmin, createLogWriter } from '../infra/runtime/kafka.ts';
import type { Database } from '../infra/runtime/ports.ts';
import { createDomainCodec, resolveDomainSchemaIds, type SchemaIdStore } from '../schemas/codec.ts';
import type { ProcessorConfig } from './config.ts';
import { createOutbox, OUTBOX_DEFAULTS, type OutboxDeps } from './outbox.ts';
import { createOutboxMetrics } from './outbox-metrics.ts';
import { createWriters } from './writers.ts';

export type OutboxServiceDeps = {
  config: ProcessorConfig;
  registry: Registry;
  logger: Logger;
  database: Database;
  store: SchemaIdStore;
  views: OutboxDeps['views'];
};

/** Starts publishing what is committed. @throws PlayheadError, Error where the topic or its schemas are not as they must be. */
export async function startOutbox(deps: OutboxServiceDeps): Promise<{ stop(): Promise<void> }> {
  const { config, registry, logger } = deps;
  const topic = config.domainEventsTopic;
  if (topic === '') return { stop: async () => {} };
  const { partitions, singleNode } = config;
  const connection = { brokers: config.kafkaBrokers, clientId: `${config.instance}-outbox`, logger, topic, scheduler: systemScheduler };
  const admin = createLogAdmin(connection);
  await admin.checkTopic({ partitions, singleNode }).finally(() => admin.close());
  const ids = await resolveDomainSchemaIds({ registryUrl: config.schemaRegistryUrl, topic, mode: config.schemaMode, store: deps.store });
  const log = createLogWriter({ ...connection, partitions, registry });
  const writers = createWriters({ database: deps.database, connectionsMax: 1 });
  const outbox = createOutbox({
    writers,
    log,
    codec: createDomainCodec(ids),
    scheduler: systemScheduler,
    logger,
    metrics: createOutboxMetrics(registry),
    views: deps.views,
    settings: { ...OUTBOX_DEFAULTS, topic, intervalMs: config.outboxIntervalMs },
  });
  outbox.start();
  return {
    async stop() {
      await outbox.stop();
      await log.close();
      writers.close();
    },
  };
}
