// Analytics Engine on real servers: the five calls of its client, thousands of events with known truth, and each place where the peer is
// wrong and we are not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { eventually, withDatabase } from '../support/audience-run.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const ZONE = 'Pacific/Auckland';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NAMES = ['signup', 'play "it"', '__proto__', 'naïve ☕'];
/** Hours before now; none is near a cut-off of the lookbacks asked for (3 days, 21 days, 3 months). */
const AGES = [1, 1, 1, 5, 30, 60, 84, 200, 400, 480, 530, 900, 1_400, 2_000, 2_350, 4_000];
const LOOKBACK = 3;

type Counts = Record<'daily' | 'weekly' | 'monthly', Record<string, number>>;
type Sent = { name: string; createdAt: number; type?: string; uniqueId?: string };
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
type Body = any;

/** The local date of an instant, from the runtime's calendar alone. */
const localDay = (at: number): string => new Intl.DateTimeFormat('en-CA', { timeZone: ZONE, dateStyle: 'short' }).format(at);

function sundayOf(day: string): string {
  const date = new Date(`${day}T12:00:00Z`);
  while (date.getUTCDay() !== 0) date.setUTCDate(date.getUTCDate() - 1);
  return date.toISOString().slice(0, 10);
}

function truthOf(events: readonly Sent[], now: number, lookback = LOOKBACK): Counts {
  const monthsAgo = new Date(now);
  monthsAgo.setUTCMonth(monthsAgo.getUTCMonth() - lookback);
  const cuts = { daily: now - lookback * DAY_MS, weekly: now - 7 * lookback * DAY_MS, monthly: monthsAgo.getTime() };
  const counts: Counts = { daily: {}, weekly: {}, monthly: {} };
  for (const { createdAt } of events) {
    const day = localDay(createdAt);
    const keys = { daily: day, weekly: sundayOf(day), monthly: day.slice(0, 7) };
    for (const span of ['daily', 'weekly', 'monthly'] as const)
      if (createdAt >= cuts[span]) counts[span][keys[span]] = (counts[span][keys[span]] ?? 0) + 1;
  }
  return counts;
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((total, count) => total + count, 0);

describe('Analytics Engine', { timeout: 240_000 }, () => {
  let system: TestSystem;
  const secret = 'sk_one_secret_may_do_everything_here';
  const now = Date.now();

  before(async () => {
    system = await startSystem();
    await withDatabase(system.database, async (client) => {
      await client.query('UPDATE sites SET timezone = $1', [ZONE]);
      await client.query(`INSERT INTO keys (id, site, kind, secret_hash, hint, scopes) VALUES ('one', $1, 'read', $2, 'sk_one', $3)`, [
        system.site,
        createHash('sha256').update(secret).digest(),
        ['query', 'admin'],
      ]);
      await client.query(`INSERT INTO site_aliases (protocol, foreign_id, site) VALUES ('analytics_engine', $1, $2)`, [
        `sha256:${createHash('sha256').update(secret).digest('hex')}`,
        system.site,
      ]);
    });
  });
  after(() => system?.stop());

  async function call(
    url: string,
    options: { key?: string; method?: string; body?: unknown } = {},
  ): Promise<{ status: number; body: Body }> {
    const response = await fetch(url, {
      method: options.method ?? 'GET',
      headers: { accept: 'application/json', ...(options.key === undefined ? {} : { authorization: options.key }) },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    return { status: response.status, body: await response.json() };
  }
  const store = async (event: Sent, key = system.writeKey): Promise<void> => {
    const answer = await call(`${system.ingest}/event`, { key, method: 'POST', body: event });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  };
  const read = async (query: Record<string, string>, key = system.readKey): Promise<{ global: Counts; usages: Record<string, Counts> }> => {
    const answer = await call(`${system.query}/analytics?${new URLSearchParams(query)}`, { key });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.status, 200);
    return answer.body.data;
  };
  async function untilCounted(query: Record<string, string>, wanted: number): Promise<void> {
    const counted = async (): Promise<number> => sum((await read({ lookback: '1000', ...query })).global.monthly);
    await eventually(
      async () => (await counted()) === wanted,
      async () => `${await counted()} of ${wanted}`,
      60_000,
    );
  }
  async function inParallel(events: readonly Sent[]): Promise<void> {
    const queue = [...events];
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let event = queue.shift(); event !== undefined; event = queue.shift()) await store(event);
      }),
    );
  }

  it('answers the five calls of the client, all with one secret', async () => {
    assert.deepEqual((await call(`${system.ingest}/`)).body, { status: 200, data: 'Analytics Engine is running.' });
    await withAliases();
    await store({ name: 'first', createdAt: now, type: 'five' }, secret);
    await untilCounted({ type: 'five' }, 1);
    assert.deepEqual((await read({ type: 'five' }, secret)).usages['first'], truthOf([{ name: 'first', createdAt: now }], now, 7));
    const stats = (await call(`${system.query}/stats`, { key: secret })).body.data;
    assert.equal(stats.total_redis_keys, 1);
    assert.match(stats.ram_usage, /^\d+\.\d\dMB$/);
    assert.match(stats.system_uptime, /^\d+d \d+h \d+m \d+s$/);
    for (const name of ['cpu_usage', 'ram_usage_bytes', 'system_uptime_seconds', 'go_routines']) assert.ok(stats[name] > 0, name);
    const flushed = await call(`${system.query}/analytics?type=five`, { key: secret, method: 'DELETE' });
    assert.deepEqual(flushed, { status: 200, body: { status: 200, data: 'Data flushed successfully!' } });
    assert.deepEqual(await read({ type: 'five' }), { global: { daily: {}, weekly: {}, monthly: {} }, usages: {} });
  });

  /** The alias was written after the gateway began: it reads them every few seconds. */
  const withAliases = (): Promise<void> =>
    eventually(
      async () => (await call(`${system.ingest}/event`, { key: secret, method: 'POST', body: {} })).status === 400,
      async () => 'the alias is not known',
      30_000,
    );

  const events: Sent[] = AGES.flatMap((hours, i) =>
    NAMES.slice(0, 1 + (i % NAMES.length)).flatMap((name) =>
      Array.from({ length: 1 + ((i * 7) % 5) }, (_, j) => ({
        name,
        createdAt: now - hours * HOUR_MS - j * 1_000,
        ...(j % 3 === 1 ? { type: 'b' } : {}),
        ...(j % 2 === 1 ? { uniqueId: `user ${i}` } : {}),
      })),
    ),
  );
  const untyped = events.filter((event) => event.type === undefined);
  const typed = events.filter((event) => event.type === 'b');

  it('counts every event by day, Sunday week and month of the zone of its site (the peer: of its machine), in sets by type', async () => {
    await inParallel(events);
    for (const [query, set] of [
      [{}, untyped],
      [{ type: 'b' }, typed],
    ] as const) {
      await untilCounted(query, set.length);
      const answer = await read({ ...query, lookback: String(LOOKBACK) });
      assert.deepEqual(answer.global, truthOf(set, now));
      for (const name of NAMES) {
        const ofName = set.filter((event) => event.name === name);
        const got = Object.hasOwn(answer.usages, name) ? answer.usages[name] : { daily: {}, weekly: {}, monthly: {} };
        assert.deepEqual(got, truthOf(ofName, now), name);
      }
    }
    const [someone] = typed.filter((event) => event.uniqueId !== undefined);
    const ofSomeone = typed.filter((event) => event.uniqueId === someone?.uniqueId);
    assert.deepEqual((await read({ type: 'b', lookback: '12', uniqueId: someone?.uniqueId ?? '' })).global, truthOf(ofSomeone, now, 12));
  });

  it('gives the days on which clocks change their 23 and 25 hours', async () => {
    // New Zealand: summer time ended on 5 April and began on 27 September 2026.
    const changes = ['2026-04-05', '2026-09-27'];
    const hours = changes.flatMap((day) => Array.from({ length: 52 }, (_, i) => Date.parse(`${day}T00:00:00+12:00`) + (i - 14) * HOUR_MS));
    const sent = hours.map((createdAt) => ({ name: 'hour', createdAt, type: 'clocks' }));
    await inParallel(sent);
    await untilCounted({ type: 'clocks' }, sent.length);
    const { daily, weekly, monthly } = (await read({ type: 'clocks', lookback: '400' })).global;
    assert.deepEqual({ daily, weekly, monthly }, truthOf(sent, now, 400));
    assert.deepEqual([daily['2026-04-05'], daily['2026-09-27']], [25, 23]);
  });

  it('takes 7 for a lookback that is none', async () => {
    const seven = await read({ lookback: '7' });
    for (const lookback of ['', '0', '-3', 'week', '1.5', '1e3', '99999999999999999999', '+'])
      assert.deepEqual(await read({ lookback }), seven, lookback);
    assert.equal(sum((await read({ lookback: '999999999' })).global.daily), untyped.length);
  });

  it('counts equal events each (the peer: as one)', async () => {
    await inParallel(Array.from({ length: 150 }, () => ({ name: 'equal', createdAt: now - HOUR_MS, type: 'equal', uniqueId: 'u' })));
    await untilCounted({ type: 'equal' }, 150);
    assert.equal((await read({ type: 'equal' })).usages['equal']?.daily[localDay(now - HOUR_MS)], 150);
  });

  it('counts a request sent again with its Idempotency-Key once', async () => {
    for (let i = 0; i < 3; i++) {
      const headers = { authorization: system.writeKey, 'idempotency-key': 'order 17' };
      const body = JSON.stringify({ name: 'paid', createdAt: now, type: 'orders' });
      assert.equal((await fetch(`${system.ingest}/event`, { method: 'POST', headers, body })).status, 200);
    }
    await store({ name: 'paid', createdAt: now, type: 'orders' });
    await untilCounted({ type: 'orders' }, 2);
  });

  it('keeps events for as long as the site does, whatever traffic there is, and puts old ones where they belong (the peer: loses all)', async () => {
    const old = [now - 700 * DAY_MS, now - 4_000 * DAY_MS];
    await inParallel(old.map((createdAt) => ({ name: 'old', createdAt, type: 'old' })));
    await untilCounted({ type: 'old' }, 2);
    const { monthly } = (await read({ type: 'old', lookback: '1000' })).global;
    assert.deepEqual(monthly, Object.fromEntries(old.map((at) => [localDay(at).slice(0, 7), 1])));
  });

  it('MAX_AGE takes single old events away and no others, traffic or not, and 0 or junk takes none (the peer: all or nothing)', async () => {
    const ages = [1, 20, 30, 400];
    await inParallel(ages.map((days) => ({ name: 'aging', createdAt: now - days * DAY_MS, type: 'aging' })));
    await untilCounted({ type: 'aging' }, ages.length);
    const shown = async (): Promise<number> => sum((await read({ type: 'aging', lookback: '1000' })).global.monthly);
    const setting = (value: unknown): Promise<void> =>
      withDatabase(system.database, async (client) => {
        await client.query(
          `INSERT INTO site_doors (site, protocol, settings) VALUES ($1, 'analytics_engine', $2) ON CONFLICT (site, protocol) DO UPDATE SET settings = $2`,
          [system.site, JSON.stringify({ maxAgeMs: value })],
        );
      });
    await setting(25 * DAY_MS);
    assert.equal(await shown(), 2);
    await store({ name: 'aging', createdAt: now, type: 'aging' });
    await store({ name: 'aging', createdAt: now - 500 * DAY_MS, type: 'aging' });
    await eventually(
      async () => (await shown()) === 3,
      async () => String(await shown()),
      30_000,
    );
    for (const junk of [0, -1, 'a week', null, 1e300]) {
      await setting(junk);
      assert.equal(await shown(), ages.length + 2, JSON.stringify(junk));
    }
  });

  it('reads seconds as such (the peer: never shows them), and counts the future at receipt', async () => {
    await store({ name: 'seconds', createdAt: Math.floor(now / 1000), type: 'units' });
    await store({ name: 'ahead', createdAt: now + 40 * DAY_MS, type: 'units' });
    await untilCounted({ type: 'units' }, 2);
    const { usages } = await read({ type: 'units' });
    assert.deepEqual(usages['seconds']?.daily, { [localDay(Math.floor(now / 1000) * 1000)]: 1 });
    const [day] = Object.keys(usages['ahead']?.daily ?? {});
    assert.ok(day === localDay(now) || day === localDay(Date.now()), day);
  });

  it('shows its streams to nobody as sessions or plays, unless they are asked for by protocol', async () => {
    const ask = async (path: string): Promise<Body> => (await call(`${system.query}/v1/${path}`, { key: `Bearer ${system.readKey}` })).body;
    await eventually(
      async () => (await ask('sessions?filter=protocol:analytics_engine&limit=1000')).data.length > 0 || closing(),
      async () => 'no stream is sealed',
      60_000,
    );
    const streams = (await ask('sessions?filter=protocol:analytics_engine&limit=1000')).data;
    assert.ok(streams.every(({ plays, protocol }: Body) => plays === 0 && protocol === 'analytics_engine'));
    assert.deepEqual((await ask('sessions')).data, []);
    const plays = await ask('plays');
    assert.deepEqual([plays.data.attempts, plays.data.plays, plays.provisionalSessions], [0, 0, 0]);
    for (const dimension of ['protocol', 'device', 'country'])
      assert.deepEqual((await ask(`plays?groupBy=${dimension}`)).data, [], dimension);
    assert.equal((await ask('visits')).data.visits, 0);
    assert.ok((await ask('events?name=signup')).data.length > 0);
    assert.equal((await ask('events?name=equal&groupBy=name')).data[0].count, 150);
    const [{ session }] = streams;
    assert.equal((await ask(`sessions/${session}`)).data.length, 1);
  });

  /** Seals what is open; false, so that it can be asked for again. */
  async function closing(): Promise<boolean> {
    await system.closeAll();
    return false;
  }

  it('lets nobody into its counters who only knows the public key of players', async () => {
    const session = 'analytics_engine-guess';
    const events = [{ type: 'custom', at: now, name: 'signup', data: { type: 'guessed' } }];
    const body = JSON.stringify({ key: system.writeKey, session, video: { id: 'intro' }, events });
    assert.equal((await fetch(`${system.ingest}/v1/beacons`, { method: 'POST', body })).status, 202);
    await eventually(
      async () => {
        const { body: listed } = await call(`${system.query}/v1/events?video=intro`, { key: `Bearer ${system.readKey}` });
        return listed.data.length === 1 && listed.data[0].session !== session;
      },
      async () => 'the event is not there',
      30_000,
    );
    assert.deepEqual(await read({ type: 'guessed', lookback: '1000' }), { global: { daily: {}, weekly: {}, monthly: {} }, usages: {} });
  });

  it('keeps text that looks like an escape, and events with it', async () => {
    const uniqueId = '\\u0000 \\ud800';
    await store({ name: '\\u0000', createdAt: now, type: 'escapes', uniqueId });
    await untilCounted({ type: 'escapes', uniqueId }, 1);
  });

  it('lets a key do what it may and nothing else (the peer: one secret does all)', async () => {
    const analytics = `${system.query}/analytics`;
    for (const key of [undefined, 'nobody', system.writeKey]) {
      const answer = await call(analytics, key === undefined ? {} : { key });
      assert.deepEqual(answer, { status: 401, body: { status: 401, data: 'Unauthorized.' } });
    }
    assert.equal((await call(analytics, { key: system.readKey, method: 'DELETE' })).status, 403);
    assert.equal((await call(`${system.ingest}/event`, { key: system.readKey, method: 'POST', body: events[0] })).status, 401);
  });

  it('flushes one set and leaves the others; what comes later counts', async () => {
    assert.equal((await call(`${system.query}/analytics`, { key: system.adminKey, method: 'DELETE' })).status, 200);
    assert.deepEqual(await read({ lookback: '1000' }), { global: { daily: {}, weekly: {}, monthly: {} }, usages: {} });
    assert.equal(sum((await read({ type: 'b', lookback: '1000' })).global.monthly), typed.length);
    await store({ name: 'after', createdAt: now });
    await untilCounted({}, 1);
  });

  it('refuses bad input and stores its neighbours', async () => {
    for (const body of [{}, { name: 'x' }, { name: 'x', createdAt: 0 }, { createdAt: now }, [], 'x']) {
      const answer = await call(`${system.ingest}/event`, { key: system.writeKey, method: 'POST', body });
      assert.equal(answer.status, 400);
      assert.match(answer.body.error, /^Invalid input: /);
      await store({ name: 'neighbour', createdAt: now, type: 'neighbours' });
    }
    await untilCounted({ type: 'neighbours' }, 6);
  });
});
