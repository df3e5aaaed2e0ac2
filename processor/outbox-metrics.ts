// What the outbox counts.
import { Counter, Gauge, type Registry } from 'prom-client';

export type OutboxMetrics = {
  published(kind: 'session' | 'custom', count: number): void;
  failed(): void;
  /** Committed emissions of a partition that are not in the topic yet. */
  waiting(partition: number, emissions: number): void;
  /** The partition is somebody else's now. */
  forget(partition: number): void;
};

/** playhead_domain_events_total{kind}, playhead_domain_events_failures_total, playhead_domain_events_waiting{partition}. */
export function createOutboxMetrics(registry: Registry): OutboxMetrics {
  const published = new Counter({
    name: 'playhead_domain_events_total',
    help: 'Records appended to the topic of domain events, repeated ones included',
    labelNames: ['kind'],
    registers: [registry],
  });
  const failures = new Counter({
    name: 'playhead_domain_events_failures_total',
    help: 'Rounds of the outbox in which the database or the log did not answer as they should; they are repeated',
    registers: [registry],
  });
  const waiting = new Gauge({
    name: 'playhead_domain_events_waiting',
    help: 'Committed emissions that are not in the topic of domain events yet',
    labelNames: ['partition'],
    registers: [registry],
  });
  return {
    published: (kind, count) => published.inc({ kind }, count),
    failed: () => failures.inc(),
    waiting: (partition, emissions) => waiting.set({ partition: String(partition) }, emissions),
    forget: (partition) => waiting.remove({ partition: String(partition) }),
  };
}
