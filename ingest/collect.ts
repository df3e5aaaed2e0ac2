// From drafts to the log: whose they are, whether they may come in, what they look like there, and whether they got there. The
// same for every door; nothing is answered as accepted before the log acknowledged every record of the request.
import type { Beacon } from '../schemas/beacon.ts';
import type { Codec } from '../schemas/codec.ts';
import { partitionOf, recordKey } from '../schemas/topics.ts';
import { admit, type Lookups } from './core/admit.ts';
import type { Draft } from './core/draft.ts';
import type { DoorRequest } from './doors/door.ts';
import { type Keys, originAllowed, type WriteKey } from './keys.ts';
import type { IngestMetrics } from './metrics.ts';
import type { PlacedRecord, Publisher } from './publisher.ts';
import type { RateDecision, RateLimiter } from './rate-limit.ts';

/** What came of looking for a key. */
export type KeyDecision = { ok: true; key: WriteKey } | { ok: false; reason: 'unknown-key' | 'origin-not-allowed' };

/** A draft and the key (hence the site) it came in with. */
export type OwnedDraft = { draft: Draft; key: WriteKey };

/** An event, or (without `event`) a whole beacon, that became a dead letter; the places are those of the request. */
export type RejectedPlace = { beacon: number; event?: number; reason: string; detail: string };

export type CollectOutcome =
  | { kind: 'accepted'; accepted: number; rejected: RejectedPlace[] }
  | { kind: 'rate_limited'; decision: RateDecision }
  | { kind: 'too_large'; detail: string }
  /** Nothing was taken. */
  | { kind: 'overloaded'; retryAfterSeconds: number }
  /** It is not known whether everything is in the log. */
  | { kind: 'not_durable'; retryAfterSeconds: number };

export type CollectorDeps = {
  keys: Keys;
  keyLimiter: RateLimiter;
  lookups: Lookups;
  publisher: Publisher;
  codec: Pick<Codec, 'encodeBeacon'>;
  metrics: IngestMetrics;
  /** The log can be written and its topic was checked. */
  ready: () => boolean;
  settings: { partitions: number; keyPerSecond: number; keyBurstSeconds: number; recordBytesMax: number };
};

export type Collector = {
  /** The key of the request itself (prefix, Bearer, `?key=`), '' if it names none. A Bearer that is no write key is ignored. */
  requestKey(request: DoorRequest): string;
  /** Looks a key up and holds the request's origin against it. */
  findKey(key: string, request: DoorRequest): KeyDecision;
  /** Enriches, encodes and publishes the drafts of one request. Never rejects for what the request holds. */
  collect(owned: readonly OwnedDraft[], request: DoorRequest): Promise<CollectOutcome>;
};

const RETRY_AFTER_SECONDS = 2;

export function createCollector(deps: CollectorDeps): Collector {
  return {
    requestKey: (request) => requestKeyOf(deps, request),
    findKey(text, request) {
      const key = deps.keys.find(text);
      if (key === undefined) return { ok: false, reason: 'unknown-key' };
      return originAllowed(key, request.origin) ? { ok: true, key } : { ok: false, reason: 'origin-not-allowed' };
    },
    collect: (owned, request) => collect(deps, owned, request),
  };
}

function requestKeyOf({ keys }: CollectorDeps, request: DoorRequest): string {
  if (request.prefixKey !== '') return request.prefixKey;
  const authorization = request.headers.authorization ?? '';
  const bearer = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (bearer !== undefined && keys.find(bearer) !== undefined) return bearer;
  return request.query.get('key') ?? '';
}

async function collect(deps: CollectorDeps, owned: readonly OwnedDraft[], request: DoorRequest): Promise<CollectOutcome> {
  const limited = overRate(deps, owned);
  if (limited !== undefined) {
    deps.metrics.limitHit('key_rate');
    deps.metrics.beacons('dropped', 'key_rate', owned.length);
    return { kind: 'rate_limited', decision: limited };
  }
  if (!deps.ready()) return drop(deps, owned, 'not_ready', 'overloaded');
  const records: PlacedRecord[] = [];
  for (const each of owned) {
    if (!place(deps, admitted(deps, each, request), records)) {
      deps.metrics.limitHit('record_bytes');
      deps.metrics.beacons('dropped', 'record_bytes', owned.length);
      return {
        kind: 'too_large',
        detail: `an event with its context takes more than ${deps.settings.recordBytesMax} bytes (record_bytes)`,
      };
    }
  }
  const outcome = await deps.publisher.publish(records);
  if (outcome === 'full') {
    deps.metrics.limitHit('buffer');
    return drop(deps, owned, 'buffer_full', 'overloaded');
  }
  if (outcome === 'unknown') return drop(deps, owned, 'not_durable', 'not_durable');
  return accept(deps, owned);
}

function drop(deps: CollectorDeps, owned: readonly OwnedDraft[], reason: string, kind: 'overloaded' | 'not_durable'): CollectOutcome {
  deps.metrics.beacons('dropped', reason, owned.length);
  return { kind, retryAfterSeconds: RETRY_AFTER_SECONDS };
}

/** One token of each key in the request; a key's own limit replaces the default. */
function overRate({ keyLimiter, settings }: CollectorDeps, owned: readonly OwnedDraft[]): RateDecision | undefined {
  const keys = owned.length === 1 ? [(owned[0] as OwnedDraft).key] : new Set(owned.map((each) => each.key));
  for (const key of keys) {
    const perSecond = key.requestsPerSecond ?? settings.keyPerSecond;
    const decision = keyLimiter.take(key.key, { perSecond, burst: Math.max(1, perSecond * settings.keyBurstSeconds) });
    if (!decision.allowed) return decision;
  }
  return undefined;
}

function admitted({ lookups }: CollectorDeps, { draft, key }: OwnedDraft, request: DoorRequest): Beacon {
  return admit(
    draft,
    {
      site: key.site,
      viewerKeys: key.viewerKeys,
      receivedAt: request.receivedAt,
      address: request.address,
      userAgent: request.userAgent,
      refererHeader: request.headers.referer ?? '',
      originHeader: request.origin,
    },
    lookups,
  );
}

/** Encodes a beacon, in halves if it is too large for one record; false if even a single event is. */
function place(deps: CollectorDeps, beacon: Beacon, records: PlacedRecord[]): boolean {
  const key = Buffer.from(recordKey(beacon.site, beacon.session));
  const partition = partitionOf(key, deps.settings.partitions);
  const encode = (part: Beacon): boolean => {
    const value = deps.codec.encodeBeacon(part, key);
    if (key.length + value.length <= deps.settings.recordBytesMax) {
      records.push({ partition, record: { key, value } });
      return true;
    }
    if (part.events.length + part.rejects.length < 2) return false;
    return halvesOf(part).every(encode);
  };
  return encode(beacon);
}

function halvesOf(beacon: Beacon): Beacon[] {
  const events = Math.ceil(beacon.events.length / 2);
  const rejects = beacon.events.length === 1 ? beacon.rejects.length : Math.floor(beacon.rejects.length / 2);
  const first = { ...beacon, events: beacon.events.slice(0, events), rejects: beacon.rejects.slice(beacon.rejects.length - rejects) };
  const second = {
    ...beacon,
    events: beacon.events.slice(events),
    rejects: beacon.rejects.slice(0, beacon.rejects.length - rejects),
    ignoredFields: 0,
  };
  return [first, second];
}

function accept({ metrics }: CollectorDeps, owned: readonly OwnedDraft[]): CollectOutcome {
  let accepted = 0;
  let beacons = 0;
  const rejected: RejectedPlace[] = [];
  for (const { draft } of owned) {
    accepted += draft.events.length;
    if (draft.events.length > 0) beacons += 1;
    if (draft.ignoredFields > 0) metrics.ignoredFields(draft.ignoredFields);
    for (const { index, reason, detail } of draft.rejects) {
      rejected.push(index < 0 ? { beacon: draft.index, reason, detail } : { beacon: draft.index, event: index, reason, detail });
      metrics.beacons('rejected', reason, 1);
    }
  }
  metrics.beacons('accepted', '', beacons);
  metrics.events(accepted);
  return { kind: 'accepted', accepted, rejected };
}
