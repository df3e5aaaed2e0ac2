// The query API as a process: reads the settings, builds the pools, starts the service and the metrics port.
import { systemClock, systemScheduler } from '../infra/runtime/clock.ts';
import { configOrExit, runService } from '../infra/runtime/lifecycle.ts';
import { createLogger } from '../infra/runtime/log.ts';
import { createMetricsRegistry, startMetricsServer } from '../infra/runtime/metrics.ts';
import { createReadPool } from '../infra/runtime/postgres.ts';
import { loadQueryConfig, packageVersion } from './config.ts';
import { startQueryService } from './service.ts';

const ADMIN_POOL_SIZE = 2;

const config = configOrExit(loadQueryConfig);
const logger = createLogger({ service: 'query', instance: config.instance, level: config.logLevel });

await runService({
  name: 'query',
  logger,
  config,
  async start() {
    const version = packageVersion();
    const registry = createMetricsRegistry({ service: 'query', version, commit: '' });
    const shared = {
      url: config.databaseUrl,
      statementTimeoutMs: config.statementTimeoutMs,
      onError: (error: Error) => logger.warn({ err: error }, 'a database connection was lost'),
    };
    const readPool = createReadPool({ ...shared, applicationName: `playhead:query:${config.instance}`, poolSize: config.poolSize });
    const adminPool = createReadPool({
      ...shared,
      applicationName: `playhead:query-admin:${config.instance}`,
      poolSize: ADMIN_POOL_SIZE,
      readOnly: false,
    });
    const service = await startQueryService({
      config,
      readPool,
      adminPool,
      registry,
      logger,
      clock: systemClock,
      scheduler: systemScheduler,
      version,
    });
    const metricsServer = await startMetricsServer({
      registry,
      host: config.metricsHost,
      port: config.metricsPort,
      health: service.health,
    });
    logger.info({ address: service.address, metrics: metricsServer.address }, 'query API is listening');
    return {
      async stop() {
        await service.close();
        await Promise.all([readPool.close(), adminPool.close(), metricsServer.close()]);
      },
    };
  },
});
