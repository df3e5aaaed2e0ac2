// Metrics of the query API. Labels have few values: routes as written in the document, never an id.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type QueryMetrics = {
  requestSeconds: Histogram<'route' | 'status_class'>;
  statementSeconds: Histogram<'statement'>;
  plans: Counter<'figures' | 'path'>;
  limitHits: Counter<'limit'>;
  refused: Counter<'reason'>;
  poolConnections: Gauge<'state'>;
};

const SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

export function createQueryMetrics(registry: Registry): QueryMetrics {
  const registers = [registry];
  return {
    requestSeconds: new Histogram({
      name: 'playhead_query_request_duration_seconds',
      help: 'Time from request to the end of the answer',
      labelNames: ['route', 'status_class'],
      buckets: SECONDS,
      registers,
    }),
    statementSeconds: new Histogram({
      name: 'playhead_query_statement_duration_seconds',
      help: 'Time of one SQL statement, waiting for a connection included',
      labelNames: ['statement'],
      buckets: SECONDS,
      registers,
    }),
    plans: new Counter({
      name: 'playhead_query_plans_total',
      help: 'How questions were answered: from rollups, from rows, or from rows because the rollups held supplements',
      labelNames: ['figures', 'path'],
      registers,
    }),
    limitHits: new Counter({
      name: 'playhead_query_limit_hits_total',
      help: 'Limits of the query API that a request reached',
      labelNames: ['limit'],
      registers,
    }),
    refused: new Counter({
      name: 'playhead_query_refused_requests_total',
      help: 'Requests refused for their key',
      labelNames: ['reason'],
      registers,
    }),
    poolConnections: new Gauge({
      name: 'playhead_pg_pool_connections',
      help: 'Database connections by state',
      labelNames: ['state'],
      registers,
    }),
  };
}
