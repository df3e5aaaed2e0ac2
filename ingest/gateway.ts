// The running gateway: wires keys, limits, publisher, ticks, doors and server together, says how it is, and stops in order.
// It builds no adapters: the log, the database and the clock are handed in, so that tests run all of it on an in-process log.
import { createServer, type Server } from 'node:http';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ConfigOf } from '../infra/runtime/config.ts';
import { codeOf, messageOf, toError } from '../infra/runtime/errors.ts';
import { closeServer, listen } from '../infra/runtime/http.ts';
import type { HealthReport } from '../infra/runtime/metrics.ts';
import type { Clock, LogWriter, Scheduler, Statement } from '../infra/runtime/ports.ts';
import { surfaceValue } from '../infra/runtime/surface-settings.ts';
import type { Codec } from '../schemas/codec.ts';
import { backdateUnsetMs } from '../schemas/surfaces.ts';
import { createApp, type SdkFiles } from './app.ts';
import { type Collector, createCollector } from './collect.ts';
import type { ingestConfigSpec } from './config.ts';
import type { Lookups } from './core/admit.ts';
import { type DoorSecret, startDoorSecret } from './door-secret.ts';
import { createAnalyticsEngineDoor } from './doors/analytics-engine.ts';
import type { Door, DoorDeps } from './doors/door.ts';
import { createGaDoor } from './doors/ga.ts';
import { createGa4Door } from './doors/ga4.ts';
import { createMaveDoor } from './doors/mave.ts';
import { createMaveSocketDoor } from './doors/mave-socket.ts';
import { createMicroticksDoor } from './doors/microticks.ts';
import { createNativeDoor } from './doors/native.ts';
import { createPeertubeDoor, type PeertubeDeps } from './doors/peertube.ts';
import type { VisitDoorDeps } from './doors/visit-door.ts';
import { createLookups, hashId, openPlaces, openReferrers } from './enrichment.ts';
import { createForwarder, type Forwarder } from './forward.ts';
import { createFront } from './front.ts';
import { type Keys, startKeys } from './keys.ts';
import { createIngestMetrics, type IngestMetrics } from './metrics.ts';
import { createPlaybackMetrics } from './playback-metrics.ts';
import { Publisher } from './publisher.ts';
import { createRateLimiter } from './rate-limit.ts';
import { type RegionNames, startRegionNames } from './region-names.ts';
import { type Salts, startSalts } from './salts.ts';
import { type Sites, startSites } from './sites.ts';
import { createSockets, type Sockets } from './sockets.ts';
import { createStoppedSessions } from './stopped-sessions.ts';
import { startTicks } from './ticks.ts';
import { createVideos } from './videos.ts';
import { startVisitSettings, type VisitSettings } from './visit-settings.ts';

export type IngestConfig = ConfigOf<typeof ingestConfigSpec>;

export type GatewayDeps = {
  config: Omit<IngestConfig, 'kafkaBrokers' | 'schemaRegistryUrl' | 'databaseUrl' | 'schemaMode'>;
  logger: Logger;
  registry: Registry;
  clock: Clock;
  scheduler: Scheduler;
  writer: LogWriter;
  /** Throws while the topic cannot be used; ERR_TOPIC = it never will be as it is (D29, K26). */
  checkTopic: () => Promise<void>;
  codec: Pick<Codec, 'encodeBeacon' | 'encodeTick'>;
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  sdk: SdkFiles | undefined;
  /** Our script for pages that talked to Webalytic; undefined = not built. */
  pageScript?: string | undefined;
  /** Told about what a restart must cure: a topic that does not fit. */
  fail: (error: Error) => void;
};

export type Gateway = { address: { host: string; port: number }; health(): HealthReport; stop(): Promise<void> };

/** A record's value and key: below a batch, which is below the topic's max.message.bytes (K18). */
const RECORD_BYTES_MAX = 192 * 1024;
const BATCH_BYTES_MAX = 224 * 1024;
/** Sets of labels of the playback metrics. */
const PLAYBACK_SERIES_MAX = 5_000;
const TOPIC_RETRY_MS = 1_000;
const TOPIC_RECHECK_MS = 60_000;
const SALTS_REFRESH_MS = 60_000;
const REGION_NAMES_INTERVAL_MS = 2_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 65_000;
const CONNECTIONS_CHECK_MS = 1_000;
const REQUESTS_PER_SOCKET_MAX = 10_000;
/** On a stop, how long beyond the deadline of a request its connection may live: what has not sent its body by then is cut off. */
const STOP_SLACK_MS = 1_000;

/** Starts everything; resolves once the port is open. Ready is another matter: health() says so. */
export async function startGateway(deps: GatewayDeps): Promise<Gateway> {
  const { config, scheduler, logger } = deps;
  let stopping = false;
  const late: { keys?: Keys; publisher?: Publisher } = {};
  const metrics = createIngestMetrics(deps.registry, {
    load: () => late.publisher?.load() ?? { records: 0 },
    recordsMax: config.bufferBeaconsMax,
    keysAgeMs: () => late.keys?.ageMs() ?? 0,
  });
  const keys = startKeys({ query: deps.query, scheduler, refreshIntervalMs: config.keysRefreshMs, logger, onRefresh: metrics.keysRefresh });
  const sites = startSites({
    query: deps.query,
    keys,
    scheduler,
    refreshIntervalMs: config.keysRefreshMs,
    defaultSite: config.defaultSite,
    trustedHops: config.trustedHops,
    logger,
  });
  const salts = startSalts({ query: deps.query, clock: deps.clock, scheduler, refreshIntervalMs: SALTS_REFRESH_MS, logger });
  const publisher = createPublisher(deps, metrics);
  late.keys = keys;
  late.publisher = publisher;
  const topic = watchTopic(deps);
  const tokenSecret = startDoorSecret(deps, 'microticks_tokens');
  const visitSettings = startVisitSettings({ query: deps.query, scheduler, refreshIntervalMs: config.keysRefreshMs, logger });
  const health = (): HealthReport =>
    healthOf({ writerReady: deps.writer.ready(), keys, sites, visitSettings, salts, tokenSecret, topicChecked: topic.checked(), stopping });
  const regionNames = regionNamesOf(deps, metrics);
  const places = openPlaces({ path: config.placesPath, logger, onRegion: regionNames.note });
  const lookups = createLookups({ places, referrers: openReferrers({ logger }), salts });
  const collector = collectorOf(deps, { keys, lookups, publisher, metrics, topicChecked: topic.checked });
  const { server, sockets, forwarder } = createIngestServer(deps, {
    doors: createDoors(
      deps,
      { collector, sites, metrics, hashId, backdateMaxMs: backdateLimits(config), uuid: scheduler.uuid },
      { lookups, tokenSecret, visits: visitDeps(deps, lookups, visitSettings) },
    ),
    metrics,
    health,
    informed: () => keys.loaded() && sites.loaded(),
    stopping: () => stopping,
  });
  const address = await listen(server, config);
  const ticks = startTicks({
    writer: deps.writer,
    scheduler,
    partitions: config.partitions,
    intervalMs: config.tickIntervalMs,
    encodeTick: () => deps.codec.encodeTick({ instance: config.instance }),
    onOutcome: metrics.ticks,
  });
  return {
    address,
    health,
    async stop() {
      stopping = true;
      for (const each of [keys, sites, salts, regionNames, topic, tokenSecret, visitSettings]) each.stop();
      await sockets.stop();
      // In this order: no new requests, answers for those inside (their records are still sent), then the rest of the buffer.
      const cut = scheduler.after(config.deadlineMs + STOP_SLACK_MS, () => server.closeAllConnections());
      await closeServer(server);
      cut();
      forwarder?.close();
      await publisher.drain();
      await ticks.stop();
    },
  };
}

function regionNamesOf({ query, scheduler, logger }: GatewayDeps, metrics: IngestMetrics): RegionNames {
  const onLimit = (): void => metrics.limitHit('region_names');
  return startRegionNames({ query, scheduler, intervalMs: REGION_NAMES_INTERVAL_MS, logger, onLimit });
}

type CollectorParts = { keys: Keys; lookups: Lookups; publisher: Publisher; metrics: IngestMetrics; topicChecked: () => boolean };

function collectorOf({ config, scheduler, writer, codec }: GatewayDeps, parts: CollectorParts): Collector {
  const { keys, lookups, publisher, metrics, topicChecked } = parts;
  return createCollector({
    keys,
    keyLimiter: createRateLimiter({ scheduler, bucketsMax: config.bucketsMax, onForgotten: () => metrics.limitHit('buckets') }),
    lookups,
    publisher,
    codec,
    metrics,
    ready: () => writer.ready() && topicChecked(),
    settings: {
      partitions: config.partitions,
      keyPerSecond: config.keyPerSecond,
      keyBurstSeconds: config.keyBurstSeconds,
      recordBytesMax: RECORD_BYTES_MAX,
    },
  });
}

type DoorParts = { lookups: Lookups; tokenSecret: DoorSecret; visits: (shared: DoorDeps) => VisitDoorDeps };

const backdateLimits =
  (config: GatewayDeps['config']): DoorDeps['backdateMaxMs'] =>
  (surface) =>
    surfaceValue(config, surface, 'BACKDATE_MAX_MS') ?? backdateUnsetMs(surface);

/** What the doors of measurement protocols are built from. */
function visitDeps(deps: GatewayDeps, lookups: Lookups, visitSettings: VisitSettings): DoorParts['visits'] {
  const { config, query, scheduler, logger, pageScript } = deps;
  const videos = createVideos({ query, scheduler, refreshIntervalMs: config.keysRefreshMs, logger });
  return (shared) => ({ ...shared, lookups, videos, visitSettings, pageScript });
}

/** Every protocol the gateway speaks. Where two share a path their order counts (Route.select). */
function createDoors(deps: GatewayDeps, shared: DoorDeps, parts: DoorParts): readonly Door[] {
  const monotonicMs = (): number => deps.scheduler.monotonicMs();
  const stoppedSessions = createStoppedSessions({ query: deps.query, monotonicMs, logger: deps.logger });
  return [
    createNativeDoor(shared),
    createMaveDoor(shared),
    createMaveSocketDoor({ ...shared, scheduler: deps.scheduler, closeTimeoutMs: deps.config.deadlineMs }),
    createPeertubeDoor(peertubeDeps(deps, shared, parts.lookups)),
    createAnalyticsEngineDoor({ ...shared, monotonicMs }),
    createMicroticksDoor({ ...shared, tokenSecret: parts.tokenSecret.get, stoppedSessions }),
    createGaDoor(parts.visits(shared)),
    createGa4Door(parts.visits(shared)),
  ];
}

function peertubeDeps(deps: GatewayDeps, shared: DoorDeps, lookups: Lookups): PeertubeDeps {
  const { config, query, scheduler, logger, registry } = deps;
  return {
    ...shared,
    videos: createVideos({ query, scheduler, refreshIntervalMs: config.peertubeVideosRefreshMs, logger }),
    playback: createPlaybackMetrics(registry, { videosMax: config.peertubeMetricVideosMax, seriesMax: PLAYBACK_SERIES_MAX }),
    viewer: lookups.viewer,
    settings: { jumps: config.peertubeJumps },
  };
}

function createPublisher(deps: GatewayDeps, metrics: IngestMetrics): Publisher {
  const { config } = deps;
  return new Publisher({
    writer: deps.writer,
    scheduler: deps.scheduler,
    settings: {
      lingerMs: config.lingerMs,
      deadlineMs: config.deadlineMs,
      sendsInFlightMax: config.sendsInFlightMax,
      recordsMax: config.bufferBeaconsMax,
      bytesMax: config.bufferBytesMax,
      batchBytesMax: BATCH_BYTES_MAX,
    },
    hooks: { sent: metrics.batch, deadlinePassed: () => metrics.limitHit('deadline') },
  });
}

type ServerParts = {
  doors: readonly Door[];
  metrics: IngestMetrics;
  health: () => HealthReport;
  informed: () => boolean;
  stopping: () => boolean;
};

/** The HTTP server with the time limits of G4: the front, behind it the Express app, and beside it the WebSockets. */
function createIngestServer(
  deps: GatewayDeps,
  { doors, metrics, health, informed, stopping }: ServerParts,
): { server: Server; sockets: Sockets; forwarder: Forwarder | undefined } {
  const { config, scheduler, logger } = deps;
  const forwarder = config.queryUrl === '' ? undefined : createForwarder({ url: config.queryUrl, metrics, logger, uuid: scheduler.uuid });
  const routes = doors.flatMap((door) => door.routes);
  const app = createApp({
    health,
    sdk: deps.sdk,
    forward: forwarder?.forward,
    methodsOf: (path) =>
      routes.filter((route) => route.path === path || (route.path instanceof RegExp && route.path.test(path))).map((route) => route.method),
    logger,
    uuid: scheduler.uuid,
    settings: config,
  });
  const prefixLimiter = createRateLimiter({ scheduler, bucketsMax: config.bucketsMax, onForgotten: () => metrics.limitHit('buckets') });
  const front = createFront({
    doors,
    next: app,
    prefixLimiter,
    metrics,
    logger,
    clock: deps.clock,
    scheduler,
    informed,
    stopping,
    settings: config,
  });
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
    },
    front,
  );
  server.maxRequestsPerSocket = REQUESTS_PER_SOCKET_MAX;
  server.maxConnections = config.connectionsMax;
  const sockets = createSockets({ doors, prefixLimiter, metrics, logger, clock: deps.clock, scheduler, informed, settings: config });
  server.on('upgrade', sockets.upgrade);
  return { server, sockets, forwarder };
}

/** Checks the topic until it fits, then now and then: its partition count is part of the contract (D29). */
function watchTopic(deps: GatewayDeps): { checked(): boolean; stop(): void } {
  let checked = false;
  let stopped = false;
  let cancel = (): void => {};
  const check = async (): Promise<void> => {
    try {
      await deps.checkTopic();
      checked = true;
    } catch (thrown) {
      if (codeOf(thrown) === 'ERR_TOPIC') return deps.fail(toError(thrown));
      deps.logger.warn({ error: messageOf(thrown) }, 'the topic could not be checked; trying again');
    }
    if (!stopped) cancel = deps.scheduler.after(checked ? TOPIC_RECHECK_MS : TOPIC_RETRY_MS, () => void check());
  };
  void check();
  return {
    checked: () => checked,
    stop() {
      stopped = true;
      cancel();
    },
  };
}

type HealthParts = {
  writerReady: boolean;
  keys: Keys;
  sites: Sites;
  visitSettings: VisitSettings;
  salts: Salts;
  tokenSecret: DoorSecret;
  topicChecked: boolean;
  stopping: boolean;
};

function healthOf(state: HealthParts): HealthReport {
  const { keys, sites, visitSettings } = state;
  const secretsRead = state.salts.loaded() && state.tokenSecret.get() !== undefined;
  const checks: HealthReport['checks'] = {
    log: { ok: state.writerReady, detail: state.writerReady ? 'can be written' : 'no connection to Kafka' },
    topic: { ok: state.topicChecked, detail: state.topicChecked ? 'fits' : 'not checked yet' },
    keys: { ok: keys.loaded(), detail: keys.loaded() ? `read ${Math.round(keys.ageMs() / 1000)} s ago` : 'not read yet' },
    aliases: { ok: sites.loaded(), detail: sites.loaded() ? 'read' : 'not read yet' },
    visits: { ok: visitSettings.loaded(), detail: visitSettings.loaded() ? 'settings read' : 'settings not read yet' },
    secrets: { ok: secretsRead, detail: secretsRead ? 'salts and tokens read' : 'salts or tokens not read yet' },
    running: { ok: !state.stopping, detail: state.stopping ? 'stopping' : 'taking beacons' },
  };
  return { alive: true, ready: Object.values(checks).every((check) => check.ok), checks };
}
