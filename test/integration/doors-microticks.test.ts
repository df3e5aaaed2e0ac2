// Microticks on real servers: sessions of clients with known truth, two gateways, and each place where the peer is wrong and we are not.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { freePorts } from '../../infra/local/ports.ts';
import { eventually, withDatabase } from '../support/audience-run.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const SESSIONS = 24;
const SECOND_MS = 1_000;

type Form = Record<string, string>;
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
type Body = any;
type Reply = { status: number; body: Body };
/** What a client did, and what the lists must say of it. */
type Truth = { token: string; startedAt: string; stoppedAt: string | null; clicks: number; lastAction: string | null; events: Event[] };
type Event = { id: number; session_id: string; time: string; action: string; data: unknown };

const iso = (ms: number): string => new Date(ms).toISOString();
/** As answers write instants: whole seconds without a fraction. */
const shown = (ms: number): string => iso(ms).replace('.000Z', 'Z');

describe('Microticks', { timeout: 240_000 }, () => {
  let system: TestSystem;
  let second = '';
  const truths: Truth[] = [];
  // Within the day, so that the prefix of a date means one day.
  const base = Math.floor((Date.now() - 600_000) / SECOND_MS) * SECOND_MS;

  before(async () => {
    system = await startSystem();
    const [port] = (await freePorts(1)) as [number];
    await system.start('ingest', { instance: 'ingest-2', env: { PLAYHEAD_INGEST_PORT: String(port) } });
    second = `http://127.0.0.1:${port}`;
  });
  after(() => system?.stop());

  async function post(path: string, form: Form, at = system.ingest): Promise<Reply> {
    const response = await fetch(at + path, { method: 'POST', body: new URLSearchParams(form) });
    return { status: response.status, body: await response.json() };
  }
  async function fine(path: string, form: Form, at?: string): Promise<Body> {
    const answer = await post(path, form, at);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.status, 200);
    return answer.body;
  }
  async function list(path: string, query: Form = {}, key = system.readKey): Promise<Reply> {
    const response = await fetch(`${system.query}${path}?${new URLSearchParams({ ...query, ...(key === '' ? {} : { key }) })}`);
    return { status: response.status, body: await response.json() };
  }
  const sessions = async (query: Form = {}): Promise<Body[]> => (await list('/sessions', query)).body.sessions;
  const open = async (at: number): Promise<string> =>
    (await fine('/sessions', { consumer_key: system.writeKey, token: '', ts: iso(at) })).token;

  /** One client: starts, acts at one gateway or the other, sends some actions again, and stops as the peer's client does, or does not. */
  async function play(i: number): Promise<Truth> {
    const startedAt = base + i * 5_000;
    const token = await open(startedAt);
    const truth: Truth = { token, startedAt: shown(startedAt), stoppedAt: null, clicks: 0, lastAction: null, events: [] };
    let at = startedAt;
    const act = async (action: string, data: unknown): Promise<void> => {
      at += 137;
      const form = { token, action, data: typeof data === 'string' ? data : JSON.stringify(data), ts: iso(at) };
      const { event_id: id } = await fine('/events', form, i % 2 === 0 ? undefined : second);
      if (i % 4 === 0) assert.equal((await fine('/events', form)).event_id, id);
      truth.events.push({ id, session_id: token, time: shown(at), action, data });
      if (action !== 'click') return;
      truth.clicks++;
      truth.lastAction = shown(at);
    };
    for (let n = 0; n < i % 5; n++) await act('click', { x: n, tag: 'video#main' });
    if (i % 3 === 0) await act('scroll', 'plain text');
    if (i % 4 === 1) {
      await act('fullscreen', { on: true });
      await act('captions', { on: true, language: 'nl' });
    }
    if (i % 2 === 1) return truth;
    await act('stopSession', { reason: 'unload' });
    await fine('/sessions/stop', { token, ts: iso(at) });
    truth.stoppedAt = shown(at);
    return truth;
  }

  it('lists sessions and actions as they were, those without a click too (the peer: invisible), copies once (the peer: twice)', async () => {
    truths.push(...(await Promise.all(Array.from({ length: SESSIONS }, (_, i) => play(i)))));
    const wanted = truths.flatMap(({ events }) => events);
    await eventually(
      async () => (await list('/events')).body.count === wanted.length && (await sessions()).length === SESSIONS,
      async () => `${(await list('/events')).body.count} of ${wanted.length} events`,
      60_000,
    );
    const key = (event: Event): string => `${event.time} ${event.session_id} ${event.id}`;
    const sorted = (events: Event[]): Event[] => events.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    assert.deepEqual(sorted((await list('/events')).body.events), sorted(wanted));
    const listed = await sessions({ sort: 'started_at' });
    assert.deepEqual(
      listed.map(({ id, consumer_id, started_at, clicks, last_action }) => ({ id, consumer_id, started_at, clicks, last_action })),
      truths.map(({ token, startedAt, clicks, lastAction }) => ({
        id: token,
        consumer_id: system.writeKey,
        started_at: startedAt,
        clicks,
        last_action: lastAction,
      })),
    );
  });

  it('stops sessions when their client did', async () => {
    const stopped = truths.filter(({ stoppedAt }) => stoppedAt !== null);
    const read = async (): Promise<Body[]> => (await sessions()).filter(({ stopped_at }) => stopped_at !== null);
    await eventually(
      async () => (await read()).length === stopped.length,
      async () => `${(await read()).length} of ${stopped.length} are stopped`,
      90_000,
    );
    const byId = new Map((await read()).map(({ id, stopped_at }) => [id, stopped_at]));
    for (const { token, stoppedAt } of stopped) assert.equal(byId.get(token), stoppedAt);
  });

  it('knows at any gateway that a session was stopped', async () => {
    const [stopped] = truths.filter(({ stoppedAt }) => stoppedAt !== null);
    for (const at of [system.ingest, second]) {
      const form = { token: stopped?.token ?? '', action: 'click', data: '1', ts: iso(base) };
      const refused = { status: 400, body: { description: 'Session was already stopped.', status: 400 } };
      assert.deepEqual(await post('/events', form, at), refused);
      assert.deepEqual(await post('/sessions/stop', form, at), refused);
    }
  });

  it('sorts by listed columns, and only by those (the peer: by any SQL)', async () => {
    const ids = async (query: Form): Promise<string[]> => (await sessions(query)).map(({ id }) => id);
    const byStart = truths.map(({ token }) => token);
    assert.deepEqual(await ids({ 'sort.desc': 'started_at' }), byStart.toReversed());
    const clicks = (await sessions({ 'sort.desc': 'clicks' })).map((session) => session.clicks);
    assert.deepEqual(
      clicks,
      truths.map((truth) => truth.clicks).sort((a, b) => b - a),
    );
    assert.deepEqual(await ids({ sort: 'id' }), [...byStart].sort());
    const actions = (await list('/events', { sort: 'action' })).body.events.map(({ action }: Event) => action);
    assert.deepEqual(actions, [...actions].sort());
    for (const sort of ['(select secret_hash from keys)', 'clicks; DROP TABLE sessions', 'constructor', 'site', 'clicks desc']) {
      const answer = await list('/sessions', { sort });
      assert.equal(answer.status, 400, sort);
      assert.match(answer.body.error, /sort/);
      assert.equal(answer.body.status, 400);
    }
    assert.equal((await sessions()).length, SESSIONS);
  });

  it('gives every action of one session, and its whole timeline', async () => {
    const truth = truths.find(({ events }) => events.length > 4 && events.some(({ action }) => action === 'captions')) as Truth;
    const { body } = await list('/events', { session: truth.token, sort: 'time' });
    assert.deepEqual(body.events, truth.events);
    assert.deepEqual(
      (await sessions({ session: truth.token })).map(({ id, clicks }) => [id, clicks]),
      [[truth.token, truth.clicks]],
    );
    assert.deepEqual((await list('/events', { session: 'none' })).body.events, []);
    const timeline = await fetch(`${system.query}/v1/sessions/microticks-${truth.token}/events`, {
      headers: { authorization: `Bearer ${system.readKey}` },
    });
    const { data } = (await timeline.json()) as Body;
    assert.deepEqual(
      data.filter(({ type }: Body) => type === 'custom').map(({ name }: Body) => name),
      truth.events.map(({ action }) => action),
    );
  });

  it('gives pages, and what was asked by date and consumer', async () => {
    const pages: string[] = [];
    for (let offset = 0; offset < SESSIONS; offset += 7) {
      const { body } = await list('/sessions', { sort: 'started_at', limit: '7', offset: String(offset) });
      assert.equal(body.count, body.sessions.length);
      pages.push(...body.sessions.map(({ id }: Body) => id));
    }
    assert.deepEqual(
      pages,
      truths.map(({ token }) => token),
    );
    for (const length of [4, 7, 10, 13, 16, 19]) {
      const date = iso(base + 60_000).slice(0, length);
      const wanted = truths.filter(({ startedAt }) => startedAt.startsWith(date)).map(({ token }) => token);
      assert.deepEqual(
        (await sessions({ date, sort: 'started_at' })).map(({ id }) => id),
        wanted,
        date,
      );
    }
    assert.equal((await sessions({ consumer: system.writeKey })).length, SESSIONS);
    assert.equal((await list('/events', { consumer: system.writeKey, limit: '5' })).body.count, 5);
    const all = (await list('/events', { sort: 'time' })).body.events;
    const paged: Event[] = [];
    for (let offset = 0; offset < all.length; offset += 11)
      paged.push(...(await list('/events', { sort: 'time', limit: '11', offset: String(offset) })).body.events);
    assert.deepEqual(paged, all);
    const noticed = (await list('/sessions', { limit: '20000' })).body;
    assert.equal(noticed.sessions.length, SESSIONS);
    assert.match(noticed.warning, /"limit" may be at most 10000/);
    assert.deepEqual(await sessions({ consumer: 'another' }), []);
    assert.deepEqual(await sessions({ date: '1999' }), []);
    for (const [name, value] of [
      ['limit', '-1'],
      ['offset', 'x'],
      ['date', "2026' OR 1=1"],
    ] as const)
      assert.equal((await list('/sessions', { [name]: value })).status, 400, name);
  });

  it('ignores `ip`, since no address is kept (the peer: keeps it), and says so', async () => {
    const { body } = await list('/sessions', { ip: '127.0.0.1' });
    assert.equal(body.count, SESSIONS);
    assert.match(body.warning, /"ip" is ignored/);
    await withDatabase(system.database, async (client) => {
      const { rows } = await client.query(`SELECT to_jsonb(s)::text AS row FROM sessions s WHERE protocol = 'microticks'`);
      assert.ok(rows.length > 0);
      for (const { row } of rows) assert.ok(!row.includes('127.0.0.1'));
    });
  });

  it('shows nothing without a read key (the peer: everything)', async () => {
    for (const path of ['/sessions', '/events']) {
      for (const key of ['', 'wrong', system.writeKey]) {
        const answer = await list(path, {}, key);
        assert.equal(answer.status, 401);
        assert.equal(answer.body.status, 401);
        assert.equal(typeof answer.body.description, 'string');
      }
    }
  });

  it('lets pages of any origin read with a key (as the peer), and nobody without one', async () => {
    const origin = 'https://board.example';
    for (const path of ['/sessions', '/events']) {
      const wanted = { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' };
      for (const base of [system.query, system.ingest]) {
        const { status, headers } = await fetch(base + path, { method: 'OPTIONS', headers: wanted });
        assert.equal(status, 204, base);
        assert.ok([origin, '*'].includes(headers.get('access-control-allow-origin') ?? ''), base);
        assert.match(headers.get('access-control-allow-methods') ?? '', /\bGET\b/);
        assert.match(headers.get('access-control-allow-headers') ?? '', /authorization/i);
      }
      for (const key of [system.readKey, 'wrong']) {
        const answer = await fetch(`${system.query}${path}?key=${key}`, { headers: { origin } });
        assert.equal(answer.status, key === 'wrong' ? 401 : 200);
        assert.equal(answer.headers.get('access-control-allow-origin'), '*');
      }
    }
    const sent = await fetch(`${system.ingest}/sessions`, {
      method: 'POST',
      headers: { origin },
      body: new URLSearchParams({ consumer_key: 'nobody', ts: iso(base) }),
    });
    assert.equal(sent.headers.get('access-control-allow-origin'), origin);
  });

  it('leads /dash to the dashboard, the key where no server sees it again', async () => {
    const open = async (path: string): Promise<[number, string | null]> => {
      const { status, headers } = await fetch(system.query + path, { redirect: 'manual' });
      return [status, headers.get('location')];
    };
    assert.deepEqual(await open('/dash'), [302, '/']);
    assert.deepEqual(await open('/dash?key=sk_a%26b'), [302, '/#key=sk_a%26b']);
  });

  it('refuses bad input and stores its neighbours', async () => {
    const token = await open(base);
    const before = (await list('/events')).body.count;
    const bad: Form[] = [
      { token: randomBytes(16).toString('hex') },
      { token: '' },
      { ts: 'now' },
      { action: '' },
      { data: '' },
      { data: 'x'.repeat(10_000) },
    ];
    for (const [i, change] of bad.entries()) {
      const form = { token, action: 'neighbour', data: String(i), ts: iso(base) };
      assert.equal((await post('/events', { ...form, ...change })).status, 400, JSON.stringify(change));
      await fine('/events', form);
    }
    const count = async (): Promise<number> => (await list('/events')).body.count;
    await eventually(
      async () => (await count()) === before + bad.length,
      async () => `${await count()}`,
      60_000,
    );
  });

  it('ends sessions that fell silent where they fell silent (the peer: never)', async () => {
    await system.closeAll();
    const read = async (): Promise<Map<string, string | null>> => new Map((await sessions()).map(({ id, stopped_at }) => [id, stopped_at]));
    await eventually(
      async () => ![...(await read()).values()].includes(null),
      async () => 'some are open',
      60_000,
    );
    const ended = await read();
    for (const { token, startedAt, events } of truths) assert.equal(ended.get(token), events.at(-1)?.time ?? startedAt);
  });
});
