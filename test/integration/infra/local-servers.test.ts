// The servers of the local system themselves: they answer when they say so, keep their data, and stop cleanly.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { isPortFree } from '../../../infra/local/ports.ts';
import { startLocalPostgres } from '../../../infra/local/postgres.ts';
import { systemScheduler } from '../../../infra/runtime/clock.ts';
import { createReadPool } from '../../../infra/runtime/postgres.ts';
import { testKafka, testRegistry } from '../../support/servers.ts';

const scratch = await mkdtemp(join(tmpdir(), 'playhead-servers-'));
after(() => rm(scratch, { recursive: true, force: true }));

test('the broker takes a topic with broker append time', async () => {
  const { brokers } = await testKafka();
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const topic = `local.${process.pid}`;
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions: 3, configEntries: [{ name: 'message.timestamp.type', value: 'LogAppendTime' }] }],
  });
  // The broker's own metadata lags a moment behind the creation.
  const partitions = async (): Promise<number> => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions.length ?? 0;
  while ((await partitions().catch(() => 0)) < 3) await systemScheduler.sleep(50);
  await admin.disconnect();
});

test('the registry answers as a Confluent registry', async () => {
  const { url } = await testRegistry();
  const answer = await fetch(`${url}/subjects`);
  assert.equal(answer.status, 200);
  assert.ok(Array.isArray(await answer.json()));
});

test('PostgreSQL keeps its data over a clean stop and over kill -9, and frees its port', async () => {
  const directory = join(scratch, 'postgres');
  const options = { directory, port: 0, password: 'p@ss/word' };
  const ask = async (url: string, text: string): Promise<unknown[]> => {
    const pool = createReadPool({ url, applicationName: 'test', poolSize: 1, statementTimeoutMs: 5000, readOnly: false });
    return pool.query({ name: 'ask', text }, []).finally(() => pool.close());
  };
  const first = await startLocalPostgres(options);
  await ask(first.url('postgres'), 'CREATE TABLE kept AS SELECT 1 AS n');
  await first.stop();
  assert.ok(await isPortFree(first.port));
  const second = await startLocalPostgres(options);
  await ask(second.url('postgres'), 'INSERT INTO kept VALUES (2)');
  second.kill();
  await second.exited;
  const third = await startLocalPostgres(options);
  assert.deepEqual(await ask(third.url('postgres'), 'SELECT n FROM kept ORDER BY n'), [{ n: 1 }, { n: 2 }]);
  await third.stop();
});
