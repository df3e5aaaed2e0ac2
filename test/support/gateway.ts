// A whole gateway on an in-process log: real HTTP server, real codec, keys from a list instead of a database.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { systemClock, systemScheduler } from '../../infra/runtime/clock.ts';
import { loadConfig } from '../../infra/runtime/config.ts';
import type { Clock, LogWriter, Statement } from '../../infra/runtime/ports.ts';
import { ingestConfigSpec } from '../../ingest/config.ts';
import { type Gateway, startGateway } from '../../ingest/gateway.ts';
import type { Beacon } from '../../schemas/beacon.ts';
import { type Codec, createCodec } from '../../schemas/codec.ts';
import { createMemoryLog, type MemoryLog } from './log-memory.ts';

export type KeyRow = {
  write_key: string;
  site: string;
  origins: string[];
  app: boolean;
  requests_per_second: number | null;
  viewer_keys: boolean;
};

export const PLAIN_KEY: KeyRow = {
  write_key: 'pk_demo',
  site: 'demo',
  origins: [],
  app: false,
  requests_per_second: null,
  viewer_keys: false,
};

export type AliasRow = { protocol: string; foreign_id: string; site: string; settings: Record<string, unknown>; viewer_keys: boolean };
export type SiteDoorRow = { site: string; protocol: string; settings: Record<string, unknown> };

export type TestGateway = {
  url: string;
  gateway: Gateway;
  registry: Registry;
  log: MemoryLog;
  codec: Codec;
  /** Rows the key query answers with; change it and wait for a refresh. */
  keys: { rows: KeyRow[]; fails: boolean };
  /** Likewise for site aliases and what sites want of doors. */
  aliases: { rows: AliasRow[]; doors: SiteDoorRow[] };
  /** Lines that were logged. */
  lines: string[];
  /** What came into fail(). */
  failures: Error[];
  /** Beacons in the log, in partition order. */
  beacons(): Beacon[];
  records(): number;
  post(
    body: unknown,
    options?: { path?: string; headers?: Record<string, string> },
  ): Promise<{
    status: number;
    headers: Headers; // biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
    body: any;
  }>;
  metric(name: string, labels?: Record<string, string>): Promise<number>;
  stop(): Promise<void>;
};

export type TestGatewayOptions = {
  env?: Record<string, string>;
  keys?: KeyRow[];
  aliases?: AliasRow[];
  siteDoors?: SiteDoorRow[];
  /** Rows of statements that only one door asks; undefined = the usual ones. */
  otherRows?: (statement: string, params: readonly unknown[]) => unknown[] | undefined;
  wrapWriter?: (writer: LogWriter) => LogWriter;
  checkTopic?: () => Promise<void>;
  /** Default: the machine's. */
  clock?: Clock;
};

/** Starts on a free port of the loopback. Always stop() it. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const config = loadConfig(ingestConfigSpec, {
    PLAYHEAD_INGEST_HOST: '127.0.0.1',
    PLAYHEAD_INGEST_PORT: '0',
    PLAYHEAD_PARTITIONS: '4',
    PLAYHEAD_INGEST_LINGER_MS: '1',
    PLAYHEAD_INGEST_KEYS_REFRESH_MS: '100',
    PLAYHEAD_INGEST_PREFIX_BURST: '100000',
    ...options.env,
  });
  const log = createMemoryLog({ partitions: config.partitions, clock: systemClock });
  const codec = createCodec({ beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 });
  const keys = { rows: options.keys ?? [PLAIN_KEY], fails: false };
  const aliases = { rows: options.aliases ?? [], doors: options.siteDoors ?? [] };
  const lines: string[] = [];
  const failures: Error[] = [];
  const registry = new Registry();
  const salts = new Map<string, Buffer>();
  const gateway = await startGateway({
    config,
    logger: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }),
    registry,
    clock: options.clock ?? systemClock,
    scheduler: systemScheduler,
    writer: options.wrapWriter?.(log.writer) ?? log.writer,
    checkTopic: options.checkTopic ?? (async () => {}),
    codec,
    query: async <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) =>
      (options.otherRows?.(statement.name, params) ?? answer(statement.name, params, { keys, aliases, salts })) as R[],
    sdk: { iife: '/* iife */', esm: '/* esm */' },
    pageScript: '/* page */',
    fail: (error) => void failures.push(error),
  });
  const url = `http://127.0.0.1:${gateway.address.port}`;
  const records = () => Array.from({ length: config.partitions }, (_, partition) => log.records(partition)).flat();
  return {
    url,
    gateway,
    registry,
    log,
    codec,
    keys,
    aliases,
    lines,
    failures,
    beacons: () =>
      records()
        .map((record) => codec.decode(record.key, record.value))
        .flatMap((message) => (message.kind === 'beacon' ? [message.beacon] : [])),
    records: () => records().filter((record) => record.key !== null).length,
    async post(body, { path = '/v1/beacons', headers = {} } = {}) {
      const sent = typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body);
      const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: sent });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
    },
    async metric(name, labels = {}) {
      const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
      return values
        .filter((value) => Object.entries(labels).every(([label, wanted]) => value.labels[label] === wanted))
        .reduce((sum, value) => sum + value.value, 0);
    },
    stop: () => gateway.stop(),
  };
}

type Tables = { keys: TestGateway['keys']; aliases: TestGateway['aliases']; salts: Map<string, Buffer> };

function answer(name: string, params: readonly unknown[], state: Tables): unknown[] {
  if (name === 'select-write-keys') {
    if (state.keys.fails) throw new Error('the database is away');
    return state.keys.rows;
  }
  if (name === 'select-site-aliases') return state.aliases.rows;
  if (name === 'select-site-doors') return state.aliases.doors;
  if (name === 'select-sites') {
    const sites = new Map([...state.keys.rows, ...state.aliases.rows].map(({ site, viewer_keys }) => [site, viewer_keys]));
    return [...sites].map(([site, viewer_keys]) => ({ site, viewer_keys }));
  }
  if (name === 'insert-viewer-salt' && !state.salts.has(params[0] as string)) state.salts.set(params[0] as string, params[1] as Buffer);
  if (name === 'select-door-secret') return [{ secret: Buffer.alloc(32, 7) }];
  if (name === 'delete-old-viewer-salts') for (const day of state.salts.keys()) if (day < (params[0] as string)) state.salts.delete(day);
  if (name === 'select-viewer-salts') return [...state.salts].map(([day, salt]) => ({ day, salt }));
  return [];
}

/** A beacon as api.md shows it, with changes. */
export function sampleBeacon(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    key: 'pk_demo',
    session: '8Jx1c0m2Qp6VtKz4',
    video: { id: 'intro', title: 'Intro', durationMs: 14000, live: false },
    page: 'https://example.org/watch/intro?utm_source=news',
    referrer: 'https://news.example/today',
    player: { name: 'hls.js', version: '1.7.4' },
    meta: { plan: 'free', course: 12 },
    sentAt: 1764000005000,
    events: [
      { seq: 0, type: 'attempt', at: 1764000000000, positionMs: 0 },
      { seq: 1, type: 'playing', at: 1764000000400, positionMs: 0 },
      { seq: 2, type: 'heartbeat', at: 1764000005000, positionMs: 4600 },
    ],
    ...changes,
  };
}

/** Waits until something is so; fails after `timeoutMs`. For what happens soon, however busy the machine is. */
export async function until(isSo: () => Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not so within ${timeoutMs} ms: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
