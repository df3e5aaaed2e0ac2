// The gateway as a process against a real broker, registry and PostgreSQL: durable before it answers, keys from the table, nothing
// personal anywhere, slow clients cut off.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogAdmin } from '../../infra/runtime/kafka.ts';
import { createLogger } from '../../infra/runtime/log.ts';
import { createCodec } from '../../schemas/codec.ts';
import { sampleBeacon } from '../support/gateway.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const AGENT = 'VerySecretAgent/12.34 (unique string)';
const ADDRESS = '81.2.69.160';
const STARTS_WITHIN_MS = 120_000;

describe('ingest on real servers', { timeout: 240_000 }, () => {
  let system: TestSystem;
  let database: pg.Client;
  before(
    async () => {
      system = await startSystem({
        services: ['ingest'],
        partitions: 4,
        env: {
          ingest: {
            PLAYHEAD_TRUSTED_HOPS: '1',
            PLAYHEAD_LOG_LEVEL: 'trace',
            PLAYHEAD_TICK_INTERVAL_MS: '500',
            PLAYHEAD_INGEST_KEYS_REFRESH_MS: '300',
          },
        },
      });
      database = new pg.Client({ connectionString: system.database });
      await database.connect();
    },
    { timeout: STARTS_WITHIN_MS },
  );
  after(async () => {
    await database?.end();
    await system?.stop();
  });

  const post = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${system.ingest}/v1/beacons?key=${system.writeKey}`, {
      method: 'POST',
      headers: { 'user-agent': AGENT, 'x-forwarded-for': ADDRESS, ...headers },
      body: JSON.stringify(body),
    });
  const beacon = (changes: Record<string, unknown> = {}): Record<string, unknown> => {
    const { key: _key, ...rest } = sampleBeacon(changes);
    return rest;
  };

  /** Every record of the topic, partition by partition. */
  async function records(): Promise<{ partition: number; key: Buffer | null; value: Buffer | null }[]> {
    const admin = createLogAdmin({
      brokers: [...system.brokers],
      clientId: 'test',
      logger: createLogger({ service: 'test', instance: 'test', level: 'fatal' }),
      topic: system.topic,
      scheduler: systemScheduler,
    });
    const all = [];
    for (let partition = 0; partition < system.partitions; partition++) {
      const { low, high } = await admin.bounds(partition);
      for (let offset = low; offset < high; offset++) {
        const record = await admin.fetchOne(partition, offset);
        if (record) all.push({ partition, key: record.key, value: record.value });
      }
    }
    await admin.close();
    return all;
  }
  const decoded = async () => {
    const codec = createCodec(system.schemaIds);
    return (await records()).map((record) => ({ ...record, message: codec.decode(record.key, record.value) }));
  };

  it('what it called accepted is in the topic, in the right partition, with its checksum', async () => {
    const sessions = Array.from({ length: 40 }, (_, n) => `real-${n}`);
    const answers = await Promise.all(sessions.map((session) => post(beacon({ session }))));
    assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([202]));
    const found = (await decoded()).flatMap(({ message }) => (message.kind === 'beacon' ? [message.beacon] : []));
    for (const session of sessions) {
      const kept = found.filter((each) => each.session === session);
      assert.equal(kept.length, 1, session);
      assert.equal(kept[0]?.site, system.site);
      assert.equal(kept[0]?.context?.country, 'GB');
    }
  });

  it('ticks reach every partition', async () => {
    await systemScheduler.sleep(700);
    const ticks = (await decoded()).filter(({ message }) => message.kind === 'tick');
    assert.deepEqual([...new Set(ticks.map(({ partition }) => partition))].sort(), [0, 1, 2, 3]);
  });

  it('a revoked key stops within seconds, a new one starts', async () => {
    await database.query(`INSERT INTO keys (id, site, kind, write_key, hint) VALUES ('w2', $1, 'write', 'pk_second', 'pk_')`, [
      system.site,
    ]);
    const second = (): Promise<Response> =>
      fetch(`${system.ingest}/k/pk_second/v1/beacons`, { method: 'POST', body: JSON.stringify(beacon()) });
    const becomes = async (status: number): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        if ((await second()).status === status) return;
        await systemScheduler.sleep(100);
      }
      assert.fail(`never answered ${status}`);
    };
    await becomes(202);
    await database.query(`UPDATE keys SET revoked_at = now() WHERE id = 'w2'`);
    await becomes(401);
  });

  it('address and user agent are in no record, no log line and no table', async () => {
    await database.query('UPDATE sites SET viewer_keys = true');
    await systemScheduler.sleep(1000);
    assert.equal((await post([beacon({ session: 'private' }), { ip: ADDRESS, ua: AGENT }])).status, 202);
    assert.equal((await post('nonsense')).status, 400);
    assert.equal((await post(beacon(), { authorization: 'Bearer pk_wrong' })).status, 202);
    const messages = await decoded();
    const mine = messages.find(({ message }) => message.kind === 'beacon' && message.beacon.session === 'private');
    assert.ok(mine?.message.kind === 'beacon' && mine.message.beacon.context);
    assert.match(mine.message.beacon.context.viewer, /^[A-Za-z0-9_-]{22}$/);
    const places = messages.flatMap(({ key, value }) => [key?.toString('latin1') ?? '', value?.toString('latin1') ?? '']);
    places.push(system.log('ingest', { lines: 100_000 }));
    const { rows: tables } = await database.query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`);
    for (const { name } of tables) {
      const { rows } = await database.query<{ text: string }>(`SELECT coalesce(string_agg(t::text, E'\\n'), '') AS text FROM "${name}" t`);
      places.push(rows[0]?.text ?? '');
    }
    for (const text of places)
      for (const secret of [AGENT, 'VerySecretAgent', ADDRESS, system.writeKey]) {
        // The write key is in the table of keys, and nowhere else.
        if (secret === system.writeKey && text.includes('pk_second')) continue;
        assert.ok(!text.includes(secret), `${secret} in ${text.slice(0, 200)}`);
      }
  });

  it('a client that does not finish its headers is cut off (G4), others are served meanwhile', async () => {
    const { port } = new URL(system.ingest);
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write('POST /v1/beacons HTTP/1.1\r\nHost: x\r\n');
    const startedAt = performance.now();
    const closed = new Promise((resolve) => socket.once('close', resolve).resume());
    assert.equal((await post(beacon())).status, 202);
    await closed;
    assert.ok(performance.now() - startedAt < 14_000);
  });

  it('serves the SDK it was built with', async () => {
    const script = await fetch(`${system.ingest}/sdk.js`);
    assert.equal(script.status, 200);
    assert.match(await script.text(), /playhead/);
    assert.match(await (await fetch(`${system.ingest}/sdk.mjs`)).text(), /track/);
  });

  it('a SIGTERM loses nothing that was accepted', async () => {
    const sessions = Array.from({ length: 200 }, (_, n) => `term-${n}`);
    const running = sessions.map(async (session, n) => {
      await systemScheduler.sleep(n);
      return post(beacon({ session })).then(
        (answer) => answer.status,
        () => 0,
      );
    });
    await systemScheduler.sleep(100);
    await system.kill('ingest', 'SIGTERM');
    const statuses = await Promise.all(running);
    const found = new Set((await decoded()).flatMap(({ message }) => (message.kind === 'beacon' ? [message.beacon.session] : [])));
    const accepted = sessions.filter((_, n) => statuses[n] === 202);
    assert.ok(accepted.length > 10 && accepted.length < 200, `${accepted.length} accepted`);
    for (const session of accepted) assert.ok(found.has(session), session);
  });
});
