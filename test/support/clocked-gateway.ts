// A gateway of a running test system whose clock the test sets: everything else is real, the broker and the database included. What takes
// minutes in life can then be told by protocols without a client clock as fast as it can be sent.
import { pino } from 'pino';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { loadConfig } from '../../infra/runtime/config.ts';
import { createLogAdmin, createLogWriter } from '../../infra/runtime/kafka.ts';
import { createMetricsRegistry } from '../../infra/runtime/metrics.ts';
import { createReadPool } from '../../infra/runtime/postgres.ts';
import { ingestConfigSpec } from '../../ingest/config.ts';
import { startGateway } from '../../ingest/gateway.ts';
import { createCodec } from '../../schemas/codec.ts';
import { until } from './gateway.ts';
import type { TestSystem } from './system.ts';

export type ClockedGateway = {
  /** Address with scheme and port. */
  url: string;
  /** Sets the gateway's wall clock, epoch ms. */
  set(nowMs: number): void;
  stop(): Promise<void>;
};

/** Starts on a free port; resolves when it is ready. Always stop() it, before the system. */
export async function startClockedGateway(system: TestSystem, nowMs: number, env: Record<string, string> = {}): Promise<ClockedGateway> {
  let now = nowMs;
  const config = loadConfig(ingestConfigSpec, {
    KAFKA_BROKERS: system.brokers.join(','),
    SCHEMA_REGISTRY_URL: system.registry,
    DATABASE_URL: system.database,
    PLAYHEAD_TOPIC: system.topic,
    PLAYHEAD_PARTITIONS: String(system.partitions),
    PLAYHEAD_SINGLE_NODE: 'true',
    PLAYHEAD_INGEST_HOST: '127.0.0.1',
    PLAYHEAD_INGEST_PORT: '0',
    PLAYHEAD_INGEST_KEYS_REFRESH_MS: '100',
    PLAYHEAD_INGEST_PREFIX_REQUESTS_PER_SECOND: '10000',
    PLAYHEAD_INGEST_PREFIX_BURST: '10000',
    ...env,
  });
  const logger = pino({ level: 'silent' });
  const registry = createMetricsRegistry({ service: 'ingest', version: '0', commit: '' });
  const pool = createReadPool({
    url: config.databaseUrl,
    applicationName: 'playhead:ingest:clocked',
    poolSize: 2,
    statementTimeoutMs: 5_000,
    readOnly: false,
    onError: () => undefined,
  });
  const log = { brokers: config.kafkaBrokers, clientId: 'clocked', logger, topic: config.topic, scheduler: systemScheduler };
  const writer = createLogWriter({ ...log, partitions: config.partitions, registry });
  const admin = createLogAdmin(log);
  const gateway = await startGateway({
    config,
    logger,
    registry,
    clock: { now: () => now },
    scheduler: systemScheduler,
    writer,
    checkTopic: () => admin.checkTopic({ partitions: config.partitions, singleNode: config.singleNode }),
    codec: createCodec(system.schemaIds),
    query: pool.query,
    sdk: undefined,
    fail: (error) => {
      throw error;
    },
  });
  await until(async () => gateway.health().ready, 30_000);
  return {
    url: `http://127.0.0.1:${gateway.address.port}`,
    set: (ms) => {
      now = ms;
    },
    async stop() {
      await gateway.stop();
      await Promise.all([writer.close(), admin.close(), pool.close()]);
    },
  };
}
