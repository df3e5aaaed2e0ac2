// Turns flushes that are in the database into metrics.
import type { Ledger } from './core/outputs.ts';
import { limitHits, type PartitionState } from './core/partition.ts';
import type { ProcessorMetrics } from './metrics.ts';
import type { FlushBatch } from './sink.ts';

/** Remembers the last balance of one state, so that counters get differences. Starts anew with another state. */
export class FlushReport {
  readonly #metrics: ProcessorMetrics;
  #ledger: Ledger | undefined;
  #limits: Readonly<Record<string, number>> | undefined;

  constructor(metrics: ProcessorMetrics) {
    this.#metrics = metrics;
  }

  done(batch: FlushBatch, state: PartitionState, tookMs: number): void {
    const metrics = this.#metrics;
    metrics.flushed(tookMs / 1000);
    metrics.flushRows('beacons', batch.beacons.length);
    metrics.flushRows('emissions', batch.outputs.length);
    metrics.flushRows('open_sessions', batch.open.length);
    for (const output of batch.outputs) if (output.kind === 'sealed') metrics.sealed(output.reason);
    if (this.#ledger !== undefined) metrics.folded(this.#ledger, batch.ledger);
    this.#ledger = batch.ledger;
    const limits = limitHits(state);
    for (const [limit, count] of Object.entries(limits)) {
      const before = this.#limits?.[limit] ?? count;
      if (count > before) metrics.limitHit(limit, count - before);
    }
    this.#limits = limits;
  }
}
