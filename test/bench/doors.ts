// The doors beside each other on the real gateway with the real log: CPU of an event by door, against a native beacon of as many events in
// the same run; then a thousand sockets and every HTTP door at once. Whatever was answered as taken must be in the ledger.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startSystem, type TestSystem } from '../support/system.ts';
import { type Way, waysOf } from './door-requests.ts';
import { cpuMsOf, residentBytesOf } from './process.ts';
import { median, quantile, say, spread, table, writeSection } from './report.ts';
import { closeSockets, openSockets, pushAll, type SocketCrowd } from './socket-crowd.ts';

const SOCKETS = 1_000;
/** Sockets opened before memory is looked at: the first ones make the code warm. */
const FIRST_SOCKETS = 200;
const ROUNDS = 3;
const ROUND_MS = 1_500;
const CONNECTIONS = 32;
const WAVES = 4;
const MIXED_MS = 20_000;
const MIXED_CONNECTIONS = 4;
const MIXED_PAUSE_MS = 20;
const SOCKET_EVENT_MS = 2_000;
const TOKENS = 64;
const ARRIVAL_TIMEOUT_MS = 60_000;

const agent = new Agent({ keepAlive: true, maxSockets: 128 });
const HEADERS = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
  origin: 'https://example.org',
};

type Tally = { accepted: number; refused: number; next: Map<string, number> };
type Run = { system: TestSystem; pid: number; metrics: string; ways: Way[]; tally: Tally };

function post(
  base: string,
  { path, body, headers = {} }: { path: string; body: string; headers?: Record<string, string> },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(base + path, { method: 'POST', agent, headers: { ...HEADERS, ...headers } }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Sends the way's next request and counts what became of it. Resolves to the time until the answer, ms. */
async function sendOne({ system, tally }: Run, way: Way): Promise<number> {
  const n = tally.next.get(way.name) ?? 0;
  tally.next.set(way.name, n + 1);
  const startedMs = performance.now();
  const status = await post(system.ingest, way.request(n));
  if (status >= 200 && status < 300) tally.accepted += way.events;
  else tally.refused += way.events;
  return performance.now() - startedMs;
}

/** CPU of the gateway for one request, us: as many as it takes in a while, over connections that wait for their answers. */
async function measureWay(run: Run, way: Way, forMs: number): Promise<number> {
  const before = cpuMsOf(run.pid);
  const endMs = performance.now() + forMs;
  let sent = 0;
  const player = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await sendOne(run, way);
      sent++;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, player));
  return ((cpuMsOf(run.pid) - before) * 1_000) / sent;
}

async function eventsTaken({ metrics }: Run): Promise<number> {
  const text = await (await fetch(`${metrics}/metrics`)).text();
  const values = [...text.matchAll(/^playhead_ingest_events_total(?:\{[^}]*\})? (\d+)/gm)].map(([, value]) => Number(value));
  return values.reduce((sum, value) => sum + value, 0);
}

/** Waits until the gateway has so many events in the log. */
async function untilTaken(run: Run, events: number): Promise<number> {
  const endMs = performance.now() + ARRIVAL_TIMEOUT_MS;
  for (;;) {
    const taken = await eventsTaken(run);
    if (taken >= events || performance.now() > endMs) return taken;
    await sleep(20);
  }
}

/** CPU of the gateway for one event of a socket, us: waves of one push for each socket, until the log has them. */
async function measureSockets(run: Run, crowd: SocketCrowd): Promise<number> {
  const from = await eventsTaken(run);
  const before = cpuMsOf(run.pid);
  for (let wave = 0; wave < WAVES; wave++) {
    await pushAll(crowd);
    await untilTaken(run, from + (wave + 1) * crowd.sockets.length);
  }
  run.tally.accepted += WAVES * crowd.sockets.length;
  return ((cpuMsOf(run.pid) - before) * 1_000) / (WAVES * crowd.sockets.length);
}

type Mixed = { latencies: Map<string, number[]>; events: number; cpuUs: number; perSecond: number; socketBytes: number; beats: number[] };

async function mixed(run: Run, crowd: SocketCrowd, socketBytes: number): Promise<Mixed> {
  const latencies = new Map<string, number[]>(run.ways.map(({ name }) => [name, []]));
  const [from, before, startedMs] = [await eventsTaken(run), cpuMsOf(run.pid), performance.now()];
  const endMs = startedMs + MIXED_MS;
  crowd.beats.length = 0;
  const player = async (way: Way): Promise<void> => {
    while (performance.now() < endMs) {
      latencies.get(way.name)?.push(await sendOne(run, way));
      await sleep(MIXED_PAUSE_MS);
    }
  };
  const page = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const beganMs = performance.now();
      await pushAll(crowd, { overMs: SOCKET_EVENT_MS, beat: true });
      run.tally.accepted += crowd.sockets.length;
      await sleep(Math.max(0, SOCKET_EVENT_MS - (performance.now() - beganMs)));
    }
  };
  await Promise.all([page(), ...run.ways.flatMap((way) => Array.from({ length: MIXED_CONNECTIONS }, () => player(way)))]);
  const events = (await eventsTaken(run)) - from;
  return {
    latencies,
    events,
    cpuUs: ((cpuMsOf(run.pid) - before) * 1_000) / events,
    perSecond: (events * 1_000) / (performance.now() - startedMs),
    socketBytes,
    beats: crowd.beats.slice(),
  };
}

type Ledger = { eventsInLog: number; folded: number; late: number; dead: number; duplicates: number; waiting: number };

async function ledgerOf(client: pg.Client): Promise<Ledger> {
  const { rows } = await client.query('SELECT ledger FROM partition_progress');
  const sum = (name: keyof Ledger): number => rows.reduce((total, { ledger }) => total + Number(ledger[name] ?? 0), 0);
  return {
    eventsInLog: sum('eventsInLog'),
    folded: sum('folded'),
    late: sum('late'),
    dead: sum('dead'),
    duplicates: sum('duplicates'),
    waiting: sum('waiting'),
  };
}

/** Waits until the ledger holds as many events as were taken; it must not hold more. */
async function settled(url: string, accepted: number): Promise<Ledger> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const endMs = performance.now() + ARRIVAL_TIMEOUT_MS;
    for (;;) {
      const ledger = await ledgerOf(client);
      if (ledger.eventsInLog >= accepted || performance.now() > endMs) return ledger;
      await sleep(250);
    }
  } finally {
    await client.end();
  }
}

async function startTokens(system: TestSystem): Promise<string[]> {
  const tokens: string[] = [];
  for (let i = 0; i < TOKENS; i++) {
    const body = new URLSearchParams({ consumer_key: system.writeKey, ts: new Date().toISOString() });
    const answer = await fetch(`${system.ingest}/sessions`, { method: 'POST', body });
    tokens.push(((await answer.json()) as { token: string }).token);
  }
  return tokens;
}

/** Prints the figures and writes their section. */
export async function benchDoors(): Promise<void> {
  const limits = ['KEY_REQUESTS_PER_SECOND', 'PREFIX_REQUESTS_PER_SECOND', 'PREFIX_BURST'].map((name) => [
    `PLAYHEAD_INGEST_${name}`,
    '1000000',
  ]);
  const system = await startSystem({ services: ['ingest', 'processor'], env: { ingest: Object.fromEntries(limits) } });
  try {
    const [gateway] = system.instances('ingest');
    const tally: Tally = { accepted: TOKENS, refused: 0, next: new Map() };
    const run: Run = {
      system,
      pid: gateway?.pid ?? 0,
      metrics: gateway?.metrics ?? '',
      ways: waysOf(system, await startTokens(system)),
      tally,
    };
    for (const way of run.ways) await measureWay(run, way, ROUND_MS / 3);
    const crowd = await openSockets(system, FIRST_SOCKETS);
    await pushAll(crowd);
    tally.accepted += FIRST_SOCKETS;
    await sleep(1_000);
    const before = residentBytesOf(run.pid);
    await openSockets(system, SOCKETS, crowd);
    await sleep(1_000);
    const socketBytes = (residentBytesOf(run.pid) - before) / (SOCKETS - FIRST_SOCKETS);
    const found = new Map<string, number[]>([...run.ways.map(({ name }): [string, number[]] => [name, []]), [SOCKET_WAY, []]]);
    for (let round = 0; round < ROUNDS; round++) {
      for (const way of run.ways) found.get(way.name)?.push(await measureWay(run, way, ROUND_MS));
      found.get(SOCKET_WAY)?.push(await measureSockets(run, crowd));
    }
    const all = await mixed(run, crowd, socketBytes);
    const told = crowd.sockets.length;
    await closeSockets(crowd);
    // Each of them was playing or paused: its end is one event.
    tally.accepted += told;
    const ledger = await settled(system.database, tally.accepted);
    await report({ run, found, all, crowd, ledger });
  } finally {
    agent.destroy();
    await system.stop();
  }
}

const SOCKET_WAY = 'mave socket, 1 push';

type Measured = { run: Run; found: Map<string, number[]>; all: Mixed; crowd: SocketCrowd; ledger: Ledger };

async function report({ run, found, all, crowd, ledger }: Measured): Promise<void> {
  const { tally, ways } = run;
  const perRequest = (name: string): number => median(found.get(name) ?? []);
  const nativeOf = (events: number): number =>
    perRequest(ways.find((way) => way.name.startsWith('native') && way.events === events)?.name ?? '');
  const rows = [...ways, { name: SOCKET_WAY, events: 1 }].map(({ name, events }) => {
    const latency = name === SOCKET_WAY ? all.beats : (all.latencies.get(name) ?? []);
    return [
      name,
      spread(found.get(name) ?? [], 0),
      (perRequest(name) / events).toFixed(1),
      (perRequest(name) / nativeOf(events)).toFixed(2),
      `${quantile(latency, 0.5).toFixed(0)} / ${quantile(latency, 0.99).toFixed(0)}`,
    ];
  });
  for (const [name, request, event, times, latency] of rows)
    say(`  ${name}: ${request} us a request, ${event} an event, ${times} x native, ${latency} ms`);
  const missing = tally.accepted - ledger.eventsInLog;
  const balance = ledger.eventsInLog - ledger.folded - ledger.late - ledger.dead - ledger.duplicates - ledger.waiting;
  const facts = [
    ['sockets open at once', `${crowd.opened} (${crowd.refused} refused, ${crowd.lost} closed by the gateway)`],
    ['memory of a socket with its joined channel', `${(all.socketBytes / 1024).toFixed(1)} KiB`],
    ['events, all doors at once', `${Math.round(all.perSecond).toLocaleString('en')} /s, ${all.cpuUs.toFixed(1)} us of CPU an event`],
    ['requests refused', String(tally.refused)],
    ['events answered as taken', tally.accepted.toLocaleString('en')],
    ['missing in the ledger', `${missing}; ${ledger.duplicates} counted as copies, ${ledger.dead} dead letters, difference ${balance}`],
  ];
  for (const [name, figure] of facts) say(`  ${name}: ${figure}`);
  await writeSection({
    name: 'doors',
    title: 'The doors beside each other',
    command: 'npm run bench -- doors',
    lines: [
      `Real gateway, broker and processor. First each door alone, ${ROUNDS} alternating rounds, ${CONNECTIONS} connections (the socket: ${SOCKETS} at once): CPU of the gateway, median (lowest-highest), beside a native beacon of as many events. Then all of them at once for ${MIXED_MS / 1_000} s, ${MIXED_CONNECTIONS} connections a door that rest ${MIXED_PAUSE_MS} ms between requests and ${SOCKETS} sockets with a push every ${SOCKET_EVENT_MS / 1_000} s: time until the answer, which comes after the log has acknowledged (the socket: of a heartbeat, pushes are not answered).`,
      '',
      ...table(['door', 'CPU us a request', 'CPU us an event', 'times native', 'answered in ms, median / 99 %'], rows as string[][]),
      '',
      ...table(['what', 'figure'], facts),
    ],
  });
  if (missing !== 0 || balance !== 0)
    throw new Error(`the ledger does not hold what was taken: ${JSON.stringify({ tally: tally.accepted, ledger })}`);
}
