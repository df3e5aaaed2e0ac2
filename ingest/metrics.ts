// What the gateway counts. Names and labels: README.md; every limit of core/limits.ts has its place in limit_hits.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { LIMIT_NAMES, type LimitName } from './core/limits.ts';

export type BeaconOutcome = 'accepted' | 'dropped' | 'rejected';

export type IngestMetrics = {
  /** Beacons (rejected: events or beacons that became reject records) by outcome and reason. */
  beacons(outcome: BeaconOutcome, reason: string, count: number): void;
  events(count: number): void;
  request(status: number, durationMs: number): void;
  body(status: number, bytes: number): void;
  limitHit(limit: LimitName): void;
  ignoredFields(count: number): void;
  /** What real clients get wrong and a door puts right or leaves out, by name: `clock_clamped`, `epas_no_session` ... */
  oddity(protocol: string, kind: string, count: number): void;
  ticks(outcome: 'appended' | 'failed' | 'skipped', count: number): void;
  keysRefresh(outcome: 'refreshed' | 'failed', keys: number): void;
  batch(records: number, bytes: number): void;
  /** WebSockets open now. */
  sockets(open: number): void;
  /** An answer of the query API that went through the gateway; status 503 if there was none. */
  forwarded(status: number): void;
};

const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BYTES_BUCKETS = [128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 65_536, 262_144, 524_288];

/** Registers the gateway's metrics. `load` is asked when they are scraped. */
export function createIngestMetrics(
  registry: Registry,
  deps: { load: () => { records: number }; recordsMax: number; keysAgeMs: () => number },
): IngestMetrics {
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []): Counter => new Counter({ name, help, labelNames, registers });
  const gauge = (name: string, help: string, collect: (set: (value: number) => void) => void): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        collect((value) => this.set(value));
      },
    });
  };
  const beacons = counter('playhead_ingest_beacons_total', 'Beacons by what became of them', ['outcome', 'reason']);
  const events = counter('playhead_ingest_events_total', 'Events accepted into the log');
  const limits = counter('playhead_ingest_limit_hits_total', 'Times a limit was reached', ['limit']);
  for (const limit of LIMIT_NAMES) limits.inc({ limit }, 0);
  const ignored = counter('playhead_ingest_ignored_fields_total', 'Unknown or unusable fields that were left out');
  const oddities = counter(
    'playhead_ingest_oddities_total',
    'What clients of foreign protocols got wrong and the door put right or left out',
    ['protocol', 'kind'],
  );
  const forwarded = counter('playhead_ingest_forwarded_total', 'Requests passed on to the query API by class of the answer', [
    'status_class',
  ]);
  const ticks = counter('playhead_ingest_ticks_total', 'Ticks by outcome, one per partition and interval', ['outcome']);
  const refreshes = counter('playhead_ingest_keys_refreshes_total', 'Reads of the write keys by outcome', ['outcome']);
  const duration = new Histogram({
    name: 'playhead_ingest_request_duration_seconds',
    help: 'From the request line to the answer, acknowledgement of the log included',
    labelNames: ['status_class'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const bytes = new Histogram({
    name: 'playhead_ingest_body_bytes',
    help: 'Bytes of a request body on the wire',
    labelNames: ['status_class'],
    buckets: BYTES_BUCKETS,
    registers,
  });
  const batchRecords = new Histogram({
    name: 'playhead_ingest_batch_records',
    help: 'Records in one batch of one partition',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024],
    registers,
  });
  let keys = 0;
  let sockets = 0;
  gauge('playhead_ingest_buffer_beacons', 'Records waiting for the acknowledgement of the log', (set) => set(deps.load().records));
  gauge('playhead_ingest_buffer_limit_beacons', 'Records that may wait at once', (set) => set(deps.recordsMax));
  gauge('playhead_ingest_sockets', 'WebSockets open', (set) => set(sockets));
  gauge('playhead_ingest_keys', 'Write keys known', (set) => set(keys));
  gauge('playhead_ingest_keys_age_seconds', 'Time since the write keys were last read', (set) => set(deps.keysAgeMs() / 1000));
  // Looked up once: labels() hashes its arguments on every call.
  const perClass = (histogram: Histogram): Histogram.Internal<string>[] => [1, 2, 3, 4, 5].map((digit) => histogram.labels(`${digit}xx`));
  const durations = perClass(duration);
  const sizes = perClass(bytes);
  const accepted = beacons.labels({ outcome: 'accepted', reason: '' });
  return {
    beacons(outcome, reason, count) {
      if (outcome === 'accepted') accepted.inc(count);
      else beacons.inc({ outcome, reason }, count);
    },
    events: (count) => events.inc(count),
    request: (status, durationMs) => durations[Math.floor(status / 100) - 1]?.observe(durationMs / 1000),
    body: (status, size) => sizes[Math.floor(status / 100) - 1]?.observe(size),
    limitHit: (limit) => limits.inc({ limit }),
    ignoredFields: (count) => ignored.inc(count),
    oddity(protocol, kind, count) {
      if (count > 0) oddities.inc({ protocol, kind }, count);
    },
    ticks: (outcome, count) => ticks.inc({ outcome }, count),
    keysRefresh(outcome, known) {
      refreshes.inc({ outcome });
      keys = known;
    },
    batch: (records) => batchRecords.observe(records),
    sockets(open) {
      sockets = open;
    },
    forwarded: (status) => forwarded.inc({ status_class: `${Math.floor(status / 100)}xx` }),
  };
}
