// The adapter for Kafka against a real broker: the suite that the in-process log also passes, and what only Kafka has.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogAdmin, createLogConsumer, createLogWriter } from '../../infra/runtime/kafka.ts';
import { describeLogConformance } from '../support/log-conformance.ts';
import { type KafkaLogUnderTest, openKafkaLog, testLogger } from '../support/log-kafka.ts';
import { Reader, record, until } from '../support/log-reader.ts';
import { testKafka } from '../support/servers.ts';

const open = async (options: { partitions: number }) => openKafkaLog((await testKafka()).brokers, options);

/** Nobody listens there: the discard port of the loopback address. */
const NOWHERE = ['127.0.0.1:9'];

describeLogConformance('log on Kafka', open);

describe('log on Kafka, beyond the ports', () => {
  let brokers: string[];
  before(async () => {
    ({ brokers } = await testKafka());
  });
  const common = (topic: string) => ({ brokers, topic, clientId: 'test', scheduler: systemScheduler, logger: testLogger });
  const withLog = async (partitions: number, body: (log: KafkaLogUnderTest) => Promise<void>) => {
    const log = await open({ partitions });
    try {
      await body(log);
    } finally {
      await log.close();
    }
  };

  it('K26, D29: a topic of ours passes the check; what is wrong is named with what to do', () =>
    withLog(3, async (log) => {
      await log.admin.checkTopic({ partitions: 3, singleNode: true });
      await assert.rejects(log.admin.checkTopic({ partitions: 4, singleNode: true }), /3 partitions .* PLAYHEAD_PARTITIONS=3/);
      await assert.rejects(log.admin.checkTopic({ partitions: 3, singleNode: false }), /replication factor 1 is too low.*\n.*min\.insync/);
      assert.equal(await log.admin.createTopic({ partitions: 9, singleNode: true }), false, 'an existing topic is left alone');
      assert.equal(await log.admin.partitionCount(), 3);
    }));

  it('a topic that does not exist is named by the check', async () => {
    const admin = createLogAdmin(common('playhead.test.missing'));
    await assert.rejects(admin.checkTopic({ partitions: 1, singleNode: true }), { code: 'ERR_TOPIC' });
    await admin.close();
  });

  it('the group coordinator can be warmed up, and leaves no group behind', () =>
    withLog(1, async (log) => {
      await log.admin.warmUpGroupCoordinator();
    }));

  it('D23: fetchOne finds a record inside a batch of many', () =>
    withLog(1, async (log) => {
      const many = Array.from({ length: 500 }, (_, index) => record(`v${index}`));
      await log.writer.append(new Map([[0, many]]));
      assert.equal(String((await log.admin.fetchOne(0, 321))?.value), 'v321');
    }));

  it('K18: a batch that the topic would refuse is not sent', () =>
    withLog(1, async (log) => {
      const results = await log.writer.append(new Map([[0, [record('x'.repeat(300_000))]]]));
      const result = results.get(0);
      assert.ok(result?.outcome === 'unknown');
      assert.equal((result.error as { code?: string }).code, 'ERR_LOG_BATCH_TOO_LARGE');
      assert.deepEqual(await log.admin.bounds(0), { low: 0, high: 0 });
    }));

  it('gzip is a setting of the writer, and is read back', () =>
    withLog(1, async (log) => {
      const writer = createLogWriter({ ...common(log.topic), partitions: 1, registry: new Registry(), settings: { compression: 'gzip' } });
      await writer.whenReady(10_000);
      const result = (await writer.append(new Map([[0, [record('x'.repeat(5000)), record('y')]]]))).get(0);
      await writer.close();
      assert.equal(result?.outcome, 'appended');
      assert.equal(String((await log.admin.fetchOne(0, 1))?.value), 'y');
    }));

  it('K25: without a broker the writer is never ready, answers unknown at once, and closes', async () => {
    const registry = new Registry();
    const writer = createLogWriter({ ...common('playhead.test.nowhere'), brokers: NOWHERE, partitions: 1, registry });
    await assert.rejects(writer.whenReady(1500), { code: 'ERR_LOG_UNAVAILABLE' });
    assert.equal(writer.ready(), false);
    const results = await writer.append(new Map([[0, [record('x')]]]));
    assert.equal(results.get(0)?.outcome, 'unknown');
    await writer.close();
  });

  it('without a broker a question ends with an error that says where it asked', async () => {
    const admin = createLogAdmin({ ...common('playhead.test.nowhere'), brokers: NOWHERE, settings: { answerTimeoutMs: 500 } });
    await assert.rejects(admin.bounds(0), /127\.0\.0\.1:9/);
    await admin.close();
  });

  it('a plain error in a handler is retried with the same records (K12)', () =>
    withLog(1, async (log) => {
      await log.writer.append(new Map([[0, [record('a'), record('b')]]]));
      const consumer = createLogConsumer({ ...common(log.topic), groupId: `${log.topic}.g`, registry: new Registry() });
      const reader = new Reader(consumer);
      let failures = 0;
      reader.visit = () => {
        failures += 1;
        if (failures < 3) throw new Error('armed');
      };
      await consumer.start(reader);
      await until('success at the third try', () => reader.seen.length === 2);
      await consumer.stop();
      assert.deepEqual(reader.offsets(0), [0, 1]);
      assert.deepEqual(reader.crashes, []);
    }));

  it('a member without partitions stays in the group and alive', () =>
    withLog(1, async (log) => {
      await log.writer.append(new Map([[0, [record('a')]]]));
      const first = new Reader(log.consumer('g', 'a'));
      await first.consumer.start(first);
      const second = new Reader(log.consumer('g', 'b'));
      await second.consumer.start(second);
      await until('one of them without partitions', () => first.assigned().length + second.assigned().length === 1);
      const idle = first.assigned().length === 0 ? first : second;
      await until('heartbeats of the idle one', () => idle.heartbeats > 2);
      assert.deepEqual([...first.crashes, ...second.crashes], []);
      await first.consumer.stop();
      await second.consumer.stop();
    }));
});
