// One base URL for players and dashboards: what the gateway does not take itself goes to the query API, if the operator says where
// that is. Which path is whose follows from the doors' own routes, so the two can never disagree.
import { Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import { createProxyServer } from 'httpxy';
import type { Logger } from 'pino';
import { withoutKeyPrefix } from './front.ts';
import type { IngestMetrics } from './metrics.ts';
import { problemReply, traceIdOf } from './problem.ts';

export type ForwardDeps = {
  /** Base URL of the query API. */
  url: string;
  metrics: Pick<IngestMetrics, 'forwarded'>;
  logger: Pick<Logger, 'warn'>;
  uuid: () => string;
};

export type Forwarder = {
  forward(request: IncomingMessage, response: ServerResponse): void;
  close(): void;
};

/** Longer than the query API's own statement timeout: it words its own refusals. */
const ANSWER_TIMEOUT_MS = 60_000;
/** Connections to the query API at once; further requests wait for one. */
const CONNECTIONS_MAX = 256;
const RETRY_AFTER_SECONDS = 2;

/** Sends requests on as they are, the caller's address added to X-Forwarded-For. Says 503 while the query API cannot be reached. */
export function createForwarder({ url, metrics, logger, uuid }: ForwardDeps): Forwarder {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX });
  const proxy = createProxyServer({ target: url, agent, proxyTimeout: ANSWER_TIMEOUT_MS });
  proxy.on('proxyRes', ({ statusCode }) => metrics.forwarded(statusCode ?? 0));
  const fail = (error: unknown, request: IncomingMessage, response: ServerResponse): void => {
    if (response.headersSent || response.destroyed) return void response.destroy();
    metrics.forwarded(503);
    logger.warn({ err: error }, 'the query API did not answer a forwarded request');
    const traceId = traceIdOf(request.headers['traceparent'], uuid);
    const detail = 'The query API cannot be reached from here (PLAYHEAD_INGEST_QUERY_URL). Ask again after Retry-After.';
    const reply = problemReply('unreachable', { detail, traceId, headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } });
    response.writeHead(reply.status, { ...reply.headers, 'content-type': reply.contentType, 'cache-control': 'no-store' });
    response.end(reply.body);
  };
  return {
    forward(request, response) {
      request.headers['x-forwarded-for'] = hopsOf(request);
      // A base URL may carry a write key, which says nothing to the query API: there the read key decides the site.
      request.url = withoutKeyPrefix(request.url ?? '/');
      proxy.web(request, response).catch((error: unknown) => fail(error, request, response));
    },
    close: () => agent.destroy(),
  };
}

/** What the caller says of where it came from, and the address we saw: the query API believes as many as it was told to. */
const hopsOf = ({ headers, socket }: IncomingMessage): string =>
  [headers['x-forwarded-for'] ?? [], socket.remoteAddress ?? 'unknown'].flat().join(', ');
