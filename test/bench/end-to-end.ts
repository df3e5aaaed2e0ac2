// Everything at once on one machine: load over HTTP, real broker, processor, PostgreSQL, query API, and the load generator itself.
// Throughput until everything is in the database, CPU of each process per event, and how soon a play is visible under that load.
import { Agent, request } from 'node:http';
import pg from 'pg';
import { startSystem, type TestSystem } from '../support/system.ts';
import { cpuMsOf } from './process.ts';
import { quantile, say, table, writeSection } from './report.ts';

const LOAD_SECONDS = 20;
const CONNECTIONS = 48;
const EVENTS_PER_BEACON = 5;
const PROBES = 40;
const VISIBLE_TIMEOUT_MS = 20_000;

const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

function post(url: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/beacons`, { method: 'POST', agent, headers: { 'content-type': 'text/plain' } }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

function beacon(system: TestSystem, session: string, part: number, video: string): string {
  const base = Date.now();
  const events = Array.from({ length: EVENTS_PER_BEACON }, (_, n) => {
    const seq = part * EVENTS_PER_BEACON + n;
    return {
      seq,
      type: seq === 0 ? 'attempt' : seq === 1 ? 'playing' : 'heartbeat',
      at: base - 20_000 + seq * 1_000,
      positionMs: Math.max(0, seq - 1) * 1_000,
    };
  });
  return JSON.stringify({ key: system.writeKey, session, video: { id: video, durationMs: 600_000 }, sentAt: base, events });
}

async function foldedEvents(client: pg.Client): Promise<number> {
  const { rows } = await client.query(
    `SELECT coalesce(sum((ledger->>'folded')::bigint + (ledger->>'late')::bigint), 0)::text AS folded FROM partition_progress`,
  );
  return Number(rows[0].folded);
}

async function freshnessMs(system: TestSystem, n: number): Promise<number> {
  const video = `probe-${n}`;
  const startedMs = performance.now();
  await post(system.ingest, beacon(system, `probe-${n}`, 0, video));
  while (performance.now() - startedMs < VISIBLE_TIMEOUT_MS) {
    const response = await fetch(`${system.query}/v1/plays?video=${video}`, { headers: { authorization: `Bearer ${system.readKey}` } });
    const { data } = (await response.json()) as { data: { plays: number } };
    if (data.plays === 1) return performance.now() - startedMs;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return VISIBLE_TIMEOUT_MS;
}

/** Prints the figures and writes their section. */
export async function benchEndToEnd(): Promise<void> {
  const system = await startSystem({
    partitions: 8,
    env: {
      ingest: {
        PLAYHEAD_INGEST_KEY_REQUESTS_PER_SECOND: '1000000',
        PLAYHEAD_INGEST_PREFIX_REQUESTS_PER_SECOND: '1000000',
        PLAYHEAD_INGEST_PREFIX_BURST: '1000000',
      },
    },
  });
  const client = new pg.Client({ connectionString: system.database });
  await client.connect();
  try {
    const pids = { gateway: system.instances('ingest')[0]?.pid ?? 0, processor: system.instances('processor')[0]?.pid ?? 0 };
    for (let n = 0; n < 200; n++) await post(system.ingest, beacon(system, `warm-${n}`, 0, 'warm'));
    const before = { gateway: cpuMsOf(pids.gateway), processor: cpuMsOf(pids.processor), folded: await foldedEvents(client) };
    const startedMs = performance.now();
    const endMs = startedMs + LOAD_SECONDS * 1000;
    let accepted = 0;
    let refused = 0;
    let next = 0;
    const player = async (): Promise<void> => {
      while (performance.now() < endMs) {
        const session = `load-${next++}`;
        for (let part = 0; part < 4 && performance.now() < endMs; part++) {
          const status = await post(system.ingest, beacon(system, session, part, `video-${next % 50}`));
          if (status === 202) accepted += EVENTS_PER_BEACON;
          else refused += EVENTS_PER_BEACON;
        }
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, player));
    const sentMs = performance.now() - startedMs;
    const goal = before.folded + accepted;
    while ((await foldedEvents(client)) < goal - 200 * EVENTS_PER_BEACON && performance.now() - endMs < 120_000)
      await new Promise((resolve) => setTimeout(resolve, 100));
    const doneMs = performance.now() - startedMs;
    const cpu = { gateway: cpuMsOf(pids.gateway) - before.gateway, processor: cpuMsOf(pids.processor) - before.processor };
    const quiet: number[] = [];
    for (let n = 0; n < PROBES; n++) quiet.push(await freshnessMs(system, n));
    await report({ accepted, refused, sentMs, doneMs, cpu, quiet });
  } finally {
    await client.end();
    agent.destroy();
    await system.stop();
  }
}

type Measured = {
  accepted: number;
  refused: number;
  sentMs: number;
  doneMs: number;
  cpu: { gateway: number; processor: number };
  quiet: number[];
};

async function report({ accepted, refused, sentMs, doneMs, cpu, quiet }: Measured): Promise<void> {
  const perEvent = (ms: number): string => `${((ms * 1000) / accepted).toFixed(1)} us`;
  const rows = [
    ['events acknowledged', `${Math.round(accepted / (sentMs / 1000)).toLocaleString('en')} /s (${refused} refused)`],
    ['events folded and in the database, from first to last', `${Math.round(accepted / (doneMs / 1000)).toLocaleString('en')} /s`],
    ['behind when the load ended', `${((doneMs - sentMs) / 1000).toFixed(1)} s`],
    ['CPU of the gateway', `${perEvent(cpu.gateway)} an event`],
    ['CPU of the processor, sink included', `${perEvent(cpu.processor)} an event`],
    ['from sending a play to seeing it in GET /v1/plays, median', `${(quantile(quiet, 0.5) / 1000).toFixed(2)} s`],
    ['the same, 99 %', `${(quantile(quiet, 0.99) / 1000).toFixed(2)} s`],
  ];
  for (const [name, figure] of rows) say(`  ${name}: ${figure}`);
  await writeSection({
    name: 'end-to-end',
    title: 'End to end on one machine',
    command: 'npm run bench -- end-to-end',
    lines: [
      `${CONNECTIONS} keep-alive connections for ${LOAD_SECONDS} s, beacons of ${EVENTS_PER_BEACON} events; broker, registry, PostgreSQL, three services and the load generator share the machine. Freshness: ${PROBES} plays after the load, asked for every 50 ms.`,
      '',
      ...table(['what', 'figure'], rows),
    ],
  });
}
