// The log on Apache Kafka: the only door to kafkajs. Its traps (K1 to K26) are handled in the kafka-*.ts files beside this one.
import type { Registry } from 'prom-client';
import { type KafkaLogAdmin, LOG_ADMIN_DEFAULTS, type LogAdminSettings, openLogAdmin } from './kafka-admin.ts';
import type { KafkaConnection } from './kafka-client.ts';
import { LOG_CONSUMER_DEFAULTS, type LogConsumerSettings, openLogConsumer } from './kafka-consumer.ts';
import { createLogConsumerMetrics, createLogWriterMetrics } from './kafka-metrics.ts';
import { type KafkaLogWriter, LOG_WRITER_DEFAULTS, type LogWriterSettings, startLogWriter } from './kafka-writer.ts';
import type { LogConsumer, Scheduler } from './ports.ts';

type Common = KafkaConnection & { topic: string; scheduler: Scheduler };

/**
 * Writer of one topic: one producer (K23), acks from all in-sync replicas, never idempotent (K2), every answer checked per partition
 * (K1). Connects at once and goes on trying; `ready()` and `whenReady()` tell when it can write. All free partitions of an append go in
 * one call; a partition whose last append is not answered yet waits for its turn.
 */
export function createLogWriter(
  deps: Common & { partitions: number; registry: Registry; settings?: Partial<LogWriterSettings> },
): KafkaLogWriter {
  return startLogWriter({
    connection: deps,
    topic: deps.topic,
    partitions: deps.partitions,
    scheduler: deps.scheduler,
    metrics: createLogWriterMetrics(deps.registry, deps.topic),
    settings: { ...LOG_WRITER_DEFAULTS, ...deps.settings },
  });
}

/** Questions about the topic, its check at start, and its administration. Connects with the first question. */
export function createLogAdmin(deps: Common & { settings?: Partial<LogAdminSettings> }): KafkaLogAdmin {
  return openLogAdmin({
    connection: deps,
    topic: deps.topic,
    scheduler: deps.scheduler,
    settings: { ...LOG_ADMIN_DEFAULTS, ...deps.settings },
  });
}

/** A member of the consumer group, with sticky assignment (K14) and patience for broker restarts (K24). `clientId` names the instance. */
export function createLogConsumer(
  deps: Common & { groupId: string; registry: Registry; settings?: Partial<LogConsumerSettings> },
): LogConsumer {
  return openLogConsumer({
    connection: deps,
    topic: deps.topic,
    groupId: deps.groupId,
    scheduler: deps.scheduler,
    metrics: createLogConsumerMetrics(deps.registry),
    settings: { ...LOG_CONSUMER_DEFAULTS, ...deps.settings },
  });
}
