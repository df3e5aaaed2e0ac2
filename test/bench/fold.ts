// The fold alone: time per event, memory of open sessions, snapshot and restore. Runs in a child with the garbage collector at hand.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createPartition, emissionSeq, FOLD_VERSION, type FoldRecord, step, takeChanged } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import { openSnapshot, takeSnapshot } from '../../processor/snapshots.ts';
import type { Beacon, EventType, LogMessage } from '../../schemas/beacon.ts';
import { UNKNOWN_CONTEXT } from '../../schemas/beacon.ts';
import { createCodec } from '../../schemas/codec.ts';
import { recordKey } from '../../schemas/topics.ts';
import { median, say, spread, table, writeSection } from './report.ts';

const SESSIONS = 100_000;
const BEACONS_PER_SESSION = 4;
const EVENTS_PER_BEACON = 5;
const ROUNDS = 3;

/** Longest* = between two opportunities to pause. */
type Figures = {
  nsPerEvent: number;
  bytesPerSession: number;
  snapshotMs: number;
  snapshotLongestMs: number;
  snapshotBytesPerSession: number;
  restoreMs: number;
  restoreLongestMs: number;
};

/** Does sliced work in one go: what it gives, how long it took, and its longest stretch without a pause. */
function timed<T>(work: Generator<unknown, T>): { value: T; tookMs: number; longestMs: number } {
  const startedMs = performance.now();
  let longestMs = 0;
  for (;;) {
    const fromMs = performance.now();
    const { done, value } = work.next();
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - fromMs);
    if (done) return { value: value as T, tookMs: nowMs - startedMs, longestMs };
  }
}

const codec = createCodec({ beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 });

/** A record as it comes out of the log: every text in it is a new one. */
function record(offset: number, session: number, part: number): FoldRecord {
  const events = Array.from({ length: EVENTS_PER_BEACON }, (_, n) => {
    const seq = part * EVENTS_PER_BEACON + n;
    const type: EventType = seq === 0 ? 'attempt' : seq === 1 ? 'playing' : 'heartbeat';
    return { type, seq, at: seq * 5_000, positionMs: Math.max(0, (seq - 1) * 5_000), detail: null };
  });
  const id = `bench-session-${String(session).padStart(8, '0')}`;
  const beacon: Beacon = {
    site: 'demo',
    session: id,
    video: `video-${session % 500}`,
    protocol: 'native',
    receivedAt: 1_790_000_000_000,
    sentAt: 1_790_000_000_000,
    baseAt: 1_790_000_000_000,
    context: {
      ...UNKNOWN_CONTEXT,
      title: `The title of video ${session % 500}`,
      durationMs: 600_000,
      pageHost: 'www.example.org',
      pagePath: `/watch/${session % 500}`,
      country: 'DE',
      browser: 'Firefox',
      platform: 'Linux',
      device: 'desktop',
      source: 'google',
      viewer: `viewer-${String(session).padStart(15, '0')}`,
    },
    events,
    rejects: [],
    ignoredFields: 0,
  };
  const key = Buffer.from(recordKey('demo', id));
  const message = codec.decode(key, codec.encodeBeacon(beacon, key)) as LogMessage;
  return { offset, appendAt: 1_790_000_000_000 + Math.floor(offset / 100), message, keyText: key.toString('latin1') };
}

function measure(): Figures {
  const collect = (globalThis as { gc?: () => void }).gc as () => void;
  const settings = { ...FOLD_SETTINGS_DEFAULT, openSessionsMax: 2 * SESSIONS };
  record(0, 0, 0);
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
      takeChanged(state, 1_000);
    }
  }
  collect();
  const bytesPerSession = (process.memoryUsage().heapUsed - before) / SESSIONS;
  const position = { nextOffset: offset, emissionSeq: emissionSeq(state) };
  const taken = timed(takeSnapshot({ schemaId: 5, state, position, fingerprint: undefined }));
  const { payload, checksum, stateHash } = taken.value;
  const row = {
    epoch: 1,
    next_offset: offset,
    emission_seq: position.emissionSeq,
    schema_id: 5,
    fold_version: FOLD_VERSION,
    config_hash: Buffer.alloc(0),
    fingerprint_offset: null,
    fingerprint_hash: null,
    state_hash: stateHash,
    checksum,
    payload,
  };
  const opened = timed(openSnapshot(row, settings));
  if (!opened.value.ok) throw new Error(opened.value.detail);
  return {
    nsPerEvent: (spentMs * 1e6) / (SESSIONS * BEACONS_PER_SESSION * EVENTS_PER_BEACON),
    bytesPerSession,
    snapshotMs: taken.tookMs,
    snapshotLongestMs: taken.longestMs,
    snapshotBytesPerSession: payload.length / SESSIONS,
    restoreMs: opened.tookMs,
    restoreLongestMs: opened.longestMs,
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
      'snapshot of 100,000 open sessions: Avro, gzip, state hash and checksum',
      `${spread(of('snapshotMs'), 0)} ms, ${median(of('snapshotBytesPerSession')).toFixed(0)} B each`,
    ],
    ['... its longest stretch without a pause', `${spread(of('snapshotLongestMs'))} ms`],
    ['restoring it: checksum, gunzip, decode, build, state hash', `${spread(of('restoreMs'), 0)} ms`],
    ['... its longest stretch without a pause', `${spread(of('restoreLongestMs'))} ms`],
  ];
  for (const [name, figure] of rows) say(`  ${name}: ${figure}`);
  await writeSection({
    name: 'fold',
    title: 'The fold',
    command: 'npm run bench -- fold',
    lines: [
      `${SESSIONS.toLocaleString('en')} open sessions in one partition, ${BEACONS_PER_SESSION} beacons of ${EVENTS_PER_BEACON} events each, decoded from bytes, uniform access; median (lowest-highest) of ${ROUNDS} processes.`,
      '',
      ...table(['what', 'figure'], rows as string[][]),
      '',
      'Typed columns would take about 150 B an open session; plain objects, slimmed, are what stands today.',
    ],
  });
}

if (process.argv[2] === '--measure') process.send?.(measure(), () => process.exit(0));
