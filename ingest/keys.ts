// Write keys in memory, read from PostgreSQL every few seconds: a new or revoked key takes effect within one interval. While the
// database is away the last known keys go on working; before the first answer no key does, and the gateway is not ready.
import { messageOf } from '../infra/runtime/errors.ts';
import type { Cancel, Scheduler, Statement } from '../infra/runtime/ports.ts';

/** A live write key: whose it is and what it allows. It identifies a site, it authorises nothing (G7). */
export type WriteKey = {
  key: string;
  site: string;
  /** Allowed origins, lower case; empty = any. */
  origins: readonly string[];
  /** Requests without an Origin header are fine although origins are listed. */
  app: boolean;
  /** null = the default limit. */
  requestsPerSecond: number | null;
  /** The site keeps viewer keys. */
  viewerKeys: boolean;
};

type Row = { write_key: string; site: string; origins: string[]; app: boolean; requests_per_second: number | null; viewer_keys: boolean };

export const selectWriteKeys: Statement<[], Row> = {
  name: 'select-write-keys',
  text: `SELECT k.write_key, k.site, k.origins, k.app, k.requests_per_second, s.viewer_keys
FROM keys k JOIN sites s USING (site)
WHERE k.kind = 'write' AND k.revoked_at IS NULL`,
};

export type KeysDeps = {
  query: (statement: Statement<[], Row>, params: []) => Promise<Row[]>;
  scheduler: Scheduler;
  refreshIntervalMs: number;
  logger: { warn(fields: object, message: string): void };
  /** Told after each attempt. */
  onRefresh: (outcome: 'refreshed' | 'failed', keys: number) => void;
};

export type Keys = {
  find(key: string): WriteKey | undefined;
  /** All of them; another object after each read. */
  all(): ReadonlyMap<string, WriteKey>;
  /** The keys were read at least once. */
  loaded(): boolean;
  /** Monotonic ms since the last successful read. */
  ageMs(): number;
  /** Reads now; the running read if there is one. Never rejects. */
  refresh(): Promise<void>;
  stop(): void;
};

/** Starts reading at once. */
export function startKeys(deps: KeysDeps): Keys {
  let keys: ReadonlyMap<string, WriteKey> = new Map();
  let loaded = false;
  let readAt = deps.scheduler.monotonicMs();
  let running: Promise<void> | undefined;
  const read = async (): Promise<void> => {
    try {
      const rows = await deps.query(selectWriteKeys, []);
      keys = new Map(rows.map((row) => [row.write_key, keyOf(row)]));
      loaded = true;
      readAt = deps.scheduler.monotonicMs();
      deps.onRefresh('refreshed', keys.size);
    } catch (thrown) {
      deps.onRefresh('failed', keys.size);
      deps.logger.warn({ error: messageOf(thrown), keys: keys.size }, 'write keys could not be read; the last known ones stay in force');
    } finally {
      running = undefined;
    }
  };
  const refresh = (): Promise<void> => {
    running ??= read();
    return running;
  };
  const cancel: Cancel = deps.scheduler.every(deps.refreshIntervalMs, () => void refresh());
  void refresh();
  return {
    find: (key) => keys.get(key),
    all: () => keys,
    loaded: () => loaded,
    ageMs: () => deps.scheduler.monotonicMs() - readAt,
    refresh,
    stop: cancel,
  };
}

function keyOf(row: Row): WriteKey {
  return {
    key: row.write_key,
    site: row.site,
    origins: row.origins.map((origin) => origin.trim().toLowerCase().replace(/\/$/, '')),
    app: row.app,
    requestsPerSecond: row.requests_per_second,
    viewerKeys: row.viewer_keys,
  };
}

/** May a request with this Origin header ('' = none) use the key? */
export function originAllowed(key: WriteKey, origin: string): boolean {
  if (key.origins.length === 0) return true;
  if (origin === '') return key.app;
  return key.origins.includes(origin.toLowerCase());
}
