// The fold alone: time per event, memory of open sessions, snapshot and restore. Runs in a child with the garbage collector at hand.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { createPartition, type FoldRecord, step } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import { type PartitionSnapshot, restore, snapshot } from '../../processor/core/snapshot.ts';
import type { Beacon, EventType } from '../../schemas/beacon.ts';
import { UNKNOWN_CONTEXT } from '../../schemas/beacon.ts';
import { createCodec } from '../../schemas/codec.ts';
import { recordKey } from '../../schemas/topics.ts';
import { median, say, spread, table, writeSection } from './report.ts';

const SESSIONS = 100_000;
const BEACONS_PER_SESSION = 4;
const EVENTS_PER_BEACON = 5;
const ROUNDS = 3;

type Figures = { nsPerEvent: number; bytesPerSession: number; snapshotMs: number; snapshotBytesPerSession: number; restoreMs: number };

function record(offset: number, session: number, part: number): FoldRecord {
  const events = Array.from({ length: EVENTS_PER_BEACON }, (_, n) => {
    const seq = part * EVENTS_PER_BEACON + n;
    const type: EventType = seq === 0 ? 'attempt' : seq === 1 ? 'playing' : 'heartbeat';
    return { type, seq, at: seq * 5_000, positionMs: Math.max(0, (seq - 1) * 5_000), detail: null };
  });
  const id = `s${session}`;
  const beacon: Beacon = {
    site: 'demo',
    session: id,
    video: `v${session % 500}`,
    protocol: 'native',
    receivedAt: 1_790_000_000_000,
    sentAt: 1_790_000_000_000,
    baseAt: 1_790_000_000_000,
    context: {
      ...UNKNOWN_CONTEXT,
      durationMs: 600_000,
      country: 'DE',
      browser: 'Firefox',
      platform: 'Linux',
      device: 'desktop',
      source: 'google',
    },
    events,
    rejects: [],
    ignoredFields: 0,
  };
  return {
    offset,
    appendAt: 1_790_000_000_000 + Math.floor(offset / 100),
    message: { kind: 'beacon', beacon },
    keyText: recordKey('demo', id),
  };
}

function measure(): Figures {
  const collect = (globalThis as { gc?: () => void }).gc as () => void;
  const settings = { ...FOLD_SETTINGS_DEFAULT, openSessionsMax: 2 * SESSIONS };
  const codec = createCodec({ beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 });
  collect();
  const before = process.memoryUsage().heapUsed;
  const state = createPartition(settings);
  let offset = 0;
  let spentMs = 0;
  for (let part = 0; part < BEACONS_PER_SESSION; part++) {
    for (let from = 0; from < SESSIONS; from += 1_000) {
      const records = Array.from({ length: 1_000 }, (_, n) => record(offset++, from + n, part));
      const startedMs = performance.now();
      for (const each of records) step(state, each);
      spentMs += performance.now() - startedMs;
    }
  }
  collect();
  const bytesPerSession = (process.memoryUsage().heapUsed - before) / SESSIONS;
  let startedMs = performance.now();
  const bytes = gzipSync(codec.encodeSnapshot(snapshot(state)), { level: 1 });
  const snapshotMs = performance.now() - startedMs;
  startedMs = performance.now();
  restore(codec.decodeSnapshot(codec.encodeSnapshot(snapshot(state))) as PartitionSnapshot, settings);
  const restoreMs = performance.now() - startedMs;
  return {
    nsPerEvent: (spentMs * 1e6) / (SESSIONS * BEACONS_PER_SESSION * EVENTS_PER_BEACON),
    bytesPerSession,
    snapshotMs,
    snapshotBytesPerSession: bytes.length / SESSIONS,
    restoreMs,
  };
}

async function measureInChild(): Promise<Figures> {
  const child = fork(fileURLToPath(import.meta.url), ['--measure'], {
    execArgv: ['--import', 'tsx', '--expose-gc', '--max-old-space-size=4096'],
  });
  const [figures] = (await once(child, 'message')) as [Figures];
  return figures;
}

/** Prints the figures and writes their section. */
export async function benchFold(): Promise<void> {
  const rounds: Figures[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await measureInChild());
  const of = (name: keyof Figures): number[] => rounds.map((figures) => figures[name]);
  const rows = [
    ['folding, per event (decoded)', `${spread(of('nsPerEvent'), 0)} ns`],
    ['heap of an open session with 20 events', `${spread(of('bytesPerSession'), 0)} B`],
    [
      'snapshot of 100,000 open sessions: Avro and gzip',
      `${spread(of('snapshotMs'), 0)} ms, ${median(of('snapshotBytesPerSession')).toFixed(0)} B each`,
    ],
    ['snapshot, encode, decode and restore again', `${spread(of('restoreMs'), 0)} ms`],
  ];
  for (const [name, figure] of rows) say(`  ${name}: ${figure}`);
  await writeSection({
    name: 'fold',
    title: 'The fold',
    command: 'npm run bench -- fold',
    lines: [
      `${SESSIONS.toLocaleString('en')} open sessions in one partition, ${BEACONS_PER_SESSION} beacons of ${EVENTS_PER_BEACON} events each, uniform access; median (lowest-highest) of ${ROUNDS} processes.`,
      '',
      ...table(['what', 'figure'], rows as string[][]),
      '',
      'The aim is 150 B an open session with typed columns; plain objects are what stands today.',
    ],
  });
}

if (process.argv[2] === '--measure') process.send?.(measure(), () => process.exit(0));
