// The processor as a process: reads the settings, builds the adapters, starts folding and the metrics port.
import { systemClock, systemScheduler } from '../infra/runtime/clock.ts';
import { createLogAdmin, createLogConsumer } from '../infra/runtime/kafka.ts';
import { configOrExit, runService } from '../infra/runtime/lifecycle.ts';
import { createLogger } from '../infra/runtime/log.ts';
import { createMetricsRegistry, startMetricsServer } from '../infra/runtime/metrics.ts';
import { createDatabase } from '../infra/runtime/postgres.ts';
import { createSchemaIdStore } from '../infra/runtime/schema-ids.ts';
import { createCodec, fetchSchemaText, resolveSchemaIds } from '../schemas/codec.ts';
import { loadProcessorConfig, resultSettingsOf, taskSettingsOf } from './config.ts';
import { createProcessor, type Processor } from './consumer.ts';
import { FOLD_VERSION } from './core/partition.ts';
import { healthOf } from './health.ts';
import { createProcessorMetrics } from './metrics.ts';
import { startOutbox } from './outbox-service.ts';
import { createWriters } from './writers.ts';

const config = configOrExit(() => loadProcessorConfig(process.env));
const logger = createLogger({ service: 'processor', instance: config.instance, level: config.logLevel });

await runService({
  name: 'processor',
  logger,
  config,
  async start(fail) {
    const { instance, partitions, group } = config;
    const registry = createMetricsRegistry({ service: 'processor', version: process.env['npm_package_version'] ?? 'unknown', commit: '' });
    const log = { brokers: config.kafkaBrokers, clientId: instance, logger, topic: config.topic, scheduler: systemScheduler };
    const admin = createLogAdmin(log);
    await admin.checkTopic({ partitions, singleNode: config.singleNode });
    const database = createDatabase({ url: config.databaseUrl, instance });
    const writers = createWriters({ database, connectionsMax: config.writerConnectionsMax });
    const store = createSchemaIdStore({ query: (statement, params) => writers.use((each) => each.query(statement, params)), logger });
    const ids = await resolveSchemaIds({ registryUrl: config.schemaRegistryUrl, topic: config.topic, mode: config.schemaMode, store });
    const codec = createCodec(ids);
    let processor: Processor | undefined;
    let crashed = false;
    const views = () => processor?.views() ?? [];
    const metrics = createProcessorMetrics(registry, views, systemClock.now);
    processor = createProcessor({
      clock: systemClock,
      scheduler: systemScheduler,
      logger,
      metrics,
      admin,
      consumer: createLogConsumer({ ...log, groupId: group, registry }),
      writers,
      codec,
      learnSchema: async (id) => codec.learn(id, await fetchSchemaText(config.schemaRegistryUrl, id)),
      snapshotSchemaId: ids.snapshot,
      partitions,
      ...resultSettingsOf(config),
      foldVersion: FOLD_VERSION,
      group,
      instance,
      task: taskSettingsOf(config),
      warmMs: config.warmMs,
      frozenWriterMs: config.frozenWriterMs,
      setAsideDuplicates: config.onDuplicate === 'set-aside',
      onHolderTerminated: () => metrics.holderTerminated(),
      onFatal(error) {
        crashed = true;
        fail(error);
      },
    });
    const health = () => healthOf({ views: views(), generation: processor?.generation() ?? -1, crashed, nowMs: systemClock.now() });
    const server = await startMetricsServer({ registry, host: config.metricsHost, port: config.metricsPort, health });
    const outbox = await startOutbox({ config, registry, logger, database, store, views });
    await processor.start();
    logger.info({ metrics: server.address }, 'folding');
    return {
      async stop() {
        await processor.stop();
        await outbox.stop();
        await Promise.all([admin.close(), database.close(), server.close()]);
      },
    };
  },
});
