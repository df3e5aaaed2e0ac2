// The Prometheus registry of a process and the small server that exposes it together with its health.
import { createServer } from 'node:http';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { closeServer, listen } from './http.ts';

/** What a process says of itself. `ready` false takes it out of rotation, `alive` false asks for a restart. */
export type HealthReport = { alive: boolean; ready: boolean; checks: Record<string, { ok: boolean; detail: string }> };

/** A registry with Node's default process metrics and playhead_build_info{version, commit, node}. */
export function createMetricsRegistry(options: { service: string; version: string; commit: string }): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service: options.service });
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'playhead_build_info',
    help: 'Version of the running build; always 1',
    labelNames: ['version', 'commit', 'node'],
    registers: [registry],
  }).set({ version: options.version, commit: options.commit, node: process.version }, 1);
  return registry;
}

export type MetricsServer = { address: { host: string; port: number }; close(): Promise<void> };

/** Serves /metrics, /healthz (200 while alive) and /readyz (200 while ready; the body lists each check). Port 0 = any free one. */
export async function startMetricsServer(options: {
  registry: Registry;
  host: string;
  port: number;
  health: () => HealthReport;
}): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    const report = options.health();
    if (path === '/metrics') {
      options.registry.metrics().then(
        (text) => response.writeHead(200, { 'content-type': options.registry.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    } else if (path === '/healthz') sendHealth(response, report.alive, report);
    else if (path === '/readyz') sendHealth(response, report.ready, report);
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('Try /metrics, /healthz or /readyz.\n');
  });
  const address = await listen(server, options);
  return { address, close: () => closeServer(server) };
}

/** Writes a health report as JSON: 200 if `ok`, else 503. */
export function sendHealth(
  response: { writeHead(status: number, headers: Record<string, string>): { end(body: string): unknown } },
  ok: boolean,
  report: HealthReport,
): void {
  response
    .writeHead(ok ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify({ ok, ...report }));
}
