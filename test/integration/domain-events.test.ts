// Domain events on real servers: ingest, processor, Kafka, registry and PostgreSQL, and the sample consumer of docs/examples as a process of its
// own. Processor and consumer are killed on the way; in the end the consumer's file holds every row once.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogAdmin } from '../../infra/runtime/kafka.ts';
import { createLogger } from '../../infra/runtime/log.ts';
import { resolveDomainSchemaIds } from '../../schemas/codec.ts';
import { sql, until } from '../support/processor-harness.ts';
import { testKafka, testRegistry } from '../support/servers.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const PARTITIONS = 4;
const TOPIC = `domain.${process.pid}.${Date.now()}`;
const SESSIONS = 24;

type Line = {
  kind: 'session' | 'custom';
  partition: number;
  emissionSeq: number;
  session: string;
  totalWatchMs?: number;
  part?: number;
  sections?: unknown[];
};

describe('domain events on real servers', { timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'playhead-domain-'));
  const file = join(directory, 'out.ndjson');
  let system: TestSystem;
  let consumer: ChildProcess | undefined;

  before(async () => {
    const { brokers } = await testKafka();
    const { url } = await testRegistry();
    const logger = createLogger({ service: 'test', instance: 'test', level: 'fatal' });
    const admin = createLogAdmin({ brokers, clientId: 'test', logger, topic: TOPIC, scheduler: systemScheduler });
    await admin.createTopic({ partitions: PARTITIONS, singleNode: true });
    await admin.close();
    await resolveDomainSchemaIds({ registryUrl: url, topic: TOPIC, mode: 'register' });
    system = await startSystem({
      partitions: PARTITIONS,
      services: ['ingest', 'processor'],
      env: {
        ingest: { PLAYHEAD_TICK_INTERVAL_MS: '500' },
        processor: { PLAYHEAD_DOMAIN_EVENTS_TOPIC: TOPIC, PLAYHEAD_PROCESSOR_OUTBOX_INTERVAL_MS: '50' },
      },
    });
  });
  after(async () => {
    consumer?.kill('SIGKILL');
    await system?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const consume = (): void => {
    consumer = spawn(process.execPath, ['docs/examples/domain-events.mjs', file], {
      cwd: new URL('../../', import.meta.url).pathname,
      env: {
        ...process.env,
        KAFKA_BROKERS: system.brokers.join(','),
        SCHEMA_REGISTRY_URL: system.registry,
        TOPIC,
        GROUP: `${TOPIC}.sample`,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  };
  const stopConsumer = async (): Promise<void> => {
    consumer?.kill('SIGKILL');
    if (consumer !== undefined) await once(consumer, 'exit');
  };
  const lines = (): Line[] => {
    try {
      return readFileSync(file, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  };

  async function sendRound(round: number): Promise<void> {
    const at = Date.now();
    for (let n = 0; n < SESSIONS; n++) {
      const events = [
        { seq: 0, type: 'playing', at: at - 3_000, positionMs: 0 },
        { seq: 1, type: 'heartbeat', at: at - 1_000, positionMs: 2_000 },
        { seq: 2, type: 'custom', name: 'chapter', data: { n }, at: at - 500 },
      ];
      const body = { key: system.writeKey, session: `r${round}s${n}`, video: { id: 'intro', durationMs: 60_000 }, sentAt: at, events };
      const response = await fetch(`${system.ingest}/v1/beacons`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      assert.equal(response.status, 202, await response.text());
    }
    await system.closeAll();
  }

  const sealed = async (rounds: number): Promise<void> =>
    until('sealed', async () => (await sql(system.database, 'SELECT FROM sessions')).length >= rounds * SESSIONS, 60_000);

  it('reach a plain consumer once each, through kills of processor and consumer', async () => {
    consume();
    await sendRound(0);
    await sealed(1);
    await until('first events', () => lines().length > 0, 60_000);
    await system.kill('processor', 'SIGKILL');
    await stopConsumer();
    // As if it had died between append and position: the last batches of every partition repeat.
    await sql(system.database, 'UPDATE outbox_progress SET published_seq = greatest(0, published_seq - 3)');
    await sendRound(1);
    await system.start('processor');
    consume();
    await sendRound(2);
    await sealed(3);
    const rows = await sql<{
      kind: string;
      partition: number;
      seq: number;
      session: string;
      watched: number | null;
      sections: number | null;
    }>(
      system.database,
      `SELECT 'session' AS kind, partition, emission_seq::int AS seq, session, total_watch_ms::int AS watched,
  (SELECT count(*)::int FROM watch_sections w WHERE w.session = s.session AND w.part = s.part) AS sections FROM sessions s
UNION ALL SELECT 'custom', partition, emission_seq::int, session, NULL, NULL FROM custom_events ORDER BY partition, seq`,
    );
    assert.equal(rows.length, 3 * SESSIONS * 2);
    await until('all consumed', () => lines().length >= rows.length, 60_000);
    await systemScheduler.sleep(500);
    const found = lines()
      .map(({ kind, partition, emissionSeq, session, totalWatchMs, sections }) => ({
        kind,
        partition,
        seq: emissionSeq,
        session,
        watched: totalWatchMs ?? null,
        sections: sections?.length ?? null,
      }))
      .sort((a, b) => a.partition - b.partition || a.seq - b.seq);
    assert.deepEqual(found, rows);
    const highs = await highWaters();
    assert.ok(highs > rows.length, `the control: ${highs} records for ${rows.length} events, some repeated`);
  });

  it('are described in the registry under rules that keep old consumers working', async () => {
    for (const record of ['SealedSession', 'CustomEvent']) {
      const subject = `${TOPIC}-io.playhead.${record}`;
      const response = await fetch(`${system.registry}/config/${subject}`);
      assert.equal(((await response.json()) as { compatibilityLevel: string }).compatibilityLevel, 'FULL_TRANSITIVE');
      const latest = (await (await fetch(`${system.registry}/subjects/${subject}/versions/latest`)).json()) as { schema: string };
      const renamed = latest.schema.replace('"sourceOffset"', '"offset"');
      assert.notEqual(renamed, latest.schema);
      const refused = await fetch(`${system.registry}/subjects/${subject}/versions`, {
        method: 'POST',
        headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
        body: JSON.stringify({ schema: renamed }),
      });
      assert.equal(refused.status, 409, await refused.text());
    }
  });

  async function highWaters(): Promise<number> {
    const logger = createLogger({ service: 'test', instance: 'test', level: 'fatal' });
    const admin = createLogAdmin({ brokers: [...system.brokers], clientId: 'test', logger, topic: TOPIC, scheduler: systemScheduler });
    let records = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) records += (await admin.bounds(partition)).high;
    await admin.close();
    return records;
  }
});
