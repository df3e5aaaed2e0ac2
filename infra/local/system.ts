// The local system as one value: started step by step, stopped in the right order from whatever step it has reached.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { variablesOf } from '../cli/variables.ts';
import type { Scheduler } from '../runtime/ports.ts';
import { checkDisk, checkFiles, checkNode, choosePorts } from './checks.ts';
import { environment } from './config.ts';
import { isDownloaded } from './download.ts';
import type { PortName, StartOptions } from './options.ts';
import { DEMO_WRITE_KEY, prepareDatabase, prepareLog } from './prepare.ts';
import type { ManagedProcess } from './process.ts';
import { type RunFile, takeRunFile } from './run-file.ts';
import { loadSecrets, writePrivately } from './secrets.ts';
import { type LocalServers, startServers } from './servers.ts';
import { type Service, type ServiceSpec, startService } from './services.ts';

const READY_TIMEOUT_MS = 60_000;
const SERVICE_STOP_TIMEOUT_MS = 30_000;
const AUDIENCE_STOP_TIMEOUT_MS = 5_000;

const SERVICE_FILES = { ingest: 'ingest/main.ts', processor: 'processor/main.ts', query: 'query-api/main.ts' } as const;
const AUDIENCE_FILE = 'infra/cli/main.ts';
/** Each stops when nothing can come from the one before it any more: so nothing that was accepted waits in the log. */
const STOP_ORDER = ['audience', 'ingest', 'processor', 'query', 'the schema registry', 'Kafka', 'PostgreSQL'];

/** Where everything is; the content of endpoints.json. */
export type Endpoints = {
  ingest: string;
  query: string;
  dashboard: string;
  docs: string;
  metrics: { ingest: string; processor: string; query: string };
  kafka: string;
  registry: string;
  database: string;
  writeKey: string;
  readKey: string;
  adminKey: string;
};

export type SystemDeps = {
  options: StartOptions;
  logger: Logger;
  scheduler: Scheduler;
  onProgress: (line: string) => void;
  /** A server that we cannot do without has ended. */
  onLost: (line: string) => void;
};

type Part = { name: string; stop(): Promise<void>; kill(): void };

/** A system in the making or running. `stop` works at any time, also while `start` is under way. */
export type LocalSystem = { start(): Promise<Endpoints>; stop(): Promise<void>; kill(): void };

export function createLocalSystem(deps: SystemDeps): LocalSystem {
  return new System(deps);
}

class System implements LocalSystem {
  readonly #deps: SystemDeps;
  readonly #parts: Part[] = [];
  #runFile: RunFile | undefined;
  #stopping = false;

  constructor(deps: SystemDeps) {
    this.#deps = deps;
  }

  async start(): Promise<Endpoints> {
    const { options, onProgress } = this.#deps;
    checkNode();
    checkFiles([...Object.values(SERVICE_FILES), AUDIENCE_FILE]);
    await checkDisk(options.directory);
    this.#runFile = await takeRunFile(join(options.directory, 'run.json'), onProgress);
    rmSync(this.#endpointsFile(), { force: true });
    const ports = await choosePorts(options.ports, onProgress);
    const secrets = loadSecrets(join(options.directory, 'secrets.json'));
    if (isDownloaded(join(options.directory, 'downloads'))) onProgress('starting Kafka, the schema registry and PostgreSQL');
    const dashboard = buildDashboardOnce();
    const servers = await startServers({
      directory: options.directory,
      downloads: join(options.directory, 'downloads'),
      javaHome: options.javaHome,
      env: environment(),
      ports,
      postgresPassword: secrets.postgresPassword,
      onProgress,
      onProcess: (managed) => this.#addServer(managed),
      onDatabase: (databaseUrl) => prepareDatabase(databaseUrl, secrets),
    });
    await prepareLog({
      brokers: servers.kafka.brokers,
      registryUrl: servers.registry.url,
      databaseUrl: servers.databaseUrl,
      topic: options.topic,
      domainEventsTopic: options.domainEventsTopic,
      partitions: options.partitions,
      logger: this.#deps.logger,
      scheduler: this.#deps.scheduler,
    });
    await dashboard;
    onProgress('starting ingest, processor and query API');
    const endpoints = endpointsOf(ports, servers, secrets);
    await this.#startServices(ports, servers, endpoints);
    if (this.#stopping) return endpoints;
    writePrivately(this.#endpointsFile(), endpoints);
    if (options.demo) await this.#startAudience(endpoints);
    return endpoints;
  }

  #endpointsFile(): string {
    return join(this.#deps.options.directory, 'endpoints.json');
  }

  async #addServer(managed: ManagedProcess): Promise<void> {
    this.#parts.push({ name: managed.name, stop: async () => void (await managed.stop()), kill: managed.kill });
    if (this.#stopping) managed.kill();
    await this.#runFile?.add(managed.name, managed.pid);
    void managed.exited.then(({ code, signal }) => {
      if (!this.#stopping)
        this.#deps.onLost(`${managed.name} ended by itself (${signal ?? `code ${code}`}): see its log, ${managed.logFile}`);
    });
  }

  async #startServices(ports: Record<PortName, number>, servers: LocalServers, endpoints: Endpoints): Promise<void> {
    const { options } = this.#deps;
    const shared = {
      KAFKA_BROKERS: servers.kafka.brokers.join(','),
      SCHEMA_REGISTRY_URL: servers.registry.url,
      DATABASE_URL: servers.databaseUrl,
      PLAYHEAD_SINGLE_NODE: 'true',
    };
    const metrics = endpoints.metrics;
    const services = await Promise.all([
      this.#startService('ingest', 'ingest', `${metrics.ingest}/readyz`, {
        ...shared,
        PLAYHEAD_INGEST_HOST: options.host,
        PLAYHEAD_INGEST_PORT: `${ports['the gateway']}`,
        PLAYHEAD_INGEST_METRICS_PORT: `${ports['metrics of ingest']}`,
        PLAYHEAD_INGEST_QUERY_URL: endpoints.query,
        // The audience names an address per viewer, as a proxy of ours would, so that it comes from many countries.
        ...(options.demo ? { PLAYHEAD_TRUSTED_HOPS: '1' } : {}),
      }),
      this.#startService('processor', 'processor', `${metrics.processor}/readyz`, {
        ...shared,
        PLAYHEAD_PROCESSOR_METRICS_PORT: `${ports['metrics of the processor']}`,
      }),
      this.#startService('query', 'query-api', `${metrics.query}/readyz`, {
        ...shared,
        PLAYHEAD_QUERY_HOST: options.host,
        PLAYHEAD_QUERY_PORT: `${ports['the query API']}`,
        PLAYHEAD_QUERY_METRICS_PORT: `${ports['metrics of the query API']}`,
      }),
    ]);
    await Promise.all(services.map((service) => service.ready(READY_TIMEOUT_MS)));
  }

  async #startAudience(endpoints: Endpoints): Promise<void> {
    const { directory, viewersPerMinute } = this.#deps.options;
    // The past is sent once: a later start goes on with what is stored.
    const marker = join(directory, 'history-sent');
    const historyHours = existsSync(marker) ? 0 : this.#deps.options.historyHours;
    writeFileSync(marker, '');
    const args = [
      'simulate',
      '--endpoint',
      endpoints.ingest,
      '--key',
      DEMO_WRITE_KEY,
      '--rate',
      `${viewersPerMinute}`,
      '--history',
      `${historyHours}`,
      '--addresses',
    ];
    const audience = await this.#launch(
      { name: 'audience', file: AUDIENCE_FILE, args, env: serviceEnvironment('cli', {}), logFile: this.#logFile('audience') },
      AUDIENCE_STOP_TIMEOUT_MS,
    );
    await audience.ready(0);
  }

  #startService(name: keyof typeof SERVICE_FILES, group: string, readyUrl: string, env: Record<string, string>): Promise<Service> {
    const spec = { name, file: SERVICE_FILES[name], env: serviceEnvironment(group, env), logFile: this.#logFile(name), readyUrl };
    return this.#launch(spec, SERVICE_STOP_TIMEOUT_MS);
  }

  #logFile(name: string): string {
    return join(this.#deps.options.directory, 'logs', `${name}.log`);
  }

  async #launch(spec: ServiceSpec, stopTimeoutMs: number): Promise<Service> {
    const service = await startService(
      {
        scheduler: this.#deps.scheduler,
        onProcess: async (name, pid) => this.#runFile?.add(name, pid),
        onEnd: (pid) => this.#runFile?.drop(pid),
        onCrash: this.#deps.onProgress,
      },
      spec,
    );
    this.#parts.push({ name: service.name, stop: () => service.stop(stopTimeoutMs), kill: () => service.kill() });
    if (this.#stopping) service.kill();
    return service;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#runFile) rmSync(this.#endpointsFile(), { force: true });
    const rank = ({ name }: Part): number => STOP_ORDER.indexOf(name);
    for (const part of [...this.#parts].sort((a, b) => rank(a) - rank(b))) {
      this.#deps.onProgress(`stopping ${part.name}`);
      await part.stop();
    }
    this.#runFile?.remove();
  }

  kill(): void {
    this.#stopping = true;
    for (const part of this.#parts) part.kill();
    if (this.#runFile) rmSync(this.#endpointsFile(), { force: true });
    this.#runFile?.remove();
  }
}

/** The environment of a child: everything but variables of other processes, then ours on top. */
function serviceEnvironment(group: string, ours: Record<string, string>): Record<string, string> {
  const known = new Set(variablesOf(group));
  const kept = Object.entries(environment()).filter(([name]) => !name.startsWith('PLAYHEAD_') || known.has(name));
  return { ...(Object.fromEntries(kept) as Record<string, string>), ...ours };
}

function endpointsOf(ports: Record<PortName, number>, servers: LocalServers, secrets: { readKey: string; adminKey: string }): Endpoints {
  const at = (port: number): string => `http://127.0.0.1:${port}`;
  const query = at(ports['the query API']);
  return {
    ingest: at(ports['the gateway']),
    query,
    dashboard: `${query}/`,
    docs: `${query}/docs`,
    metrics: {
      ingest: at(ports['metrics of ingest']),
      processor: at(ports['metrics of the processor']),
      query: at(ports['metrics of the query API']),
    },
    kafka: servers.kafka.brokers.join(','),
    registry: servers.registry.url,
    database: servers.databaseUrl,
    writeKey: DEMO_WRITE_KEY,
    readKey: secrets.readKey,
    adminKey: secrets.adminKey,
  };
}

/** Bundles the dashboard beside the query API, which serves the result. */
async function buildDashboardOnce(): Promise<void> {
  const { buildDashboard } = await import('../../query-api/dashboard/build.ts');
  await buildDashboard(join(import.meta.dirname, '..', '..', 'query-api', 'dashboard', 'dist'));
}
