// The adapter for Kafka when the network or the broker fails: a broker of its own that is reached through a fault proxy only.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { ensureDownloaded } from '../../infra/local/download.ts';
import { findJava } from '../../infra/local/java.ts';
import { type LocalKafka, startLocalKafka } from '../../infra/local/kafka.ts';
import { downloadsDirectory } from '../../infra/local/paths.ts';
import { freePorts } from '../../infra/local/ports.ts';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogConsumer, createLogWriter } from '../../infra/runtime/kafka.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { type KafkaLogUnderTest, openKafkaLog, testLogger } from '../support/log-kafka.ts';
import { Reader, record, until } from '../support/log-reader.ts';

describe('the log on Kafka under faults', () => {
  let directory: string;
  let proxy: FaultProxy;
  let kafka: LocalKafka;
  let start: () => Promise<LocalKafka>;
  let log: KafkaLogUnderTest;
  const writers: Array<ReturnType<typeof createLogWriter>> = [];

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'playhead-kafka-faults-'));
    const [port] = (await freePorts(1)) as [number];
    proxy = await startFaultProxy({ targetPort: port });
    const { kafkaLibs } = await ensureDownloaded(downloadsDirectory(process.env['PLAYHEAD_LOCAL_DIR'] ?? ''), () => {});
    const java = await findJava(process.env['JAVA_HOME'] ?? '');
    const properties = { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${proxy.port}` };
    start = () => startLocalKafka({ java, kafkaLibs, directory, port, heapMb: 400, properties });
    kafka = await start();
    log = await openKafkaLog([`127.0.0.1:${proxy.port}`], { partitions: 4 });
  });
  afterEach(async () => {
    proxy.heal();
    for (const writer of writers.splice(0)) await writer.close();
  });
  after(async () => {
    await log?.close();
    await kafka?.stop();
    await proxy?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const common = () => ({
    brokers: [`127.0.0.1:${proxy.port}`],
    topic: log.topic,
    clientId: 'test',
    scheduler: systemScheduler,
    logger: testLogger,
  });
  const openWriter = async (stallRebuildMs = 1500) => {
    const registry = new Registry();
    const writer = createLogWriter({ ...common(), partitions: 4, registry, settings: { stallRebuildMs, appendTimeoutMs: 4000 } });
    writers.push(writer);
    await writer.whenReady(10_000);
    return { writer, registry };
  };
  const appendAll = (writer: KafkaLogUnderTest['writer'], value: string) =>
    writer.append(new Map([0, 1, 2, 3].map((partition) => [partition, [record(value)]])));
  const allAppended = async (writer: KafkaLogUnderTest['writer'], value: string) =>
    [...(await appendAll(writer, value)).values()].every(({ outcome }) => outcome === 'appended');
  /** Every partition's values, read back record by record. */
  const contents = async (partition: number): Promise<string[]> => {
    const { low, high } = await log.admin.bounds(partition);
    const values: string[] = [];
    for (let offset = low; offset < high; offset += 1) values.push(String((await log.admin.fetchOne(partition, offset))?.value));
    return values;
  };

  it('F8: a lost reply is sent again; the record is there once or more', async () => {
    const { writer } = await openWriter();
    assert.ok(await allAppended(writer, 'before'));
    proxy.loseNextReply();
    assert.ok(await allAppended(writer, 'lost-reply'));
    for (const partition of [0, 1, 2, 3]) assert.ok((await contents(partition)).includes('lost-reply'));
  });

  it('F20: connections that are cut are made anew within one append', async () => {
    const { writer } = await openWriter();
    assert.ok(await allAppended(writer, 'x'));
    proxy.cut();
    assert.ok(await allAppended(writer, 'y'));
  });

  it('K25: half-open connections are noticed and replaced', async () => {
    const { writer, registry } = await openWriter();
    assert.ok(await allAppended(writer, 'x'));
    proxy.halfOpen();
    await until('appends work again', () => allAppended(writer, 'after'), 30_000);
    const text = await registry.metrics();
    assert.match(text, /playhead_kafka_produce_errors_total\{[^}]*\} [1-9]/);
  });

  it('K25: a network that swallows everything makes the writer unready; it comes back by itself', async () => {
    const { writer, registry } = await openWriter();
    proxy.blackHole();
    const startedAt = performance.now();
    while (writer.ready()) {
      const results = await appendAll(writer, 'swallowed');
      assert.ok([...results.values()].every(({ outcome }) => outcome === 'unknown'));
      assert.ok(performance.now() - startedAt < 30_000, 'the watchdog never acted');
    }
    assert.match(await registry.metrics(), /playhead_kafka_producer_rebuilds_total\{[^}]*\} [1-9]/);
    proxy.heal();
    await writer.whenReady(30_000);
    assert.ok(await allAppended(writer, 'back'));
  });

  it('F6, F9: the broker is killed and comes back: the writer answers in time, the consumer goes on, nothing acknowledged is lost', async () => {
    const { writer } = await openWriter();
    const registry = new Registry();
    const consumer = createLogConsumer({
      ...common(),
      groupId: `${log.topic}.faults`,
      registry,
      settings: { sessionTimeoutMs: 6000, heartbeatIntervalMs: 300 },
    });
    const reader = new Reader(consumer);
    await consumer.start(reader);
    const acknowledged: string[] = [];
    let round = 0;
    const work = async () => {
      const value = `kill-${round++}`;
      const startedAt = performance.now();
      const results = await appendAll(writer, value);
      assert.ok(performance.now() - startedAt < 5000, 'an append answers within its timeout');
      for (const [partition, { outcome }] of results) if (outcome === 'appended') acknowledged.push(`${partition}/${value}`);
      await sleep(50);
    };
    for (let before = 0; before < 10; before += 1) await work();
    kafka.kill();
    await kafka.exited;
    await work();
    const restarted = start();
    while ((await Promise.race([restarted, sleep(0)])) === undefined) await work();
    kafka = await restarted;
    await until('appends work again', () => allAppended(writer, 'after-kill'), 30_000);
    for (let after = 0; after < 5; after += 1) await work();
    const seen = () => new Set(reader.seen.map(({ partition, value }) => `${partition}/${value}`));
    await until('everything acknowledged was read', () => acknowledged.every((each) => seen().has(each)), 60_000);
    assert.deepEqual(
      reader.crashes.filter(({ willRestart }) => !willRestart),
      [],
    );
    await consumer.stop();
  });
});
