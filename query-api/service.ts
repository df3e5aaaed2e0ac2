// The query API as one value that starts and stops: main.ts runs it, tests run it too.
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ConfigOf } from '../infra/runtime/config.ts';
import { closeServer, listen } from '../infra/runtime/http.ts';
import type { HealthReport } from '../infra/runtime/metrics.ts';
import type { Clock, Scheduler } from '../infra/runtime/ports.ts';
import type { ReadPool } from '../infra/runtime/postgres.ts';
import { createAnswers } from './answers.ts';
import { createApp } from './app.ts';
import { createAuthenticator } from './auth.ts';
import { createBeaconReader } from './beacon-reader.ts';
import type { queryConfigSpec } from './config.ts';
import { createDialects } from './dialects/list.ts';
import { exportPeertubeViewers } from './dialects/peertube-metrics.ts';
import { createQueryMetrics } from './metrics.ts';
import { exportOperation } from './operation-metrics.ts';
import { freshness } from './queries/freshness.ts';

export type QueryServiceDeps = {
  config: ConfigOf<typeof queryConfigSpec>;
  readPool: ReadPool;
  adminPool: ReadPool;
  registry: Registry;
  logger: Logger;
  clock: Clock;
  scheduler: Scheduler;
  version: string;
};

export type QueryService = { address: { host: string; port: number }; health(): HealthReport; close(): Promise<void> };

/** How often the database is asked whether it is there, ms. */
const HEALTH_INTERVAL_MS = 5_000;

/** Starts listening. The pools are the caller's to close. */
export async function startQueryService(deps: QueryServiceDeps): Promise<QueryService> {
  const { config, readPool, adminPool, logger, clock, scheduler } = deps;
  const metrics = createQueryMetrics(deps.registry);
  const shared = { metrics, partitions: config.partitions, monotonicMs: () => scheduler.monotonicMs() };
  const answers = createAnswers({ ...shared, pool: readPool });
  exportPeertubeViewers(deps.registry, answers.ask);
  exportOperation(deps.registry, answers.ask);
  const app = createApp({
    services: {
      answers,
      askAdmin: createAnswers({ ...shared, pool: adminPool }).ask,
      authenticator: createAuthenticator({ pool: readPool, clock, cacheMs: config.keyCacheMs }),
      beaconReader: createBeaconReader(),
      clock,
      uuid: () => scheduler.uuid(),
      logger,
      exportRowsMax: config.exportRowsMax,
    },
    metrics,
    logger,
    monotonicMs: () => scheduler.monotonicMs(),
    config,
    version: deps.version,
    dialects: createDialects(config),
    dashboardDirectory: fileURLToPath(new URL('./dashboard/dist', import.meta.url)),
  });
  const server = createServer(app);
  server.headersTimeout = 10_000;
  server.requestTimeout = 15_000;
  server.keepAliveTimeout = 65_000;
  let database = { ok: false, detail: 'not asked yet' };
  const check = async (): Promise<void> => {
    try {
      await answers.ask(freshness());
      database = { ok: true, detail: 'answers' };
    } catch (thrown) {
      database = { ok: false, detail: thrown instanceof Error ? thrown.message : String(thrown) };
    }
    const { total, idle, waiting } = readPool.counts();
    for (const [state, value] of Object.entries({ busy: total - idle, idle, waiting })) metrics.poolConnections.set({ state }, value);
  };
  await check();
  const cancel = scheduler.every(HEALTH_INTERVAL_MS, () => void check());
  const address = await listen(server, config);
  return {
    address,
    health: () => ({ alive: true, ready: database.ok, checks: { database } }),
    async close() {
      cancel();
      await closeServer(server);
    },
  };
}
