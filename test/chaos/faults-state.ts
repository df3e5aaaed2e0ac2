// State bombs (F33): one session with more events than a part may hold, and more session ids than a partition may keep open.
import { systemClock, systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogWriter } from '../../infra/runtime/kafka.ts';
import { createMetricsRegistry } from '../../infra/runtime/metrics.ts';
import type { RecordToAppend } from '../../infra/runtime/ports.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import type { Beacon, BeaconEvent } from '../../schemas/beacon.ts';
import { createCodec } from '../../schemas/codec.ts';
import { partitionOf, recordKey } from '../../schemas/topics.ts';
import type { Violation } from '../support/invariants.ts';
import { testLogger } from '../support/log-kafka.ts';
import type { TestSystem } from '../support/system.ts';
import type { Fault } from './fault.ts';
import { countOf } from './faults-processes.ts';
import { type LoadResult, sendMore } from './load.ts';
import type { Stage } from './stage.ts';

const SECOND_MS = 1_000;
const EVENTS_PER_BEACON = 200;
/** Records of one append: the writer takes up to 240 kB a partition. */
const RECORDS_AT_ONCE = 60;
const IDS_AT_ONCE = 1_000;
const READY_TIMEOUT_MS = 30_000;
const ATTEMPTS_MAX = 30;
const BOMB = 'bomb-of-events';
const ID_BOMB = 'bomb-';
const LIMIT_SHORT = 400;
const LIMIT_FULL = 10_000;
const VIEWERS_AMONG_BOMBS = 12;
const { partEventsMax } = FOLD_SETTINGS_DEFAULT;

type Sender = { send(beacons: readonly Beacon[]): Promise<void>; close(): Promise<void> };

/** Puts beacons into the log as a gateway without limits would. */
async function senderTo({ brokers, topic, partitions, schemaIds }: TestSystem): Promise<Sender> {
  const registry = createMetricsRegistry({ service: 'chaos', version: '0', commit: '' });
  const writer = createLogWriter({
    brokers,
    topic,
    partitions,
    clientId: 'chaos-bomb',
    logger: testLogger,
    scheduler: systemScheduler,
    registry,
  });
  await writer.whenReady(READY_TIMEOUT_MS);
  const codec = createCodec(schemaIds);
  return {
    async send(beacons) {
      const batches = new Map<number, RecordToAppend[]>();
      for (const beacon of beacons) {
        const key = Buffer.from(recordKey(beacon.site, beacon.session));
        const partition = partitionOf(key, partitions);
        batches.set(partition, [...(batches.get(partition) ?? []), { key, value: codec.encodeBeacon(beacon, key) }]);
      }
      for (let attempt = 1, left = batches; left.size > 0; attempt++) {
        const results = await writer.append(left);
        left = new Map([...left].filter(([partition]) => results.get(partition)?.outcome !== 'appended'));
        if (left.size > 0 && attempt === ATTEMPTS_MAX) throw new Error('the bomb could not be placed');
        if (left.size > 0) await systemScheduler.sleep(SECOND_MS);
      }
    },
    close: () => writer.close(),
  };
}

const beaconOf = (session: string, events: BeaconEvent[]): Beacon => ({
  site: 'site',
  session,
  video: 'clip-a',
  protocol: 'native',
  receivedAt: systemClock.now(),
  sentAt: systemClock.now(),
  baseAt: systemClock.now() - 3_600 * SECOND_MS,
  context: null,
  events,
  rejects: [],
  ignoredFields: 0,
});

const event = (seq: number): BeaconEvent => ({
  type: seq === 0 ? 'attempt' : seq === 1 ? 'playing' : 'heartbeat',
  seq,
  at: seq,
  positionMs: -1,
  detail: null,
});

/** Beside the audience: one session that never ends. */
async function bombEvents(stage: Stage): Promise<void> {
  const sender = await senderTo(stage.system);
  const total = stage.times(210_000, 1_000_000);
  const atOnce = EVENTS_PER_BEACON * RECORDS_AT_ONCE;
  for (let from = 0; from < total; from += atOnce) {
    const beacons = Array.from({ length: Math.ceil(Math.min(atOnce, total - from) / EVENTS_PER_BEACON) }, (_, n) => {
      const first = from + n * EVENTS_PER_BEACON;
      return beaconOf(
        BOMB,
        Array.from({ length: EVENTS_PER_BEACON }, (_each, i) => event(first + i)),
      );
    });
    await sender.send(beacons);
    stage.injected('events of one session', beacons.length * EVENTS_PER_BEACON);
  }
  await sender.close();
}

/** After the audience: ids without end; then an audience again, in partitions that are full of them. */
async function bombIds(stage: Stage, load: LoadResult): Promise<void> {
  await stage.system.closeAll();
  await stage.until('all is sealed', async () => (await countOf(stage, 'SELECT count(*) AS n FROM open_sessions')) === 0, 180_000);
  const sender = await senderTo(stage.system);
  const total = stage.times(6_000, 200_000);
  for (let from = 0; from < total; from += IDS_AT_ONCE) {
    await sender.send(Array.from({ length: IDS_AT_ONCE }, (_, n) => beaconOf(`${ID_BOMB}${from + n}`, [event(0), event(1)])));
    stage.injected('session ids', IDS_AT_ONCE);
  }
  await sender.close();
  await sendMore(stage.load, load, { viewers: VIEWERS_AMONG_BOMBS, seed: 'bombs', spreadMs: 2 * SECOND_MS });
  stage.injected('viewers among them', VIEWERS_AMONG_BOMBS);
}

/** Hits of a limit that the processors counted. */
async function hitsOf(stage: Stage, limit: string): Promise<number> {
  let hits = 0;
  for (const { metrics } of stage.system.instances('processor')) {
    const text = await (await fetch(`${metrics}/metrics`)).text();
    for (const line of text.split('\n')) if (line.includes(`limit="${limit}"`)) hits += Number(line.split(' ').at(-1));
  }
  return hits;
}

/** Every part sealed early says why, no part is larger than it may be, and what was cut is what the counters say. */
async function limitsHeld(stage: Stage): Promise<Violation[]> {
  const found: string[] = [];
  const parts = await stage.sql(`SELECT reason, received::int8, limit_hits FROM sessions WHERE session = '${BOMB}' ORDER BY part`);
  const early = parts.filter(({ reason }) => reason === 'size');
  if (early.length === 0) found.push('no part of the large session was sealed for its size');
  for (const { received, limit_hits: hits } of early) {
    if (Number(received) !== partEventsMax || Number(hits) === 0)
      found.push(`a part was sealed at ${received} events with ${hits} limit hits`);
  }
  const sealed = await countOf(stage, `SELECT count(*) AS n FROM sessions WHERE reason = 'size' AND session <> '${BOMB}'`);
  const silent = await countOf(stage, `SELECT count(*) AS n FROM sessions WHERE reason = 'size' AND limit_hits = 0`);
  const others = await countOf(stage, `SELECT count(*) AS n FROM sessions WHERE reason = 'size' AND session NOT LIKE '${ID_BOMB}%'`);
  if (sealed === 0) found.push('no session was sealed early although more were open than may be');
  if (silent > 0) found.push(`${silent} parts were sealed early without a word`);
  if (others > 0) found.push(`${others} sessions of the audience were sealed early`);
  const counted = { openSessionsMax: await hitsOf(stage, 'openSessionsMax'), partEventsMax: await hitsOf(stage, 'partEventsMax') };
  if (counted.openSessionsMax !== sealed) found.push(`${sealed} sessions were sealed early, ${counted.openSessionsMax} counted`);
  if (counted.partEventsMax !== early.length) found.push(`${early.length} parts were full, ${counted.partEventsMax} counted`);
  if ((await hitsOf(stage, 'tombstonesMax')) === 0) found.push('no tombstone was counted as forgotten');
  return found.map((detail) => ({ invariant: 'I10', detail }));
}

export const STATE_FAULTS: readonly Fault[] = [
  {
    id: 'F33',
    about: 'one session with events without end, session ids without end',
    alone: false,
    loadMs: 6_000,
    viewers: 20,
    options(full) {
      const limit = String(full ? LIMIT_FULL : LIMIT_SHORT);
      return { processorEnv: { PLAYHEAD_FOLD_OPEN_SESSIONS_MAX: limit, PLAYHEAD_FOLD_TOMBSTONES_MAX: limit } };
    },
    inject: bombEvents,
    afterLoad: bombIds,
    check: limitsHeld,
  },
];
