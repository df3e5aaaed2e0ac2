// The processor's metrics: created here, handed to tasks as plain functions, so that nothing below knows the library.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Ledger } from './core/outputs.ts';
import type { TaskView } from './task-view.ts';

const FLUSH_SECONDS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20];
const FLUSH_ROWS = [1, 10, 100, 1_000, 10_000, 100_000];
const RESTORE_SECONDS = [0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120];

export type ProcessorMetrics = {
  /** Records and events folded since the last call, from two balances of the same partition. */
  folded(before: Ledger, after: Ledger): void;
  sealed(reason: string): void;
  flushed(seconds: number): void;
  flushRows(table: string, rows: number): void;
  flushFailed(): void;
  rowsRefused(count: number): void;
  /** Rows not written because some row had their number already (D8). */
  setAside(count: number): void;
  fenced(): void;
  rebalanced(): void;
  restored(seconds: number): void;
  /** A snapshot was made, from its first slice to its last. */
  snapshotTaken(seconds: number): void;
  limitHit(limit: string, count: number): void;
  /** A frozen writer was ended to free a progress row (D5). */
  holderTerminated(): void;
  /** The Kafka client failed; `willRestart` false means the process goes (K12). */
  crashed(willRestart: boolean): void;
};

type Named = { name: string; help: string; labelNames?: string[] };

/** Registers all metrics; gauges of partitions are read from `views` when they are scraped. */
export function createProcessorMetrics(registry: Registry, views: () => readonly TaskView[], nowMs: () => number): ProcessorMetrics {
  const counter = (named: Named) => new Counter({ labelNames: [], ...named, registers: [registry] });
  const histogram = (named: Named & { buckets: number[] }) => new Histogram({ labelNames: [], ...named, registers: [registry] });
  const records = counter({ name: 'playhead_processor_records_total', help: 'Events by what became of them', labelNames: ['outcome'] });
  const sealed = counter({
    name: 'playhead_processor_sealed_sessions_total',
    help: 'Session parts sealed, by reason',
    labelNames: ['reason'],
  });
  const seconds = histogram({ name: 'playhead_processor_flush_duration_seconds', help: 'Time of one flush', buckets: FLUSH_SECONDS });
  const rows = histogram({ name: 'playhead_processor_flush_rows', help: 'Rows of one flush', labelNames: ['table'], buckets: FLUSH_ROWS });
  const failures = counter({
    name: 'playhead_processor_flush_failures_total',
    help: 'Flushes that failed and were decided from the progress row',
  });
  const refused = counter({ name: 'playhead_processor_refused_rows_total', help: 'Rows the database refused' });
  const setAside = counter({
    name: 'playhead_processor_set_aside_rows_total',
    help: 'Rows not written because rows that were never committed had their number',
  });
  const fenced = counter({
    name: 'playhead_processor_fenced_writes_total',
    help: 'Flushes refused because the partition was claimed elsewhere',
  });
  const rebalances = counter({ name: 'playhead_processor_rebalances_total', help: 'Assignments received from the consumer group' });
  const restores = histogram({
    name: 'playhead_processor_restore_duration_seconds',
    help: 'From assignment to folding new records',
    buckets: RESTORE_SECONDS,
  });
  const snapshots = histogram({
    name: 'playhead_processor_snapshot_duration_seconds',
    help: 'From the first slice of a snapshot to its last; the partition does not fold meanwhile, others do',
    buckets: FLUSH_SECONDS,
  });
  const limits = counter({
    name: 'playhead_processor_limit_hits_total',
    help: 'Limits of the fold that were reached',
    labelNames: ['limit'],
  });
  const terminated = counter({
    name: 'playhead_processor_terminated_writers_total',
    help: 'Frozen writers that were ended to free a progress row',
  });
  const crashes = counter({
    name: 'playhead_processor_consumer_crashes_total',
    help: 'Failures of the Kafka client',
    labelNames: ['restart'],
  });
  registerGauges(registry, views, nowMs);
  return {
    folded(before, after) {
      records.inc({ outcome: 'folded' }, Math.max(0, after.folded - before.folded));
      records.inc({ outcome: 'duplicate' }, Math.max(0, after.duplicates - before.duplicates));
      records.inc({ outcome: 'late' }, Math.max(0, after.late - before.late));
      records.inc({ outcome: 'dead' }, Math.max(0, after.dead - before.dead));
    },
    sealed: (reason) => sealed.inc({ reason }),
    flushed: (value) => seconds.observe(value),
    flushRows: (table, count) => rows.observe({ table }, count),
    flushFailed: () => failures.inc(),
    rowsRefused: (count) => refused.inc(count),
    setAside: (count) => setAside.inc(count),
    fenced: () => fenced.inc(),
    rebalanced: () => rebalances.inc(),
    restored: (value) => restores.observe(value),
    snapshotTaken: (value) => snapshots.observe(value),
    limitHit: (limit, count) => limits.inc({ limit }, count),
    holderTerminated: () => terminated.inc(),
    crashed: (willRestart) => crashes.inc({ restart: String(willRestart) }),
  };
}

function registerGauges(registry: Registry, views: () => readonly TaskView[], nowMs: () => number): void {
  const gauge = (name: string, help: string, readView: (view: TaskView) => number | undefined): void => {
    new Gauge({
      name,
      help,
      labelNames: ['partition'],
      registers: [registry],
      collect() {
        this.reset();
        for (const view of views()) {
          const value = readView(view);
          if (value !== undefined) this.set({ partition: String(view.partition) }, value);
        }
      },
    });
  };
  const age = (at: number): number | undefined => (at < 0 ? undefined : Math.max(0, nowMs() - at) / 1000);
  gauge('playhead_processor_lag_records', 'Records between the log end and the committed position', (view) => view.lagRecords);
  gauge('playhead_processor_stream_time_lag_seconds', 'Age of the last folded record', (view) => age(view.streamTimeMs));
  gauge('playhead_processor_tick_age_seconds', 'Age of the last tick', (view) => age(view.tickAtMs));
  gauge('playhead_processor_open_sessions', 'Open session parts', (view) => view.openSessions);
  gauge('playhead_processor_state_bytes', 'Size of the last snapshot, compressed', (view) => view.snapshotBytes);
  gauge('playhead_processor_buffered_bytes', 'Raw bytes folded and not yet written', (view) => view.bufferedBytes);
  gauge('playhead_processor_halted_partitions', '1 while a partition stands still and needs an operator', (view) =>
    view.mode === 'halted' ? 1 : 0,
  );
}

/** Metrics that go nowhere, for tests and the simulator. */
export const NO_METRICS: ProcessorMetrics = {
  folded() {},
  sealed() {},
  flushed() {},
  flushRows() {},
  flushFailed() {},
  rowsRefused() {},
  setAside() {},
  fenced() {},
  rebalanced() {},
  restored() {},
  snapshotTaken() {},
  limitHit() {},
  holderTerminated() {},
  crashed() {},
};
