// What the Kafka adapters count. They are handed these objects and never import prom-client themselves.
import { Counter, type CounterConfiguration, Histogram, type HistogramConfiguration, type Registry } from 'prom-client';
import type { AppendFailure } from './kafka-append.ts';

export type LogWriterMetrics = { called(durationMs: number): void; failed(reason: AppendFailure): void; rebuilt(): void };
export type LogConsumerMetrics = { joined(): void; crashed(): void };

const PRODUCE_SECONDS_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * playhead_kafka_produce_duration_seconds{topic}, playhead_kafka_produce_errors_total{topic, reason},
 * playhead_kafka_producer_rebuilds_total{topic}. Writers of one registry share them.
 */
export function createLogWriterMetrics(registry: Registry, topic: string): LogWriterMetrics {
  const duration = histogramOf(registry, {
    name: 'playhead_kafka_produce_duration_seconds',
    help: 'Duration of one produce call, over all the partitions in it',
    labelNames: ['topic'],
    buckets: PRODUCE_SECONDS_BUCKETS,
  });
  const errors = counterOf(registry, {
    name: 'playhead_kafka_produce_errors_total',
    help: 'Partitions of produce calls that were not acknowledged, by reason; most are sent again and succeed',
    labelNames: ['topic', 'reason'],
  });
  const rebuilds = counterOf(registry, {
    name: 'playhead_kafka_producer_rebuilds_total',
    help: 'Times the watchdog replaced a producer that no longer got through',
    labelNames: ['topic'],
  });
  rebuilds.inc({ topic }, 0);
  return {
    called: (durationMs) => duration.observe({ topic }, durationMs / 1000),
    failed: (reason) => errors.inc({ topic, reason }),
    rebuilt: () => rebuilds.inc({ topic }),
  };
}

/** playhead_processor_rebalances_total, playhead_kafka_consumer_crashes_total. Consumers of one registry share them. */
export function createLogConsumerMetrics(registry: Registry): LogConsumerMetrics {
  const joins = counterOf(registry, { name: 'playhead_processor_rebalances_total', help: 'Assignments received from the group' });
  const crashes = counterOf(registry, {
    name: 'playhead_kafka_consumer_crashes_total',
    help: 'Times the consumer gave up, restarts included',
  });
  return { joined: () => joins.inc(), crashed: () => crashes.inc() };
}

function counterOf(registry: Registry, options: CounterConfiguration<string>): Counter {
  return (registry.getSingleMetric(options.name) as Counter | undefined) ?? new Counter({ ...options, registers: [registry] });
}

function histogramOf(registry: Registry, options: HistogramConfiguration<string>): Histogram {
  return (registry.getSingleMetric(options.name) as Histogram | undefined) ?? new Histogram({ ...options, registers: [registry] });
}
