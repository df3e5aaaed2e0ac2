// CPU per request of the gateway against a raw node:http echo, in one run on one machine (performance.md G1: the echo should
// cost at least 60 % of what the gateway costs). Client and server are processes of their own; variants alternate.
// Run: npm run bench -- gateway
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { sampleBeacon } from '../support/gateway.ts';
import { say, table, writeSection } from './report.ts';

const ROUNDS = 5;
const SECONDS = 2;
const CONNECTIONS = 64;
const VARIANTS = ['echo', 'gateway', 'delayed', 'lingering'] as const;
type Variant = (typeof VARIANTS)[number];

/** Microseconds of CPU per request, median over the rounds. */
export type GatewayBench = { micros: Record<Variant, number>; ratio: number; lingeringRatio: number };

type Server = { child: ChildProcess; port: number };

async function start(variant: Variant): Promise<Server> {
  const child = fork(fileURLToPath(new URL('./gateway-server.ts', import.meta.url)), [variant], { execArgv: ['--import', 'tsx'] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, port };
}

async function cpuMicros({ child }: Server): Promise<number> {
  child.send('cpu');
  const [{ cpu }] = (await once(child, 'message')) as [{ cpu: NodeJS.CpuUsage }];
  return cpu.user + cpu.system;
}

/** A beacon of five events, as players send it in the middle of a session. */
function bodyOf(): string {
  const events = Array.from({ length: 5 }, (_, n) => ({ seq: n, type: 'heartbeat', at: 1764000000000 + n * 5000, positionMs: n * 5000 }));
  return JSON.stringify(sampleBeacon({ events }));
}

async function measure(server: Server): Promise<number> {
  const before = await cpuMicros(server);
  const result = await autocannon({
    url: `http://127.0.0.1:${server.port}/v1/beacons`,
    method: 'POST',
    headers: {
      'content-type': 'text/plain',
      'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
      origin: 'https://example.org',
    },
    body: bodyOf(),
    connections: CONNECTIONS,
    duration: SECONDS,
  });
  if (result.non2xx > 0) throw new Error(`${result.non2xx} answers were no success`);
  return ((await cpuMicros(server)) - before) / result['2xx'];
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

export async function benchGateway(): Promise<GatewayBench> {
  const servers = new Map<Variant, Server>();
  for (const variant of VARIANTS) servers.set(variant, await start(variant));
  const found: Record<Variant, number[]> = { echo: [], gateway: [], delayed: [], lingering: [] };
  try {
    for (const server of servers.values()) await measure(server);
    for (let round = 0; round < ROUNDS; round++) for (const [variant, server] of servers) found[variant].push(await measure(server));
  } finally {
    for (const { child } of servers.values()) child.kill();
  }
  const micros = {
    echo: median(found.echo),
    gateway: median(found.gateway),
    delayed: median(found.delayed),
    lingering: median(found.lingering),
  };
  return { micros, ratio: micros.echo / micros.gateway, lingeringRatio: micros.delayed / micros.lingering };
}

/** Prints the figures and writes their section. */
export async function reportGateway({ micros, ratio, lingeringRatio }: GatewayBench): Promise<void> {
  const rows = [
    ['raw node:http, body read, 202', micros.echo.toFixed(1), '1'],
    ['gateway, log acknowledges at once', micros.gateway.toFixed(1), (micros.gateway / micros.echo).toFixed(2)],
    ['echo that answers 20 ms later', micros.delayed.toFixed(1), (micros.delayed / micros.echo).toFixed(2)],
    ['gateway with its linger', micros.lingering.toFixed(1), (micros.lingering / micros.echo).toFixed(2)],
  ];
  for (const [name, us] of rows) say(`  ${name}: ${us} us of CPU a request`);
  await writeSection({
    name: 'gateway',
    title: 'Gateway: CPU of a request',
    command: 'npm run bench -- gateway',
    lines: [
      `A POST of one beacon with five events (validated, enriched, encoded as Avro), against servers that do nothing. CPU of the server process, median of ${ROUNDS} alternating rounds.`,
      '',
      ...table(['server', 'CPU us per request', 'times the echo'], rows),
      '',
      `The echo costs ${(ratio * 100).toFixed(0)} % of the gateway (the aim is 60 %), with linger ${(lingeringRatio * 100).toFixed(0)} %.`,
    ],
  });
}
