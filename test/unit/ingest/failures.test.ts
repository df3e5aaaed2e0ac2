// What the gateway answers when the log does not take what it should: nothing is called accepted that is not there.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { PlayheadError } from '../../../infra/runtime/errors.ts';
import type { AppendResult, LogWriter } from '../../../infra/runtime/ports.ts';
import { partitionOf } from '../../../schemas/topics.ts';
import { sampleBeacon, startTestGateway, type TestGateway, type TestGatewayOptions, until } from '../../support/gateway.ts';

const started: TestGateway[] = [];
const start = async (options: TestGatewayOptions): Promise<TestGateway> => {
  const gateway = await startTestGateway(options);
  started.push(gateway);
  return gateway;
};
after(() => Promise.all(started.map((gateway) => gateway.stop())));

const failing = (writer: LogWriter, broken: (partition: number) => boolean): LogWriter => ({
  ...writer,
  async append(batches) {
    const good = new Map([...batches].filter(([partition]) => !broken(partition)));
    const results = new Map<number, AppendResult>(await writer.append(good));
    for (const partition of batches.keys())
      if (broken(partition)) results.set(partition, { outcome: 'unknown', error: new Error('no answer') });
    return results;
  },
});
const sessionOn = (partition: number): string => {
  for (let n = 0; ; n++) if (partitionOf(Buffer.from(`demo/s${n}`), 4) === partition) return `s${n}`;
};

describe('a log that fails', () => {
  it('an unknown outcome is 503 with Retry-After, and other partitions go on', async () => {
    const gateway = await start({ wrapWriter: (writer) => failing(writer, (partition) => partition === 2) });
    const dead = await gateway.post(sampleBeacon({ session: sessionOn(2) }));
    assert.equal(dead.status, 503);
    assert.ok(Number(dead.headers.get('retry-after')) >= 1);
    assert.equal(dead.body.type, '/docs/problems#not-durable');
    assert.equal((await gateway.post(sampleBeacon({ session: sessionOn(1) }))).status, 202);
    const both = await gateway.post([sampleBeacon({ session: sessionOn(1) }), sampleBeacon({ session: sessionOn(2) })]);
    assert.equal(both.status, 503, 'one of two is not enough');
  });

  it('a partition that never answers holds up nobody else; its own requests end at the deadline (K4)', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const gateway = await start({
      env: { PLAYHEAD_INGEST_DEADLINE_MS: '1500', PLAYHEAD_INGEST_SENDS_IN_FLIGHT_MAX: '2', PLAYHEAD_TICK_INTERVAL_MS: '60000' },
      wrapWriter: (writer) => ({
        ...writer,
        append: async (batches) => {
          if (!batches.has(3)) return writer.append(batches);
          await released;
          return new Map(
            [...batches.keys()].map((partition): [number, AppendResult] => [partition, { outcome: 'unknown', error: new Error('late') }]),
          );
        },
      }),
    });
    let answered = false;
    const dead = gateway.post(sampleBeacon({ session: sessionOn(3) })).finally(() => {
      answered = true;
    });
    await until(async () => (await gateway.metric('playhead_ingest_buffer_beacons')) === 1);
    assert.equal((await gateway.post(sampleBeacon({ session: sessionOn(0) }))).status, 202);
    assert.equal(answered, false, 'the other partition was answered first');
    assert.equal((await dead).status, 503, 'although its append is still under way');
    assert.ok((await gateway.metric('playhead_ingest_limit_hits_total', { limit: 'deadline' })) >= 1);
    release();
  });

  it('a full buffer is 503 before anything is produced', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const gateway = await start({
      env: { PLAYHEAD_INGEST_BUFFER_BEACONS_MAX: '1' },
      wrapWriter: (writer) => ({
        ...writer,
        async append() {
          await released;
          return new Map();
        },
      }),
    });
    const first = gateway.post(sampleBeacon());
    await until(async () => (await gateway.metric('playhead_ingest_buffer_beacons')) === 1);
    const second = await gateway.post(sampleBeacon());
    assert.equal(second.status, 503);
    assert.equal(second.body.type, '/docs/problems#overloaded');
    assert.equal(await gateway.metric('playhead_ingest_limit_hits_total', { limit: 'buffer' }), 1);
    release();
    assert.equal((await first).status, 503);
  });

  it('before the topic was checked nothing is taken and nothing is ready', async () => {
    const gateway = await start({
      checkTopic: () => Promise.reject(new Error('no broker')),
    });
    assert.equal((await gateway.post(sampleBeacon())).status, 503);
    assert.equal((await fetch(`${gateway.url}/readyz`)).status, 503);
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200);
    assert.equal(gateway.records(), 0);
  });

  it('before the keys were read a request is put off, never refused: a player gives up what is refused (F1)', async () => {
    let away = true;
    const gateway = await start({
      otherRows(statement) {
        if (away && statement === 'select-write-keys') throw new Error('the database is away');
        return undefined;
      },
    });
    const early = await gateway.post(sampleBeacon());
    assert.equal(early.status, 503);
    assert.equal(early.body.type, '/docs/problems#overloaded');
    assert.ok(Number(early.headers.get('retry-after')) >= 1);
    assert.equal(gateway.records(), 0);
    away = false;
    await until(async () => (await gateway.post(sampleBeacon())).status === 202);
  });

  it('a topic that does not fit ends the process (D29)', async () => {
    const gateway = await start({ checkTopic: () => Promise.reject(new PlayheadError('ERR_TOPIC', '8 partitions')) });
    await until(async () => gateway.failures.length === 1);
  });

  it('a stop answers what is inside and drains it: nothing accepted is lost', async () => {
    const gateway = await startTestGateway({
      env: { PLAYHEAD_INGEST_LINGER_MS: '100' },
      wrapWriter: (writer) => ({
        ...writer,
        append: (batches) => new Promise((resolve) => setTimeout(() => resolve(writer.append(batches)), 50)),
      }),
    });
    const running = Array.from({ length: 20 }, (_, n) => gateway.post(sampleBeacon({ session: `stop-${n}` })).catch(() => undefined));
    // Some are on their way to the log, others may still be on their way in.
    await until(async () => (await gateway.metric('playhead_ingest_buffer_beacons')) > 0);
    await gateway.stop();
    const answers = await Promise.all(running);
    const accepted = answers.flatMap((answer, n) => (answer?.status === 202 ? [`stop-${n}`] : []));
    assert.ok(accepted.length > 0);
    const stored = new Set(gateway.beacons().map((beacon) => beacon.session));
    for (const session of accepted) assert.ok(stored.has(session), session);
    await assert.rejects(fetch(gateway.url));
  });

  it('429 for one network beyond its burst, counted (G9)', async () => {
    const gateway = await start({
      env: { PLAYHEAD_INGEST_PREFIX_BURST: '3', PLAYHEAD_INGEST_PREFIX_REQUESTS_PER_SECOND: '1', PLAYHEAD_TRUSTED_HOPS: '1' },
    });
    const from = (address: string) => gateway.post(sampleBeacon(), { headers: { 'x-forwarded-for': `6.6.6.6, ${address}` } });
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push((await from(`192.0.2.${i}`)).status);
    assert.deepEqual(answers, [202, 202, 202, 429, 429]);
    assert.equal((await from('198.51.100.1')).status, 202);
    const refused = await from('192.0.2.77');
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    assert.ok((await gateway.metric('playhead_ingest_limit_hits_total', { limit: 'prefix_rate' })) >= 2);
  });

  it('takes the country of the address that trusted hops leave', async () => {
    const gateway = await start({ env: { PLAYHEAD_TRUSTED_HOPS: '2' } });
    await gateway.post(sampleBeacon({ session: 'place' }), { headers: { 'x-forwarded-for': '1.2.3.4, 8.8.8.8, 10.0.0.1' } });
    assert.equal(gateway.beacons().find((beacon) => beacon.session === 'place')?.context?.country, 'US');
  });
});

describe('limits that cut without refusing', () => {
  it('are counted: texts, metadata, forgotten buckets (V13)', async () => {
    const gateway = await start({});
    const answer = await gateway.post(
      sampleBeacon({
        video: { id: 'v', title: 'x'.repeat(600) },
        meta: Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, n])),
        events: [{ type: 'error', message: 'y'.repeat(300) }],
      }),
    );
    assert.equal(answer.status, 202);
    for (const limit of ['text_bytes', 'meta']) assert.equal(await gateway.metric('playhead_ingest_limit_hits_total', { limit }), 1, limit);
    assert.equal(await gateway.metric('playhead_ingest_beacons_total', { outcome: 'accepted' }), 1);
    assert.equal(await gateway.metric('playhead_ingest_ignored_fields_total'), 10);
  });
});
