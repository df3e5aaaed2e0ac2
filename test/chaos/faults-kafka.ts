// Faults of the log: brokers die, leaders move, answers get lost, everything is away; and what viewers and strangers put into it.
import { randomBytes } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { systemClock, systemScheduler } from '../../infra/runtime/clock.ts';
import { createCodec, schemaText } from '../../schemas/codec.ts';
import { partitionOf, recordKey } from '../../schemas/topics.ts';
import { beaconOf } from '../support/audience-fold.ts';
import type { Intercept } from '../support/fault-proxy.ts';
import type { Violation } from '../support/invariants.ts';
import { INVENTED } from '../support/kill-points.ts';
import type { Fault } from './fault.ts';
import { countOf } from './faults-processes.ts';
import { noteOutcomes } from './load.ts';
import type { Stage } from './stage.ts';

const SECOND_MS = 1_000;
const PRODUCE = 0;
/** Lets many partitions travel in one send. */
const LONG_LINGER = { PLAYHEAD_INGEST_LINGER_MS: '60' };

async function restartBrokers(stage: Stage): Promise<void> {
  const { cluster } = stage.servers;
  for (let round = 0; round < stage.times(1, 4); round++) {
    for (const [index, node] of cluster.nodes.entries()) {
      if (index === 0) await node.stop();
      else await node.kill();
      stage.injected(index === 0 ? 'broker stopped' : 'broker killed');
      await stage.time(SECOND_MS, 10_000);
      await node.start();
      await cluster.inSync(stage.system.topic);
    }
  }
}

/** The client is warm, then leaders move, again and again while sends over many partitions are under way. */
async function moveLeaders(stage: Stage): Promise<void> {
  for (let round = 0; round < stage.times(5, 30); round++) await moveLeadersOnce(stage);
}

async function moveLeadersOnce(stage: Stage): Promise<void> {
  const { cluster } = stage.servers;
  const { topic } = stage.system;
  const before = await cluster.leaders(topic);
  const moved = async (): Promise<number> =>
    (await cluster.leaders(topic)).filter((leader, partition) => leader !== before[partition]).length;
  await cluster.turnLeaders(topic);
  await stage.until('leaders move', async () => (await moved()) > 0, 20_000);
  stage.injected('leaders moved', await moved());
  await stage.time(SECOND_MS, 3 * SECOND_MS);
}

const INVENTED_MIN = 2;
const CONTROL_ROUNDS_MAX = 25;

/** NC1: leaders move until the control has taken beacons for appended that were not: not every move meets a send. */
async function moveLeadersUntilLost(stage: Stage): Promise<void> {
  const invented = (): number => stage.system.log('ingest', { lines: 100_000 }).split(INVENTED).length - 1;
  for (let round = 0; round < CONTROL_ROUNDS_MAX && invented() < INVENTED_MIN; round++) await moveLeadersOnce(stage);
  stage.injected('answers invented', invented());
}

/** Resets a connection instead of passing on the answer to a produce request that carries beacons, `times` times with pauses between. */
function loseProduceAnswers(stage: Stage, times: number, every: number): () => void {
  let left = times;
  let seen = 0;
  for (const { proxy } of stage.servers.cluster.nodes) {
    const waiting = new Set<string>();
    const see: Intercept = (from, bytes, connection) => {
      if (bytes.length < 12) return 'pass';
      const isRequest = from === 'client';
      const correlation = `${connection}/${bytes.readInt32BE(isRequest ? 8 : 4)}`;
      if (isRequest) {
        if (bytes.readInt16BE(4) === PRODUCE && bytes.includes(stage.system.topic)) waiting.add(correlation);
        return 'pass';
      }
      if (!waiting.delete(correlation)) return 'pass';
      seen += 1;
      if (left === 0 || seen % every !== 0) return 'pass';
      left -= 1;
      stage.injected('produce answers lost');
      return 'reset';
    };
    proxy.intercept(see);
  }
  return () => {
    for (const { proxy } of stage.servers.cluster.nodes) proxy.heal();
  };
}

async function loseAnswers(stage: Stage): Promise<void> {
  const wanted = stage.times(8, 100);
  const heal = loseProduceAnswers(stage, wanted, 7);
  try {
    await stage.until('produce answers are lost', () => (stage.injections.get('produce answers lost') ?? 0) >= wanted, 30_000);
  } finally {
    heal();
  }
}

async function kafkaAway(stage: Stage): Promise<void> {
  const { cluster } = stage.servers;
  const sealed = (): Promise<number> => countOf(stage, `SELECT count(*) AS n FROM sessions WHERE reason = 'idle'`);
  for (const { proxy } of cluster.nodes) proxy.refuse();
  stage.injected('brokers out of reach', cluster.nodes.length);
  const idleBefore = await sealed();
  await stage.load.hold(stage.usage.steady(stage.time(7 * SECOND_MS, 595_000)));
  const probe = await fetch(`${stage.system.ingest}/v1/beacons`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([
      {
        key: stage.system.writeKey,
        session: randomBytes(16).toString('base64url'),
        video: { id: 'clip-a' },
        events: [{ seq: 0, type: 'attempt', at: systemClock.now() }],
      },
    ]),
  });
  if (probe.status !== 503 || probe.headers.get('retry-after') === null)
    throw new Error(`the gateway answers ${probe.status} while the log is away`);
  stage.injected('503 with Retry-After');
  await stage.time(3 * SECOND_MS, SECOND_MS);
  for (const { proxy } of cluster.nodes) proxy.heal();
  if ((await sealed()) !== idleBefore) throw new Error('sessions were sealed for silence while the log was away');
}

/** All that was sent is sent again after the seal. */
async function repeatAll(stage: Stage): Promise<void> {
  await stage.system.closeAll();
  await stage.until('all is sealed', async () => (await countOf(stage, 'SELECT count(*) AS n FROM open_sessions')) === 0);
  for (const plan of stage.load.plans.slice(0, 12)) {
    for (const delivery of plan.deliveries) {
      await stage.load.driver.send(plan.viewing.viewer, [delivery.beacon]);
      stage.injected('beacons repeated after the seal');
    }
  }
}

async function sendHeld(stage: Stage, outcomes: Parameters<typeof noteOutcomes>[0]): Promise<void> {
  await systemScheduler.sleep(5 * SECOND_MS);
  await stage.until(
    'missing numbers are given up',
    async () => (await countOf(stage, `SELECT coalesce(sum((ledger->>'waiting')::int8), 0) AS n FROM partition_progress`)) === 0,
  );
  await stage.system.closeAll();
  await stage.until('all is sealed', async () => (await countOf(stage, 'SELECT count(*) AS n FROM open_sessions')) === 0);
  for (const plan of stage.load.plans) {
    const records = await stage.load.driver.runHeld(plan);
    noteOutcomes(outcomes, { plan, records });
    stage.injected('late beacons', records.length);
  }
}

const POISON = ['empty_record', 'bad_magic', 'bad_checksum', 'wrong_key'] as const;

/** What nobody should have written, straight into the topic; and a beacon under a schema id that the processors have not met. */
async function poison(stage: Stage): Promise<void> {
  const { system } = stage;
  const kafka = new Kafka({ brokers: [...system.brokers], clientId: 'chaos-poison', logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition as number,
  });
  await producer.connect();
  const codec = createCodec(system.schemaIds);
  const wire = {
    session: 'poisoned',
    video: { id: 'clip-a', durationMs: 30_000, title: 'Clip A' },
    events: [{ seq: 0, type: 'attempt', at: systemClock.now() - 60_000 }],
  };
  const key = Buffer.from(recordKey('site', wire.session));
  const partition = partitionOf(key, system.partitions);
  const good = codec.encodeBeacon(beaconOf(wire, systemClock.now()), key);
  const flipped = Buffer.from(good);
  flipped[good.length - 1] = (good[good.length - 1] as number) ^ 1;
  const otherKey = Buffer.from(recordKey('site', 'somebody-else'));
  const bad: { partition: number; key: Buffer | null; value: Buffer | null }[] = [
    { partition, key, value: null },
    { partition, key, value: Buffer.from([7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]) },
    { partition, key, value: flipped },
    {
      partition: partitionOf(otherKey, system.partitions),
      key: otherKey,
      value: codec.encodeBeacon(beaconOf(wire, systemClock.now()), otherKey),
    },
  ];
  for (const message of bad) await producer.send({ topic: system.topic, messages: [message] });
  stage.injected('unreadable records', bad.length);
  const unmet = Buffer.from(good);
  unmet.writeUInt32BE(await registerAnother(system.registry), 1);
  await producer.send({ topic: system.topic, messages: [{ partition, key, value: unmet }] });
  stage.injected('records under an id not met before');
  await producer.disconnect();
}

/** The beacon schema with another documentation: the same shape under another id. */
async function registerAnother(registry: string): Promise<number> {
  const schema = { ...(JSON.parse(schemaText('beacon')) as object), doc: `another ${randomBytes(4).toString('hex')}` };
  const response = await fetch(`${registry}/subjects/chaos-${randomBytes(4).toString('hex')}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  const { id } = (await response.json()) as { id: number };
  return id;
}

async function poisonIsBuried(stage: Stage): Promise<Violation[]> {
  const rows = await stage.sql('SELECT reason, count(*)::int AS n FROM dead_letters GROUP BY reason ORDER BY reason');
  const found = rows.map((row) => `${row['reason']} ${row['n']}`).join(', ');
  const expected = [...POISON]
    .sort()
    .map((reason) => `${reason} 1`)
    .join(', ');
  const folded = await stage.sql(`SELECT received FROM sessions WHERE session = 'poisoned'`);
  const violations: Violation[] = [];
  if (found !== expected) violations.push({ invariant: 'I1', detail: `dead letters are ${found}, must be ${expected}` });
  if (folded.length !== 1) violations.push({ invariant: 'I1', detail: 'the beacon under an id not met before was not folded' });
  return violations;
}

export const KAFKA_FAULTS: readonly Fault[] = [
  { id: 'F6', about: 'brokers restarted and killed one after the other', alone: true, loadMs: 8_000, inject: restartBrokers },
  {
    id: 'F7',
    about: 'leaders move under sends over many partitions',
    alone: true,
    loadMs: 8_000,
    viewers: 120,
    options: { partitions: 12, ingestEnv: LONG_LINGER },
    inject: moveLeaders,
  },
  {
    id: 'NC1',
    about: 'control that does not check answers: F7 must break I1',
    alone: true,
    loadMs: 8_000,
    viewers: 120,
    options: { partitions: 12, ingestEnv: LONG_LINGER, control: 'unchecked_send' },
    mustBreak: ['I1'],
    inject: moveLeadersUntilLost,
  },
  {
    id: 'F8',
    about: 'answers of brokers lost after the append',
    alone: true,
    loadMs: 8_000,
    viewers: 120,
    options: { ingestEnv: LONG_LINGER },
    inject: loseAnswers,
  },
  {
    id: 'NC2',
    about: 'control with the idempotent producer: F8 must break I1',
    alone: true,
    loadMs: 8_000,
    viewers: 120,
    options: { ingestEnv: LONG_LINGER, control: 'idempotent' },
    mustBreak: ['I1'],
    inject: loseAnswers,
  },
  {
    id: 'F9',
    about: 'Kafka out of reach for longer than a session may be silent',
    alone: true,
    loadMs: 8_000,
    // Shorter than the outage, longer than it takes until what has piled up is sent.
    options: (full) => ({ processorEnv: { PLAYHEAD_FOLD_IDLE_GAP_MS: full ? '180000' : '9000' } }),
    inject: kafkaAway,
  },
  {
    id: 'F24',
    about: 'beacons repeated 1 to 5 times, before and after the seal',
    alone: false,
    loadMs: 8_000,
    delivery: { duplicates: 0.5 },
    inject: async (stage) => stage.injected('share of beacons repeated, %', 50),
    afterLoad: repeatAll,
  },
  {
    id: 'F25',
    about: 'out of order, and after the session was sealed',
    alone: false,
    loadMs: 8_000,
    delivery: { disorder: 0.5, late: 0.15 },
    options: { processorEnv: { PLAYHEAD_FOLD_GRACE_MS: '4000' } },
    lateByPlan: true,
    inject: async (stage) => stage.injected('share of beacons late, %', 15),
    afterLoad: (stage, load) => sendHeld(stage, load.outcomes),
  },
  { id: 'F27', about: 'poison in the topic', alone: false, loadMs: 8_000, inject: poison, check: poisonIsBuried },
];
