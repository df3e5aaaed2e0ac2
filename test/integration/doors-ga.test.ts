// Measurement protocols on real servers: the client that people have, visits of known truth, and each place where the peer is wrong and we are not.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import ua from 'universal-analytics';
import { localDayOf } from '../../ingest/core/local-day.ts';
import { eventually, withDatabase } from '../support/audience-run.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const TID = 'UA-17-1';
const MINUTE = 60_000;

type Fields = Record<string, string | number>;
/** A hit so many ms ago. */
type Sent = { ago: number; t?: 'pageview' | 'event' } & Fields;
type Figures = { visits: number; pageviews: number; events: number; averageDurationMs: number; bounceRate: number; visitors: number };
type Truth = { hits: Sent[]; durations: number[]; why: string };

/** A zone in which midnight was an hour or two ago, so that queue time reaches over it. */
function zoneWithMidnightBehind(now: number): { zone: string; sinceMidnight: number } {
  const hours = ((new Date(now).getUTCHours() - 1 + 36) % 24) - 12;
  const zone = `Etc/GMT${hours >= 0 ? '+' : ''}${hours}`;
  const local = now - hours * 3_600_000;
  return { zone, sinceMidnight: local % 86_400_000 };
}
const { zone, sinceMidnight } = zoneWithMidnightBehind(Date.now());

const event = (ago: number, more: Fields = {}): Sent => ({ ago, t: 'event', ec: 'shop', ea: 'click', ...more });
const page = (ago: number, more: Fields = {}): Sent => ({ ago, dp: '/p', ...more });

/** Visitors and how long each of their visits was. All away from midnight but the one that is about it. */
const base = Math.max(2 * MINUTE, Math.min(sinceMidnight - 62 * MINUTE, 3 * MINUTE));
const TRUTHS: Truth[] = [
  {
    why: 'half an hour of silence',
    hits: [page(base + 58 * MINUTE), event(base + 50 * MINUTE), page(base + 40 * MINUTE), page(base)],
    durations: [18 * MINUTE, 0],
  },
  {
    why: 'midnight of the site, not of the server; an event does not split',
    hits: [page(sinceMidnight + 10 * MINUTE), event(sinceMidnight - 5 * MINUTE), page(sinceMidnight - 8 * MINUTE)],
    durations: [15 * MINUTE, 0],
  },
  {
    why: 'a campaign',
    hits: [
      page(base + 9 * MINUTE, { cs: 'one' }),
      page(base + 8 * MINUTE),
      page(base + 7 * MINUTE, { cs: 'two' }),
      page(base + 5 * MINUTE, { cs: 'two' }),
    ],
    durations: [MINUTE, 2 * MINUTE],
  },
  {
    why: 'orders of the client: sc=start and sc=end',
    hits: [
      page(base + 9 * MINUTE),
      page(base + 8 * MINUTE, { sc: 'start' }),
      event(base + 6 * MINUTE, { sc: 'end' }),
      page(base + 5 * MINUTE),
    ],
    durations: [0, 2 * MINUTE, 0],
  },
  { why: 'no interaction', hits: [page(base + 20 * MINUTE), event(base + 5 * MINUTE, { ni: 1 })], durations: [0] },
  { why: 'disorder', hits: [event(base + 5 * MINUTE), event(base + 10 * MINUTE), event(base + 7 * MINUTE)], durations: [5 * MINUTE] },
  {
    why: 'events without a page, a sale of any amount',
    hits: [event(base + 4 * MINUTE, { ti: 'T', tr: 1_290, pr1id: 'A', pr1qt: 20 }), event(base + 3 * MINUTE, { ds: 'web' })],
    durations: [MINUTE],
  },
];

describe('measurement protocols', { timeout: 240_000 }, () => {
  let system: TestSystem;
  const range = (() => {
    const day = (ms: number): string => localDayOf(ms, zone);
    return `from=${day(Date.now() - 2 * 86_400_000)}&to=${day(Date.now() + 86_400_000)}&timezone=${encodeURIComponent(zone)}`;
  })();

  before(async () => {
    system = await startSystem({ env: { ingest: { PLAYHEAD_INGEST_KEYS_REFRESH_MS: '100' } } });
    await withDatabase(system.database, async (client) => {
      await client.query('UPDATE sites SET timezone = $2, viewer_keys = true WHERE site = $1', [system.site, zone]);
      await client.query(`INSERT INTO site_aliases (protocol, foreign_id, site) VALUES ('ga', $2, $1), ('ga4', 'g-1', $1)`, [
        system.site,
        TID.toLowerCase(),
      ]);
    });
    const defined = await query<unknown>('/v1/custom-definitions/dimension/1', { method: 'PUT', body: { name: 'plan', scope: 'session' } });
    assert.deepEqual(defined, { type: 'dimension', index: 1, name: 'plan', scope: 'session', active: true });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  });
  after(() => system?.stop());

  async function query<T>(path: string, options: { method?: string; body?: unknown; status?: number } = {}): Promise<T> {
    const { method = 'GET', body } = options;
    const headers = { authorization: `Bearer ${system.adminKey}`, 'content-type': 'application/json' };
    const answer = await fetch(system.query + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const text = await answer.text();
    assert.equal(answer.status, options.status ?? 200, text);
    return (JSON.parse(text) as { data: T }).data;
  }
  const visits = <T = Figures>(more = ''): Promise<T> => query<T>(`/v1/visits?${range}${more}`);

  /** One visitor of the real client, all hits in one batch. */
  function send(hits: readonly Sent[], options: { cid?: string; hostname?: string } = {}): Promise<number> {
    const visitor = ua(TID, options.cid ?? randomUUID(), { hostname: options.hostname ?? system.ingest, path: '/collect' });
    const queued = hits.reduce((on, { ago, t = 'pageview', ...fields }) => on[t as 'event']({ ...fields, qt: Math.round(ago) }), visitor);
    return new Promise((resolve, reject) => queued.send((error, count) => (error ? reject(error) : resolve(count))));
  }
  const until = <T>(ask: () => Promise<T>, isSo: (value: T) => boolean): Promise<void> => {
    let seen: T;
    return eventually(
      async () => {
        seen = await ask();
        return isSo(seen);
      },
      async () => JSON.stringify(seen),
      30_000,
    );
  };

  const durations = TRUTHS.flatMap((truth) => truth.durations);
  const hits = TRUTHS.flatMap((truth) => truth.hits);
  const pages = hits.filter(({ t }) => t === undefined).length;

  it('universal-analytics: visits as they were, within seconds', async () => {
    for (const truth of TRUTHS) await send(truth.hits);
    await until(visits, (seen) => seen.pageviews + seen.events === hits.length);
    const seen = await visits();
    const sum = durations.reduce((total, each) => total + each, 0);
    assert.equal(seen.visits, durations.length);
    assert.deepEqual([seen.pageviews, seen.events, seen.visitors], [pages, hits.length - pages, TRUTHS.length]);
    // Each end of a visit is a receipt less a wait: a millisecond or so of the requests themselves lies between.
    assert.ok(Math.abs(seen.averageDurationMs - sum / durations.length) < 5, `${seen.averageDurationMs}`);
    assert.equal(seen.bounceRate, durations.filter((each) => each === 0).length / durations.length);
  });

  it('breakdowns add up to the whole: by day of the site, by source, by session values', async () => {
    const whole = await visits();
    const daily = await visits<Figures[]>('&granularity=day');
    assert.equal(
      daily.reduce((sum, day) => sum + day.visits, 0),
      whole.visits,
    );
    const bySource = await visits<(Figures & { value: string })[]>('&groupBy=source');
    assert.deepEqual(Object.fromEntries(bySource.map(({ value, visits: count }) => [value, count])), {
      '': whole.visits - 2,
      one: 1,
      two: 1,
    });
    await send([page(2 * MINUTE, { cd1: 'gold', cd2: 'x' }), event(MINUTE, { cd1: 'late', cd2: 'y' })]);
    const byPlan = (): Promise<(Figures & { value: string })[]> => visits('&groupBy=meta.cd1&filter=meta.cd1:gold');
    await until(byPlan, (rows) => rows[0]?.pageviews === 1 && rows[0].events === 1);
    const [latest] = await query<{ data: { cd: object } }[]>(`/v1/events?${range}&limit=1`);
    assert.deepEqual(latest?.data.cd, { 2: 'y' });
  });

  it('a video within a visit is watched within it; its events and hits are listed under the visit', async () => {
    const video = (ago: number, ea: string, ev: number): Sent => event(ago, { ec: 'Video', ea, el: 'film', ev });
    await send([page(100_000), video(90_000, 'Play', 0), video(60_000, 'Pause', 30)]);
    const play = (): Promise<{ plays: number; totalWatchMs: number }> => query(`/v1/plays?${range}&video=film`);
    await until(play, ({ totalWatchMs }) => totalWatchMs > 0);
    assert.deepEqual([(await play()).plays, (await play()).totalWatchMs], [1, 30_000]);
    const [session] = await query<{ session: string }[]>(`/v1/sessions?${range}&video=film`);
    const parts = await query<{ video: string | null }[]>(`/v1/sessions/${session?.session}`);
    assert.deepEqual(parts.map(({ video: id }) => id).sort(), ['film', null].sort());
    const events = await query<{ type: string; code?: string; name?: string }[]>(`/v1/sessions/${session?.session}/events`);
    assert.deepEqual(
      events.map(({ type, name }) => name ?? type),
      ['pageview', 'event', 'playing', 'event', 'pause'],
    );
    assert.ok(events.every(({ code }) => code === undefined));
  });

  it('two visits told in one record list their own hits each', async () => {
    await send([page(base + 40 * MINUTE, { dp: '/apart' }), page(base, { dp: '/apart' })]);
    type Listed = { session: string; data: { page?: string } };
    const listed = async (): Promise<Listed[]> =>
      (await query<Listed[]>(`/v1/events?${range}&limit=100`)).filter(({ data }) => data.page === '/apart');
    await until(listed, (rows) => rows.length === 2);
    const visitIds = (await listed()).map(({ session }) => session);
    assert.equal(new Set(visitIds).size, 2);
    for (const id of visitIds) assert.equal((await query<unknown[]>(`/v1/sessions/${id}/events`)).length, 1);
  });

  it('a key in the host name is enough, as is a POST body at any path', async () => {
    const before = await visits();
    await send([page(0)], { hostname: `${system.ingest}/k/${system.writeKey}` });
    for (const path of ['/collect', '/lc/collect'])
      assert.equal(
        (await fetch(`${system.ingest}${path}`, { method: 'POST', body: `v=1&tid=${TID}&cid=${randomUUID()}&t=pageview&dp=/x` })).status,
        204,
      );
    await until(visits, (seen) => seen.visits === before.visits + 3);
  });

  it('bad hits are answered 204, kept as dead letters, and their neighbours are stored', async () => {
    const before = await visits();
    const cid = randomUUID();
    const body = [
      `v=1&tid=${TID}&cid=${cid}&t=pageview&dp=/ok`,
      `v=1&tid=${TID}&cid=${cid}&t=what`,
      `v=1&tid=${TID}&t=pageview`,
      '%%%=&&',
    ].join('\n');
    assert.equal((await fetch(`${system.ingest}/batch`, { method: 'POST', body })).status, 204);
    await until(visits, (seen) => seen.visits === before.visits + 1);
    const dead = (): Promise<{ reason: string }[]> =>
      withDatabase(
        system.database,
        async (client) => (await client.query('SELECT reason FROM dead_letters ORDER BY reason')).rows as { reason: string }[],
      );
    await until(dead, (rows) => rows.length === 2);
    assert.deepEqual(
      (await dead()).map(({ reason }) => reason),
      ['missing_field', 'unknown_type'],
    );
  });

  it('GA4: sessions of the client, video, and consent', async () => {
    const before = await visits();
    const now = Date.now();
    const post = async (body: object): Promise<void> => {
      const answer = await fetch(`${system.ingest}/mp/collect?measurement_id=G-1&api_secret=s`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
      assert.equal(answer.status, 204);
    };
    const at = (ago: number): string => String((now - ago) * 1_000);
    const video = (name: string, ago: number, seconds: number): object => ({
      name,
      timestamp_micros: at(ago),
      params: { session_id: '9', video_url: 'https://youtu.be/tube1', video_duration: 60, video_current_time: seconds },
    });
    await post({
      client_id: '5.5',
      consent: { ad_user_data: 'DENIED' },
      events: [
        { name: 'page_view', timestamp_micros: at(50 * MINUTE), params: { session_id: '9', page_location: 'https://a.example/' } },
        video('video_start', 40_000, 0),
        video('video_progress', 25_000, 15),
        video('video_complete', 10_000, 30),
      ],
    });
    const play = (): Promise<{ totalWatchMs: number }> => query(`/v1/plays?${range}&video=tube1`);
    await until(play, ({ totalWatchMs }) => totalWatchMs === 30_000);
    await until(visits, (seen) => seen.visits === before.visits + 1 && seen.events === before.events + 3);
    assert.equal((await visits()).visitors, before.visitors);
  });

  it('sealing changes no figure', async () => {
    const before = await visits();
    await system.closeAll();
    const open = (): Promise<number> =>
      withDatabase(system.database, async (client) => Number((await client.query('SELECT count(*) FROM open_sessions')).rows[0].count));
    await until(open, (count) => count === 0);
    assert.deepEqual(await visits(), before);
    assert.deepEqual(await visits('&state=sealed'), before);
  });
});
