// Many open sessions in one processor, on a real Kafka and PostgreSQL: what they take, what their snapshots cost, and how long it takes
// until a processor that was killed has caught up.
import pg from 'pg';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogWriter } from '../../infra/runtime/kafka.ts';
import { createLogger } from '../../infra/runtime/log.ts';
import { createMetricsRegistry } from '../../infra/runtime/metrics.ts';
import type { LogWriter, RecordToAppend } from '../../infra/runtime/ports.ts';
import { UNKNOWN_CONTEXT } from '../../schemas/beacon.ts';
import { type Codec, createCodec } from '../../schemas/codec.ts';
import { partitionOf, recordKey } from '../../schemas/topics.ts';
import { startSystem, type TestSystem } from '../support/system.ts';
import { metricIn, sampleOf } from '../support/usage.ts';
import { say, table, writeSection } from './report.ts';

const SESSIONS_DEFAULT = [200_000, 1_000_000];
/** D21: 10,000 to 20,000 open sessions a partition, far below the fold's limit of 50,000. */
const SESSIONS_PER_PARTITION = 15_625;
const EVENTS_PER_BEACON = 5;
const VIDEOS = 2_000;
/** Records of a partition in one append: the writer takes up to 240 kB. */
const APPEND_RECORDS = 500;
/** Records that go on arriving while snapshots are made, so that positions move. */
const TRICKLE_RECORDS = 200;
const TRICKLE_MS = 200;
/** What piles up while nobody folds. */
const BACKLOG_RECORDS = 20_000;
const SNAPSHOT_INTERVAL_MS = 20_000;
/** prom-client's gauge of the event loop holds the length of its own timer, too. */
const LAG_RESOLUTION_MS = 10;
const CATCH_UP_TIMEOUT_MS = 900_000;
const POLL_MS = 100;
const MB = 1024 * 1024;
const BASE_HEAP_MB = 512;
const HEAP_BYTES_PER_SESSION = 2_500;

/** What operators should allow: twice what the sessions hold, for garbage and snapshots, above what the process needs anyway. */
const heapMbFor = (sessions: number): number => BASE_HEAP_MB + Math.ceil((sessions * HEAP_BYTES_PER_SESSION) / MB);

type Figures = {
  sessions: number;
  partitions: number;
  heapLimitMb: number;
  heapIdleMb: number;
  heapMb: number;
  rssMb: number;
  foldingPauseMs: number;
  foldSeconds: number;
  snapshotBytes: number;
  snapshotMeanMs: number;
  snapshotPauseMs: number;
  groupMs: number;
  claimMs: number;
  loadMs: number;
  replayMs: number;
  caughtUpMs: number;
  startMs: number;
  restorePauseMs: number;
};

type Run = {
  system: TestSystem;
  client: pg.Client;
  codec: Codec;
  writer: LogWriter;
  partitions: number;
  sessions: number;
  highs: number[];
};

const sessionId = (n: number): string => `bench${String(n).padStart(9, '0')}${String((n * 7_919) % 1_000_000_007).padStart(10, '0')}`;

function recordOf({ system, codec, partitions }: Run, n: number, part: number): { partition: number; record: RecordToAppend } {
  const session = sessionId(n);
  const now = Date.now();
  const events = Array.from({ length: EVENTS_PER_BEACON }, (_, i) => {
    const seq = part * EVENTS_PER_BEACON + i;
    const type = seq === 0 ? ('attempt' as const) : seq === 1 ? ('playing' as const) : ('heartbeat' as const);
    return { type, seq, at: seq * 5_000, positionMs: Math.max(0, seq - 1) * 5_000, detail: null };
  });
  const video = n % VIDEOS;
  const context = {
    ...UNKNOWN_CONTEXT,
    title: `The title of video ${video}`,
    durationMs: 3_600_000,
    pageHost: 'www.example.org',
    pagePath: `/watch/${video}`,
    country: ['DE', 'FR', 'GB', 'NL', 'US'][n % 5] as string,
    browser: ['Chrome', 'Firefox', 'Safari'][n % 3] as string,
    platform: ['Linux', 'Windows', 'iOS'][n % 3] as string,
    device: ['desktop', 'phone'][n % 2] as string,
    viewer: `viewer${String(n).padStart(16, '0')}`,
  };
  const base = now - (part + 1) * EVENTS_PER_BEACON * 5_000;
  const beacon = {
    site: system.site,
    session,
    video: `video-${video}`,
    protocol: 'native' as const,
    receivedAt: now,
    sentAt: now,
    baseAt: base,
    context,
    events,
    rejects: [],
    ignoredFields: 0,
  };
  const key = Buffer.from(recordKey(system.site, session));
  return { partition: partitionOf(key, partitions), record: { key, value: codec.encodeBeacon(beacon, key) } };
}

async function append(run: Run, records: readonly { partition: number; record: RecordToAppend }[]): Promise<void> {
  const batches = new Map<number, RecordToAppend[]>();
  for (const { partition, record } of records) {
    const batch = batches.get(partition);
    if (batch) batch.push(record);
    else batches.set(partition, [record]);
  }
  for (const [partition, result] of await run.writer.append(batches)) {
    if (result.outcome !== 'appended') throw new Error(`partition ${partition}: ${result.error.message}`);
    run.highs[partition] = (run.highs[partition] ?? 0) + (batches.get(partition)?.length ?? 0);
  }
}

/** One beacon of every session in order, in batches. */
async function openSessions(run: Run): Promise<void> {
  const atOnce = APPEND_RECORDS * run.partitions;
  for (let from = 0; from < run.sessions; from += atOnce) {
    const count = Math.min(atOnce, run.sessions - from);
    await append(
      run,
      Array.from({ length: count }, (_, i) => recordOf(run, from + i, 0)),
    );
  }
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + CATCH_UP_TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await systemScheduler.sleep(POLL_MS);
  }
}

async function atLagZero({ client, highs }: Run): Promise<boolean> {
  const { rows } = await client.query('SELECT partition, next_offset FROM partition_progress');
  const next = new Map(rows.map((row) => [Number(row.partition), Number(row.next_offset)]));
  return highs.every((high, partition) => (next.get(partition) ?? 0) >= (high ?? 0));
}

/** Text of the processor's metrics; '' while it gives none. */
async function metricsOf({ system }: Run): Promise<string> {
  const [instance] = system.instances('processor');
  return instance === undefined
    ? ''
    : fetch(`${instance.metrics}/metrics`).then(
        (response) => response.text(),
        () => '',
      );
}

/** The longest pause of the event loop, and the lowest heap, from now until it is stopped. */
function watch(run: Run): { stop(): Promise<{ pauseMs: number; heapMb: number; rssMb: number }> } {
  let stopped = false;
  let pauseMs = 0;
  let heapMb = Number.POSITIVE_INFINITY;
  let rssMb = 0;
  const watching = (async () => {
    for (let n = 0; !stopped; n++) {
      const lag = metricIn(await metricsOf(run), 'nodejs_eventloop_lag_max_seconds') * 1000 - LAG_RESOLUTION_MS;
      // The gauge is set back by each reading: the first one tells of the time before.
      if (n > 0) pauseMs = Math.max(pauseMs, lag);
      const [instance] = run.system.instances('processor');
      const sample = instance && (await sampleOf(instance));
      if (sample !== undefined && sample.heapMb > 0) heapMb = Math.min(heapMb, sample.heapMb);
      rssMb = Math.max(rssMb, sample?.rssMb ?? 0);
      await systemScheduler.sleep(500);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await watching;
      return { pauseMs, heapMb, rssMb };
    },
  };
}

/** Records keep coming until it is stopped. */
function trickle(run: Run): { stop(): Promise<void> } {
  let stopped = false;
  let next = 0;
  const parts = new Map<number, number>();
  const flowing = (async () => {
    while (!stopped) {
      const records = Array.from({ length: TRICKLE_RECORDS }, () => {
        next = (next + 7_919) % run.sessions;
        const part = (parts.get(next) ?? 0) + 1;
        parts.set(next, part);
        return recordOf(run, next, part);
      });
      await append(run, records);
      await systemScheduler.sleep(TRICKLE_MS);
    }
  })();
  return {
    stop() {
      stopped = true;
      return flowing;
    },
  };
}

async function snapshotsDone({ client, partitions }: Run, since: Date): Promise<boolean> {
  const { rows } = await client.query('SELECT count(DISTINCT partition)::int AS n FROM snapshots WHERE created_at > $1', [since]);
  return rows[0].n === partitions;
}

/** Kills the processor, lets a backlog grow, starts it again and takes apart the time until lag 0. */
async function killAndRecover(
  run: Run,
): Promise<Pick<Figures, 'groupMs' | 'claimMs' | 'loadMs' | 'replayMs' | 'caughtUpMs' | 'startMs' | 'restorePauseMs'>> {
  const { system, client } = run;
  await system.kill('processor', 'SIGKILL');
  for (let from = 0; from < BACKLOG_RECORDS; from += APPEND_RECORDS) {
    await append(
      run,
      Array.from({ length: APPEND_RECORDS }, (_, n) => recordOf(run, ((from + n) * 31) % run.sessions, 40)),
    );
  }
  const logged = system.log('processor', { lines: 1_000_000 }).split('\n').length;
  const began = Date.now();
  const ready = system.start('processor');
  const pauses = watch(run);
  await until('the process answers', async () => (await metricsOf(run)) !== '');
  const started = Date.now();
  await until('the processor catches up', () => atLagZero(run));
  const caughtUp = Date.now();
  await ready;
  const { pauseMs } = await pauses.stop();
  const lines = system.log('processor', { lines: 1_000_000 }).split('\n').slice(logged);
  const at = (message: string): number[] =>
    lines.filter((line) => line.includes(`"msg":"${message}"`)).map((line) => Date.parse((JSON.parse(line) as { time: string }).time));
  const assigned = Math.min(...at('assigned'));
  const loaded = Math.max(...at('claimed'));
  const { rows } = await client.query('SELECT max(claimed_at) AS at FROM partition_claims WHERE claimed_at > $1', [new Date(began)]);
  const claimed = (rows[0].at as Date).getTime();
  return {
    startMs: started - began,
    groupMs: assigned - started,
    claimMs: claimed - assigned,
    loadMs: loaded - claimed,
    replayMs: caughtUp - loaded,
    caughtUpMs: caughtUp - began,
    restorePauseMs: pauseMs,
  };
}

async function measure(sessions: number): Promise<Figures> {
  const partitions = Math.max(4, Math.ceil(sessions / SESSIONS_PER_PARTITION));
  const heapLimitMb = heapMbFor(sessions);
  const system = await startSystem({
    partitions,
    services: ['processor'],
    env: {
      processor: {
        NODE_OPTIONS: `--max-old-space-size=${heapLimitMb}`,
        PLAYHEAD_PROCESSOR_SNAPSHOT_INTERVAL_MS: String(SNAPSHOT_INTERVAL_MS),
      },
    },
  });
  const client = new pg.Client({ connectionString: system.database });
  const registry = createMetricsRegistry({ service: 'bench', version: '0', commit: '' });
  const { brokers, topic } = system;
  const writer = createLogWriter({
    brokers,
    clientId: 'bench',
    logger: createLogger({ service: 'bench', instance: 'bench', level: 'fatal' }),
    topic,
    partitions,
    scheduler: systemScheduler,
    registry,
  });
  const run: Run = { system, client, codec: createCodec(system.schemaIds), writer, partitions, sessions, highs: [] };
  try {
    await Promise.all([client.connect(), writer.whenReady(15_000)]);
    const [instance] = system.instances('processor');
    const heapIdleMb = (instance && (await sampleOf(instance))?.heapMb) ?? 0;
    say(`  ${sessions.toLocaleString('en')} sessions in ${partitions} partitions`);
    const folding = watch(run);
    const began = performance.now();
    await openSessions(run);
    await until('everything is folded', () => atLagZero(run));
    const foldSeconds = (performance.now() - began) / 1000;
    const { pauseMs: foldingPauseMs } = await folding.stop();
    say(`  folded after ${foldSeconds.toFixed(0)} s`);
    const before = await metricsOf(run);
    const flowing = trickle(run);
    const since = new Date();
    const steady = watch(run);
    await until('every partition has a new snapshot', () => snapshotsDone(run, since));
    const { pauseMs: snapshotPauseMs, heapMb, rssMb } = await steady.stop();
    await flowing.stop();
    const after = await metricsOf(run);
    const grown = (name: string): number => metricIn(after, name) - Math.max(0, metricIn(before, name));
    const taken = grown('playhead_processor_snapshot_duration_seconds_count');
    const open = metricIn(after, 'playhead_processor_open_sessions');
    if (open !== sessions) throw new Error(`${open} sessions are open, ${sessions} were opened`);
    say('  snapshots taken; killing the processor');
    return {
      sessions,
      partitions,
      heapLimitMb,
      heapIdleMb,
      heapMb,
      rssMb,
      foldingPauseMs,
      foldSeconds,
      snapshotBytes: metricIn(after, 'playhead_processor_state_bytes'),
      snapshotMeanMs: (grown('playhead_processor_snapshot_duration_seconds_sum') * 1000) / taken,
      snapshotPauseMs,
      ...(await killAndRecover(run)),
    };
  } finally {
    await client.end();
    await writer.close();
    await system.stop();
  }
}

const whole = (value: number): string => Math.round(value).toLocaleString('en');
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const LINES: readonly [string, (figures: Figures) => string][] = [
  ['partitions', ({ partitions }) => whole(partitions)],
  ['`NODE_OPTIONS`', ({ heapLimitMb }) => `\`--max-old-space-size=${heapLimitMb}\``],
  ['heap, lowest while folding goes on', ({ heapMb }) => `${whole(heapMb)} MB`],
  ['... an open session', ({ heapMb, heapIdleMb, sessions }) => `${whole(((heapMb - heapIdleMb) * MB) / sessions)} B`],
  ['RSS, highest', ({ rssMb }) => `${whole(rssMb)} MB`],
  ['... an open session', ({ rssMb, sessions }) => `${whole((rssMb * MB) / sessions)} B`],
  ['all sessions opened, folded and in the database after', ({ foldSeconds }) => `${foldSeconds.toFixed(0)} s`],
  [
    'snapshots of all partitions',
    ({ snapshotBytes, sessions }) => `${(snapshotBytes / MB).toFixed(1)} MB, ${whole(snapshotBytes / sessions)} B a session`,
  ],
  ['one partition does not fold for its snapshot for', ({ snapshotMeanMs }) => `${whole(snapshotMeanMs)} ms (mean)`],
  ['longest pause of the event loop while snapshots are taken', ({ snapshotPauseMs }) => `${whole(snapshotPauseMs)} ms`],
  ['... while sessions are opened at full speed', ({ foldingPauseMs }) => `${whole(foldingPauseMs)} ms`],
  ['... from restart to lag 0', ({ restorePauseMs }) => `${whole(restorePauseMs)} ms`],
  ['started again after kill -9: lag 0 after', ({ caughtUpMs }) => `**${seconds(caughtUpMs)}**`],
  ['... of that: process starts', ({ startMs }) => seconds(startMs)],
  ['... until the group assigns (it lets go of a dead member 10 s after its death)', ({ groupMs }) => seconds(groupMs)],
  ['... claims', ({ claimMs }) => seconds(claimMs)],
  ['... snapshots loaded', ({ loadMs }) => seconds(loadMs)],
  ['... replay, and the backlog', ({ replayMs }) => seconds(replayMs)],
];

/** Prints the figures and writes their section. */
export async function benchRecovery(sizes: readonly number[] = SESSIONS_DEFAULT): Promise<void> {
  const all: Figures[] = [];
  for (const size of sizes) all.push(await measure(size));
  const rows = LINES.map(([name, cell]) => [name, ...all.map(cell)]);
  for (const [name, ...cells] of rows) say(`  ${name}: ${cells.join(' / ')}`);
  await writeSection({
    name: 'recovery',
    title: 'Many open sessions, and recovery',
    command: `npm run bench -- recovery${sizes === SESSIONS_DEFAULT ? '' : ` --sessions ${sizes.join(',')}`}`,
    lines: [
      `One processor, one Kafka broker, PostgreSQL and the load generator on one machine. Every session has sent one beacon of ${EVENTS_PER_BEACON} events; then`,
      `${whole((TRICKLE_RECORDS * 1000) / TRICKLE_MS)} beacons a second go on while each partition takes a snapshot (every ${SNAPSHOT_INTERVAL_MS / 1000} s here, 64 s by default). Then kill -9, ${whole(BACKLOG_RECORDS)} beacons pile up,`,
      'and the processor is started again. Pauses are those of the event loop, garbage collection included.',
      '',
      ...table(['what', ...all.map(({ sessions }) => `${whole(sessions)} open sessions`)], rows),
      '',
      `To plan with: ${BASE_HEAP_MB} MB and ${HEAP_BYTES_PER_SESSION.toLocaleString('en')} B of heap for each open session of a processor, set by \`NODE_OPTIONS=--max-old-space-size=<MB>\`, and as much again for those it`,
      'takes over when another one fails; 10,000 to 20,000 open sessions a partition (the fold seals early at 50,000).',
    ],
  });
}

/** The sizes in `200000,1000000`. @throws RangeError for anything else. */
export function sizesFrom(text: string): readonly number[] {
  const sizes = text.split(',').map(Number);
  if (sizes.some((size) => !Number.isSafeInteger(size) || size < 1)) throw new RangeError('--sessions takes numbers, separated by commas');
  return sizes;
}
