// The door of Analytics Engine on a whole gateway with an in-process log: its answers, and what gets into the log.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { STREAM_EVENTS_MAX } from '../../../../ingest/event-streams.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../../processor/core/settings.ts';
import { PLAIN_KEY, startTestGateway, type TestGateway } from '../../../support/gateway.ts';

const SECRET = 'sk_one_secret_for_all_of_it';
const hash = createHash('sha256').update(SECRET).digest('hex');

describe('the door of Analytics Engine', () => {
  let system: TestGateway;
  before(async () => {
    system = await startTestGateway({
      keys: [PLAIN_KEY, { ...PLAIN_KEY, write_key: 'pk_second', site: 'second' }],
      aliases: [{ protocol: 'analytics_engine', foreign_id: `sha256:${hash}`, site: 'second', settings: {}, viewer_keys: false }],
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
  });
  after(() => system?.stop());

  const send = (body: unknown, headers: Record<string, string> = { authorization: 'pk_demo' }) =>
    system.post(body, { path: '/event', headers });
  const event = { name: 'signup', createdAt: 1_764_000_000_000 };

  it('says that it runs to a client, and leaves browsers to others', async () => {
    const answer = await fetch(`${system.url}/`, { headers: { accept: 'application/json, text/plain, */*' } });
    assert.equal(answer.status, 200);
    assert.deepEqual(await answer.json(), { status: 200, data: 'Analytics Engine is running.' });
    assert.equal((await fetch(`${system.url}/`, { headers: { accept: 'text/html' } })).status, 404);
  });

  it('stores an event under the key that the header is', async () => {
    const before = system.beacons().length;
    const answer = await send({ ...event, uniqueId: 'u1', type: 'web' });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, { status: 200, data: 'Event stored successfully!' });
    const [beacon] = system.beacons().slice(before);
    assert.ok(beacon);
    assert.equal(beacon.site, 'demo');
    assert.equal(beacon.protocol, 'analytics_engine');
    assert.match(beacon.session, /^analytics_engine-[0-9a-f]{32}$/);
    assert.equal(beacon.baseAt, event.createdAt);
    assert.equal(beacon.events[0]?.type, 'custom');
    assert.equal(beacon.events[0]?.detail?.name, 'signup');
    assert.deepEqual(JSON.parse(beacon.events[0]?.detail?.text ?? ''), { type: 'web', uniqueId: 'u1' });
  });

  it('takes a secret whose hash is an alias, and a key with a scheme or a prefix', async () => {
    for (const [path, headers] of [
      ['/event', { authorization: SECRET }],
      ['/event', { authorization: 'Bearer pk_second' }],
      ['/k/pk_second/event', {}],
    ] as [string, Record<string, string>][]) {
      const known = new Set(system.beacons().map((beacon) => beacon.events[0]?.detail?.text));
      const answer = await system.post({ ...event, uniqueId: path + headers['authorization'] }, { path, headers });
      assert.equal(answer.status, 200);
      const added = system.beacons().filter((beacon) => !known.has(beacon.events[0]?.detail?.text));
      assert.deepEqual(
        added.map((beacon) => beacon.site),
        ['second'],
      );
    }
  });

  const refused: [string, unknown][] = [
    ['no object', [event]],
    ['not JSON', '{'],
    ['no name', { createdAt: 1 }],
    ['an empty name', { name: '', createdAt: 1 }],
    ['a name that is a number', { name: 1, createdAt: 1 }],
    ['a name that is too long', { name: 'x'.repeat(257), createdAt: 1 }],
    ['no createdAt', { name: 'a' }],
    ['createdAt 0', { name: 'a', createdAt: 0 }],
    ['createdAt as text', { name: 'a', createdAt: '1764000000000' }],
    ['createdAt in parts', { name: 'a', createdAt: 1.5 }],
    ['createdAt before everything', { name: 'a', createdAt: -1 }],
    ['createdAt beyond exact numbers', { name: 'a', createdAt: 1e300 }],
    ['uniqueId that is an object', { name: 'a', createdAt: 1, uniqueId: {} }],
    ['type that is a list', { name: 'a', createdAt: 1, type: ['a'] }],
  ];
  for (const [what, body] of refused) {
    it(`refuses ${what}, and stores its neighbour`, async () => {
      const before = system.records();
      const answer = await send(body);
      assert.equal(answer.status, 400);
      assert.equal(answer.body.status, 400);
      assert.match(answer.body.error, /^Invalid input: ./);
      assert.equal((await send(event)).status, 200);
      assert.equal(system.records(), before + 1);
    });
  }

  it('refuses without a key or with a wrong one', async () => {
    for (const headers of [{}, { authorization: 'nobody' }, { authorization: 'Bearer nobody' }] as Record<string, string>[]) {
      const answer = await send(event, headers);
      assert.equal(answer.status, 401);
      assert.deepEqual(answer.body, { status: 401, data: 'Unauthorized.' });
    }
  });

  it('makes every accepted event another one, in short streams that the fold remembers whole', async () => {
    const before = system.beacons().length;
    const count = STREAM_EVENTS_MAX + 5;
    for (let i = 0; i < count; i++) assert.equal((await send({ name: 'same', createdAt: 1_764_000_000_001 })).status, 200);
    const added = system
      .beacons()
      .filter((beacon) => beacon.events[0]?.detail?.name === 'same')
      .map((beacon) => `${beacon.session} ${beacon.events[0]?.detail?.code}`);
    assert.equal(system.beacons().length - before, count);
    assert.equal(new Set(added).size, count);
    const perStream = new Map<string, number>();
    for (const place of added) {
      const stream = place.split(' ')[0] as string;
      perStream.set(stream, (perStream.get(stream) ?? 0) + 1);
    }
    assert.ok(Math.max(...perStream.values()) <= STREAM_EVENTS_MAX);
    assert.ok(STREAM_EVENTS_MAX < FOLD_SETTINGS_DEFAULT.recentEventsMax);
  });

  it('gives a repeated Idempotency-Key the same place', async () => {
    const headers = { authorization: 'pk_demo', 'idempotency-key': 'order 17' };
    for (let i = 0; i < 2; i++) assert.equal((await send({ name: 'paid', createdAt: 1_764_000_000_001 }, headers)).status, 200);
    const places = system
      .beacons()
      .filter((beacon) => beacon.events[0]?.detail?.name === 'paid')
      .map(({ session, baseAt, events }) => JSON.stringify([session, baseAt, events]));
    assert.equal(places.length, 2);
    assert.equal(new Set(places).size, 1);
  });

  it('reads seconds as such and counts that (unit_fixed), and counts the future (clock_clamped)', async () => {
    assert.equal((await send({ name: 'in-seconds', createdAt: 1_764_000_000 })).status, 200);
    const beacon = system.beacons().find((each) => each.events[0]?.detail?.name === 'in-seconds');
    assert.equal(beacon?.baseAt, 1_764_000_000_000);
    assert.equal(await system.metric('playhead_ingest_oddities_total', { kind: 'unit_fixed', protocol: 'analytics_engine' }), 1);
    assert.equal((await send({ name: 'ahead', createdAt: Date.now() + 3_600_000 })).status, 200);
    assert.equal(await system.metric('playhead_ingest_oddities_total', { kind: 'clock_clamped', protocol: 'analytics_engine' }), 1);
  });
});

it('says 503 and when to come again while the log cannot be written, and nothing is taken', async () => {
  const system = await startTestGateway({ wrapWriter: (writer) => ({ ...writer, ready: () => false }) });
  try {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const answer = await system.post(
      { name: 'a', createdAt: 1_764_000_000_000 },
      { path: '/event', headers: { authorization: 'pk_demo' } },
    );
    assert.equal(answer.status, 503);
    assert.equal(answer.body.status, 503);
    assert.equal(typeof answer.body.error, 'string');
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.equal(system.records(), 0);
  } finally {
    await system.stop();
  }
});
