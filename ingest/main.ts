// The ingest gateway as a process: reads the settings, builds the adapters, starts the gateway and the metrics port.

import { systemClock, systemScheduler } from '../infra/runtime/clock.ts';
import { loadConfig } from '../infra/runtime/config.ts';
import { createLogAdmin, createLogWriter } from '../infra/runtime/kafka.ts';
import { configOrExit, runService } from '../infra/runtime/lifecycle.ts';
import { createLogger } from '../infra/runtime/log.ts';
import { createMetricsRegistry, startMetricsServer } from '../infra/runtime/metrics.ts';
import { createReadPool } from '../infra/runtime/postgres.ts';
import { createSchemaIdStore } from '../infra/runtime/schema-ids.ts';
import { createCodec, resolveSchemaIds } from '../schemas/codec.ts';
import { ingestConfigSpec } from './config.ts';
import { startGateway } from './gateway.ts';
import { loadPageScript, loadSdk } from './sdk-files.ts';

const POOL_SIZE = 2;
const STATEMENT_TIMEOUT_MS = 5_000;

const config = configOrExit(() => loadConfig(ingestConfigSpec, process.env));
const logger = createLogger({ service: 'ingest', instance: config.instance, level: config.logLevel });

await runService({
  name: 'ingest',
  logger,
  config,
  async start(fail) {
    const scheduler = systemScheduler;
    const registry = createMetricsRegistry({ service: 'ingest', version: process.env['npm_package_version'] ?? 'unknown', commit: '' });
    const pool = createReadPool({
      url: config.databaseUrl,
      applicationName: `playhead:ingest:${config.instance}`,
      poolSize: POOL_SIZE,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      // Salts of viewer keys and verified schema ids are written.
      readOnly: false,
      onError: (error) => logger.warn({ error: error.message }, 'a database connection was lost'),
    });
    const log = { brokers: config.kafkaBrokers, clientId: config.instance, logger, topic: config.topic, scheduler };
    const [ids, sdk, pageScript] = await Promise.all([
      resolveSchemaIds({
        registryUrl: config.schemaRegistryUrl,
        topic: config.topic,
        mode: config.schemaMode,
        store: createSchemaIdStore({ query: pool.query, logger }),
      }),
      loadSdk(logger),
      loadPageScript(logger),
    ]);
    const writer = createLogWriter({
      ...log,
      partitions: config.partitions,
      registry,
      settings: { appendTimeoutMs: config.deadlineMs - 1 },
    });
    const admin = createLogAdmin(log);
    const gateway = await startGateway({
      config,
      logger,
      registry,
      clock: systemClock,
      scheduler,
      writer,
      checkTopic: () => admin.checkTopic({ partitions: config.partitions, singleNode: config.singleNode }),
      codec: createCodec(ids),
      query: pool.query,
      sdk,
      pageScript,
      fail,
    });
    const metrics = await startMetricsServer({ registry, host: config.metricsHost, port: config.metricsPort, health: gateway.health });
    logger.info({ address: gateway.address, metrics: metrics.address }, 'taking beacons');
    return {
      async stop() {
        await gateway.stop();
        await Promise.all([writer.close(), admin.close(), metrics.close(), pool.close()]);
      },
    };
  },
});
