// mave's read APIs on a real database: legacy questions, keys, data of embeds and spaces. Every figure here was worked out by hand from the
// sessions below, and every place where the peer is known to be wrong has a test that asks for the right figure.
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { SessionContext, SessionPart, WatchSection } from '../../schemas/session.ts';
import { EMPTY_CONTEXT, partOf, SEED_SITE, type SeedPart, unionMs, writeParts } from '../support/query-seed.ts';
import {
  type AskOptions,
  type Loose,
  OTHER_SITE,
  type QueryServer,
  type Reply,
  SECRETS,
  startQueryServer,
} from '../support/query-server.ts';

const at = (text: string): number => Date.parse(text);
/** A Wednesday. */
const NOW_MS = at('2026-05-20T12:00:00Z');
const EMBED = 'abcde0123456789';
const SECOND_EMBED = 'abcde9999999999';
const OTHER_EMBED = 'zzzzz0123456789';

type Play = readonly [fromMs: number, toMs: number, afterMs?: number, rateMilli?: number];
type Given = { session: string; video?: string; site?: string; start: string; plays: readonly Play[]; part?: number; open?: boolean };

const NO_FIGURES = { played: true, startupMs: -1, stalls: 0, switchesUp: 0, kbps: 0, error: undefined } as never;

/** A part whose plays begin `afterMs` after its session; a play that begins where the one before ended shares its run. */
function seed(given: Given, context: Partial<SessionContext> = {}): SeedPart {
  const startedAt = at(given.start);
  let run = 0;
  const sections: WatchSection[] = given.plays.map(([fromMs, toMs, afterMs = 0, rateMilli = 1_000], i) => {
    const before = given.plays[i - 1];
    if (before !== undefined && before[1] !== fromMs) run += 1;
    return { run, fromMs, toMs, startedAt: startedAt + afterMs, rateMilli };
  });
  const id = { session: given.session, video: given.video ?? EMBED, part: given.part ?? 0, startedAt, site: given.site ?? SEED_SITE };
  const part: SessionPart = partOf(id, {
    context: { ...EMPTY_CONTEXT, protocol: 'mave', ...context },
    sections,
    figures: NO_FIGURES,
  });
  assert.equal(part.uniqueWatchMs, unionMs(sections));
  return { part, open: given.open ?? false };
}

const MAC = { browser: 'Chrome', platform: 'macOS', device: 'desktop' };
const PHONE = { browser: 'Safari', platform: 'iOS', device: 'mobile' };

const seeds: SeedPart[] = [
  // One viewer who pauses at 2.5 s, resumes, jumps back and watches 1 s to 2 s again: one view, 6 s played, 5 s of them different.
  seed(
    {
      session: 'resumes',
      start: '2026-05-19T10:00:00Z',
      plays: [
        [0, 2_500],
        [2_500, 5_000, 60_000],
        [1_000, 2_000, 120_000],
      ],
    },
    { ...MAC, pageHost: 'example.org', pagePath: '/a', meta: '{"plan":"pro","user":7}' },
  ),
  // Three plays of 400 ms: every one is under a second, together they are a view.
  seed(
    {
      session: 'stutters',
      start: '2026-05-19T11:00:00Z',
      plays: [
        [0, 400],
        [3_000, 3_400, 10_000],
        [6_000, 6_400, 20_000],
      ],
    },
    { ...PHONE, pageHost: 'example.org', pagePath: '/a', meta: '{"plan":"free"}' },
  ),
  // Begins and ends on a whole second: [2, 4) is seconds 2 and 3, not 4.
  seed(
    { session: 'edges', start: '2026-05-18T09:00:00Z', plays: [[2_000, 4_000]] },
    { browser: 'Firefox Focus', platform: 'Ubuntu', device: 'tablet', pageHost: 'example.org', pagePath: '/b', meta: '{"plan":"free"}' },
  ),
  // Still playing.
  seed(
    { session: 'open', start: '2026-05-20T11:59:00Z', plays: [[0, 5_500]], open: true },
    { browser: 'Edge', platform: 'Windows', device: 'desktop', pageHost: 'blog.test', pagePath: '/p', meta: '{"plan":"pro"}' },
  ),
  // A supplement: what came late belongs to the same session.
  seed(
    { session: 'late', video: SECOND_EMBED, start: '2026-05-19T12:00:00Z', plays: [[0, 3_000]] },
    { browser: 'Brave', ...{ device: 'tv' } },
  ),
  seed(
    { session: 'late', video: SECOND_EMBED, start: '2026-05-19T12:00:00Z', plays: [[2_000, 4_000, 5_000]], part: 1 },
    { browser: 'Brave', device: 'tv' },
  ),
  // A glance: no view at the default threshold.
  seed(
    { session: 'glance', start: '2026-05-19T13:00:00Z', plays: [[0, 900]] },
    { browser: 'Opera Mini', platform: 'Android', device: 'mobile' },
  ),
  // Earlier this year and earlier than that; over midnight of the last of the year: 400 ms before, 2 s after.
  seed({ session: 'april', start: '2026-04-30T23:59:59.400Z', plays: [[0, 2_600]] }, MAC),
  seed({ session: 'newyear', start: '2025-12-31T23:59:59.600Z', plays: [[10_000, 12_400]] }, PHONE),
  seed({ session: 'old', start: '2025-05-01T00:00:00Z', plays: [[0, 9_000]] }, MAC),
  // Double speed: 4 s of media in 2 s.
  seed({ session: 'fast', video: SECOND_EMBED, start: '2026-05-20T08:00:00Z', plays: [[0, 4_000, 0, 2_000]] }, MAC),
  // An hour and more in one go: time, but no unique time.
  seed({ session: 'sleeper', video: SECOND_EMBED, start: '2026-03-01T00:00:00Z', plays: [[0, 3_600_000]] }, MAC),
  seed({ session: 'other', video: OTHER_EMBED, site: OTHER_SITE, start: '2026-05-19T10:00:00Z', plays: [[0, 5_000]] }, MAC),
];

describe('mave: read APIs', { timeout: 180_000 }, () => {
  let server: QueryServer;
  const legacy = (path: string, body: Loose, options: AskOptions = {}): Promise<Reply> =>
    server.ask(`/api/v1/${path}`, { method: 'POST', body, ...options });
  const ofEmbed = { query: {}, identifier: EMBED, shape: '2024', interval: '1 day' };

  before(async () => {
    server = await startQueryServer({ clock: { now: () => NOW_MS } });
    await writeParts(server.connection, seeds);
    for (const [id, meta, site] of [
      [EMBED, { vid: 'one', course: 12 }, SEED_SITE],
      [SECOND_EMBED, { vid: 'two', course: 12 }, SEED_SITE],
      [OTHER_EMBED, { vid: 'one' }, OTHER_SITE],
    ] as const)
      await server.sql('INSERT INTO videos (site, id, meta, first_seen_at, last_seen_at) VALUES ($1, $2, $3, now(), now())', [
        site,
        id,
        JSON.stringify(meta),
      ]);
    await server.sql('INSERT INTO live_viewers VALUES (0, $1, $2, 3), (1, $1, $2, 2), (1, $1, $3, 1), (0, $4, $5, 9)', [
      SEED_SITE,
      EMBED,
      SECOND_EMBED,
      OTHER_SITE,
      OTHER_EMBED,
    ]);
    await server.sql(
      "INSERT INTO keys (id, site, kind, write_key, hint) VALUES ('kw1', $1, 'write', 'pk_a', 'pk_a'), ('kw2', $2, 'write', 'pk_b', 'pk_b')",
      [SEED_SITE, OTHER_SITE],
    );
    await server.sql(
      "INSERT INTO site_aliases (protocol, foreign_id, site) VALUES ('mave', 'abcde', $1), ('mave', 'empty', $1), ('mave', 'zzzzz', $2)",
      [SEED_SITE, OTHER_SITE],
    );
  });
  after(() => server?.stop());

  it('differs: the peer counts segments; here pause and resume are one view, and short segments count for time', async () => {
    const { status, body } = await legacy('views', ofEmbed);
    assert.equal(status, 200);
    const none = { mac: 0, ios: 0, android: 0, linux: 0, windows: 0, other: 0 };
    const noBrowser = { edge: 0, ie: 0, chrome: 0, firefox: 0, opera: 0, safari: 0, brave: 0, other: 0 };
    const device = (one: string, two = ''): Loose => ({
      device: { mobile: 0, desktop: 0, tablet: 0, other: 0, [one]: 1, ...(two && { [two]: 1 }) },
      device_type: { mobile: 0, desktop: 0, tablet: 0, other: 0, [one]: 1, ...(two && { [two]: 1 }) },
    });
    assert.deepEqual(body, {
      views: [
        {
          interval: '2026-05-18T00:00:00.000000Z',
          views: 1,
          total_view_time: 2,
          unique_total_view_time: 2,
          platform: { ...none, linux: 1 },
          ...device('tablet'),
          browser: { ...noBrowser, firefox: 1 },
        },
        {
          interval: '2026-05-19T00:00:00.000000Z',
          views: 2,
          total_view_time: 7.2,
          unique_total_view_time: 6.2,
          platform: { ...none, mac: 1, ios: 1 },
          ...device('desktop', 'mobile'),
          browser: { ...noBrowser, chrome: 1, safari: 1 },
        },
        {
          interval: '2026-05-20T00:00:00.000000Z',
          views: 1,
          total_view_time: 5.5,
          unique_total_view_time: 5.5,
          platform: { ...none, windows: 1 },
          ...device('desktop'),
          browser: { ...noBrowser, edge: 1 },
        },
      ],
    });
  });

  it('goes by the threshold of the whole session', async () => {
    const views = async (seconds: unknown): Promise<number[]> =>
      (await legacy('views', { ...ofEmbed, minimum_watch_seconds: seconds })).body.views.map((row: Loose) => row.views);
    assert.deepEqual(await views(0), [1, 3, 1]);
    assert.deepEqual(await views(0.9), [1, 3, 1]);
    assert.deepEqual(await views(1.2), [1, 2, 1]);
    assert.deepEqual(await views(1.201), [1, 1, 1]);
    assert.deepEqual(await views(6), [1]);
  });

  it('answers the shapes of both years', async () => {
    const [view] = (await legacy('plays', { query: {}, interval: '1 month' })).body.views;
    assert.equal(view.interval, '2026-05-01T00:00:00.000000');
    assert.deepEqual(Object.keys(view), ['interval', 'views', 'total_view_time', 'platform', 'device_type', 'browser']);
    assert.equal((await legacy('plays', { query: {}, shape: '2024' })).body.views[0].device.other, 1);
    assert.equal('device' in (await legacy('views?shape=2023', { query: {} })).body.views[0], false);
    assert.equal('device' in (await legacy('views', { query: {}, ranges: 5 })).body.views[0], false);
    assert.equal('device' in (await legacy('views', { identifier: EMBED })).body.views[0], false);
    const old = (await legacy('sources', { identifier: EMBED, interval: '1 year' })).body.sources;
    assert.deepEqual(old[0], { interval: '2026-01-01T00:00:00.000000', path: 'https://example.org/a', views: 2 });
  });

  it('cuts buckets where time_bucket does, in UTC', async () => {
    const starts = async (interval: string): Promise<string[]> =>
      (await legacy('views', { ...ofEmbed, interval, timeframe: { from: 0, to: NOW_MS / 1_000 } })).body.views.map((row: Loose) =>
        row.interval.slice(0, 19),
      );
    assert.deepEqual(await starts('1 week'), ['2025-04-28T00:00:00', '2025-12-29T00:00:00', '2026-04-27T00:00:00', '2026-05-18T00:00:00']);
    assert.deepEqual(await starts('1 month'), ['2025-05-01T00:00:00', '2025-12-01T00:00:00', '2026-04-01T00:00:00', '2026-05-01T00:00:00']);
    assert.deepEqual(await starts('5 months'), ['2025-01-01T00:00:00', '2025-11-01T00:00:00', '2026-04-01T00:00:00']);
    assert.deepEqual(await starts('2 years'), ['2024-01-01T00:00:00', '2026-01-01T00:00:00']);
    // Ten days from Monday, 2000-01-03: 2026-05-16 is 9 630 days after it.
    assert.deepEqual((await starts('10 days')).at(-1), '2026-05-16T00:00:00');
    assert.deepEqual((await starts('90 min')).slice(-4), [
      '2026-05-18T09:00:00',
      '2026-05-19T09:00:00',
      '2026-05-19T10:30:00',
      '2026-05-20T10:30:00',
    ]);
    for (const width of ['7 seconds', '13 minutes', '5 hours', '1 day', '17 days', '3 weeks', '400 days']) {
      const rows = await server.sql(
        `SELECT DISTINCT to_char(date_bin($1::interval, started_at, '2000-01-03T00:00:00Z') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') AS start
FROM sessions WHERE site = $2 AND video = $3 AND total_watch_ms >= 1000 ORDER BY 1`,
        [width, SEED_SITE, EMBED],
      );
      const sealed = rows.map(({ start }) => start);
      assert.deepEqual((await starts(width)).slice(0, sealed.length), sealed, width);
    }
    assert.deepEqual(await starts(' 1 DAY  12hours'), await starts('36 h'));
  });

  it('reads time frames: intervals, open Unix seconds, both ends included', async () => {
    const total = async (timeframe: unknown): Promise<number> =>
      (await legacy('views', { ...ofEmbed, interval: '100 years', ...(timeframe === undefined ? {} : { timeframe }) })).body.views.reduce(
        (sum: number, row: Loose) => sum + row.views,
        0,
      );
    assert.equal(await total(undefined), 4);
    assert.equal(await total('1 day'), 1);
    assert.equal(await total('25 hours'), 2);
    assert.equal(await total('26 hours'), 3);
    assert.equal(await total('1 month'), 5);
    assert.equal(await total('2 years 1 day'), 7);
    assert.equal(await total(at('2026-05-19T11:00:00Z') / 1_000), 2);
    assert.equal(await total(at('2026-05-19T11:00:00Z') / 1_000 + 0.001), 1);
    assert.equal(await total({ from: at('2026-05-19T10:00:00Z') / 1_000, to: at('2026-05-19T11:00:00Z') / 1_000 }), 2);
    assert.equal(await total({ from: at('2026-05-19T10:00:00Z') / 1_000, to: at('2026-05-19T10:59:59Z') / 1_000 }), 1);
    assert.equal(await total({ from: 10, to: 5 }), 0);
  });

  it('differs: sources of the peer count segments; here sessions, by host and path, most views first', async () => {
    const { body } = await legacy('sources', { ...ofEmbed, interval: '1 year' });
    assert.deepEqual(body.sources, [
      { interval: '2026-01-01T00:00:00.000000Z', host: 'example.org', path: '/a', views: 2 },
      { interval: '2026-01-01T00:00:00.000000Z', host: 'blog.test', path: '/p', views: 1 },
      { interval: '2026-01-01T00:00:00.000000Z', host: 'example.org', path: '/b', views: 1 },
    ]);
  });

  it('differs: the peer counts rewatches and edges twice; here a session is once in a second, and in none that only a boundary touches', async () => {
    const { body } = await legacy('engagement', ofEmbed);
    assert.deepEqual(body.engagement, [
      {
        interval: '2026-05-18T00:00:00.000000Z',
        per_second: [
          { second: 2, views: 1 },
          { second: 3, views: 1 },
        ],
      },
      {
        // "resumes" is in 0 to 4, rewatched second 1 counts once, second 2 (paused and resumed in it) once; "stutters" in 0, 3 and 6;
        // "glance" in 0.
        interval: '2026-05-19T00:00:00.000000Z',
        per_second: [
          { second: 0, views: 3 },
          { second: 1, views: 1 },
          { second: 2, views: 1 },
          { second: 3, views: 2 },
          { second: 4, views: 1 },
          { second: 6, views: 1 },
        ],
      },
      {
        interval: '2026-05-20T00:00:00.000000Z',
        per_second: [0, 1, 2, 3, 4, 5].map((second) => ({ second, views: 1 })),
      },
    ]);
  });

  it('differs: ranges of the peer miss a play that starts inside; here whoever played any part of one is in it', async () => {
    const body = {
      identifier: EMBED,
      ranges: 4,
      timeframe: { from: at('2026-05-18T00:00:00Z') / 1_000, to: at('2026-05-19T23:00:00Z') / 1_000 },
    };
    // The furthest position is 6.4 s, so a range is 1.6 s: "edges" [2, 4) is in 1 and 2; "stutters" in 0, 1 ([3, 3.2)), 2 and 3.
    assert.deepEqual((await legacy('engagement', body)).body.engagement, [
      { range: 0, range_time: { from: 0, to: 1.6 }, viewers: 3 },
      { range: 1, range_time: { from: 1.6, to: 3.2 }, viewers: 3 },
      { range: 2, range_time: { from: 3.2, to: 4.8 }, viewers: 3 },
      { range: 3, range_time: { from: 4.8, to: 6.4 }, viewers: 2 },
    ]);
    assert.equal((await legacy('engagement', { identifier: EMBED })).body.engagement.length, 10);
    assert.deepEqual((await legacy('engagement', { identifier: 'nobody' })).body, { engagement: [] });
  });

  it('differs: a video of the peer is its exact metadata, engagement by key is missing; here contained metadata of videos and sessions, and keys, never beyond the site', async () => {
    const views = async (query: Loose, more: Loose = {}): Promise<number> =>
      (await legacy('views', { query, interval: '1 year', ...more })).body.views.reduce((sum: number, row: Loose) => sum + row.views, 0);
    assert.equal(await views({ video: { vid: 'one' } }), 4);
    assert.equal(await views({ video: { course: 12 } }), 6);
    assert.equal(await views({ video: { course: '12' } }), 0);
    assert.equal(await views({ video: { course: 12, vid: 'two' } }), 2);
    assert.equal(await views({ video: { vid: 'three' } }), 0);
    assert.equal(await views({ video: {} }), 6);
    assert.equal(await views({}), 6);
    assert.equal(await views({ session: { plan: 'pro' } }), 2);
    assert.equal(await views({ session: { plan: 'pro', user: 7 } }), 1);
    assert.equal(await views({ session: { plan: 'free' }, video: { vid: 'one' } }), 2);
    assert.equal(await views({ key: 'pk_a' }), 6);
    assert.equal(await views({ key: 'pk_b' }), 0, 'a key of another site');
    assert.equal(await views({ key: 'pk_a', video: { vid: 'two' } }), 2);
    assert.equal(await views({ video: { course: 12 } }, { identifier: EMBED }), 4);
    assert.equal(await views({ video: { vid: 'two' } }, { identifier: EMBED }), 0);
    assert.equal(await views({}, { identifier: OTHER_EMBED }), 0);
    assert.equal(
      (await legacy('engagement', { query: { key: 'pk_a' }, interval: '1 year' })).body.engagement.length,
      1,
      'engagement by key',
    );
    const narrowed = await legacy('engagement', { query: { session: { plan: 'free' } }, interval: '1 year' });
    assert.deepEqual(narrowed.body.engagement[0].per_second, [
      { second: 0, views: 1 },
      { second: 2, views: 1 },
      { second: 3, views: 2 },
      { second: 6, views: 1 },
    ]);
  });

  it('puts supplements into their session', async () => {
    const { body } = await legacy('views', { identifier: SECOND_EMBED, interval: '1 day', shape: '2024', timeframe: '2 days' });
    const [late] = body.views;
    assert.deepEqual([late.views, late.total_view_time, late.unique_total_view_time], [1, 5, 4]);
    assert.deepEqual([late.browser.brave, late.device.other], [1, 1]);
  });

  it('knows the names of browsers, platforms and devices; anything else is other', async () => {
    const agents: [string, string, string][] = [
      ['Chrome', 'Windows', 'desktop'],
      ['Chrome Mobile', 'Android', 'mobile'],
      ['Chrome iOS', 'iOS', 'tablet'],
      ['Chrome Headless', 'Chrome OS', 'tv'],
      ['Firefox', 'Ubuntu', 'desktop'],
      ['Firefox Mobile', 'Android', 'mobile'],
      ['Safari', 'macOS', 'desktop'],
      ['Mobile Safari', 'iPadOS', 'tablet'],
      ['Opera', 'Linux', 'desktop'],
      ['Opera Touch', 'iOS', 'mobile'],
      ['Edge', 'Windows', 'desktop'],
      ['IE', 'Windows', 'desktop'],
      ['Brave', 'Mac OS', 'desktop'],
      ['', '', ''],
    ];
    const given = agents.map(([browser, platform, device], i) =>
      seed({ session: `agent${i}`, video: 'agents', start: '2026-05-20T10:00:00Z', plays: [[0, 2_000]] }, { browser, platform, device }),
    );
    await writeParts(server.connection, given, { after: 2_000 });
    const [row] = (await legacy('views', { identifier: 'agents', shape: '2024' })).body.views;
    await server.sql("DELETE FROM sessions WHERE video = 'agents'");
    await server.sql("DELETE FROM watch_sections WHERE video = 'agents'");
    assert.deepEqual(row.browser, { edge: 1, ie: 1, chrome: 3, firefox: 2, opera: 2, safari: 2, brave: 1, other: 2 });
    assert.deepEqual(row.platform, { mac: 2, ios: 3, android: 2, windows: 3, linux: 2, other: 2 });
    assert.deepEqual(row.device, { mobile: 3, desktop: 7, tablet: 2, other: 2 });
  });

  it('says how many watch now', async () => {
    assert.deepEqual((await legacy('watching', { query: {} })).body, { watching: 6 });
    assert.deepEqual((await legacy('watching', { query: { video: { vid: 'two' } } })).body, { watching: 1 });
    assert.deepEqual((await legacy('watching', { query: { video: { vid: 'none' } } })).body, { watching: 0 });
    assert.deepEqual((await legacy('watching', { identifier: EMBED })).body, { watching: 5 });
    assert.deepEqual((await legacy('watching', { identifier: EMBED, query: { video: { vid: 'two' } } })).body, { watching: 0 });
    assert.deepEqual((await legacy('watching', {})).body, { error: 'Requires a valid JSON query struct.' });
    assert.deepEqual((await legacy('watching', { query: { session: { plan: 'pro' } } })).body, { watching: 1 });
    assert.deepEqual((await legacy('watching', { query: { session: { plan: 'free' } } })).body, { watching: 0 });
  });

  it('differs: the peer keeps answers for 90 days; here what is sealed a moment later is in the next answer', async () => {
    const before = (await legacy('views', { identifier: 'fresh', shape: '2024' })).body.views;
    await writeParts(server.connection, [seed({ session: 'fresh', video: 'fresh', start: '2026-05-20T11:00:00Z', plays: [[0, 5_000]] })], {
      after: 500,
    });
    const again = (await legacy('views', { identifier: 'fresh', shape: '2024' })).body.views;
    assert.deepEqual([before.length, again[0].views], [0, 1]);
    await server.sql("DELETE FROM sessions WHERE session = 'fresh'");
    await server.sql("DELETE FROM watch_sections WHERE session = 'fresh'");
  });

  it('takes GET with a JSON body, and GET with parameters', async () => {
    const expected = (await legacy('views', { query: { video: { vid: 'one' } }, timeframe: { from: 0, to: 2e9 } })).body;
    assert.equal(expected.views.length, 2);
    const withBody = await getWithBody(`${server.url}/api/v1/views`, { query: { video: { vid: 'one' } }, timeframe: { from: 0, to: 2e9 } });
    assert.deepEqual(withBody, expected);
    const parameters = `query=${encodeURIComponent('{"video":{"vid":"one"}}')}&timeframe=${encodeURIComponent('{"from":0,"to":2000000000}')}`;
    assert.deepEqual((await server.ask(`/api/v1/views?${parameters}&minimum_watch_seconds=1`)).body, expected);
    assert.equal((await server.ask(`/api/v1/engagement?identifier=${EMBED}&ranges=3`)).body.engagement.length, 3);
    assert.equal((await server.ask('/api/v1/views?query={}&timeframe=1%20day')).body.views[0].views, 3);
    const plain = await legacy('watching', '{"query":{}}', { headers: { 'content-type': 'text/plain' } });
    assert.deepEqual(plain.body, { watching: 6 }, 'the declared type is not asked');
  });

  it('differs: the peer answers 500 and splices intervals into SQL; here malformed input is 400 with a text that names the field', async () => {
    const struct = { error: 'Requires a valid JSON query struct.' };
    for (const body of [{}, { query: null }, { query: 'x' }, { query: [] }, '[]']) {
      const { status, body: answer } = await legacy('views', body);
      assert.deepEqual([status, answer], [400, struct]);
    }
    assert.deepEqual((await server.ask('/api/v1/views')).body, struct);
    const wrong: [Loose, RegExp][] = [
      [{ interval: "1 day'); DROP TABLE sessions; --" }, /^interval must be/],
      [{ interval: '1 fortnight' }, /^interval must be/],
      [{ interval: '0 days' }, /^interval must be/],
      [{ interval: '-1 day' }, /^interval must be/],
      [{ interval: '1 month 2 days' }, /^interval must be/],
      [{ interval: 5 }, /^interval must be/],
      [{ timeframe: 'yesterday' }, /^timeframe must be/],
      [{ timeframe: { from: 'a', to: 1 } }, /^timeframe\.from must be/],
      [{ timeframe: { from: 1 } }, /^timeframe\.to must be/],
      [{ timeframe: -1 }, /^timeframe must be/],
      [{ timeframe: 1e300 }, /^timeframe must be/],
      [{ minimum_watch_seconds: 'many' }, /^minimum_watch_seconds must be/],
      [{ minimum_watch_seconds: -1 }, /^minimum_watch_seconds must be/],
      [{ ranges: 0 }, /^ranges must be/],
      [{ ranges: 2.5 }, /^ranges must be/],
      [{ ranges: 1_001 }, /^ranges must be/],
      [{ shape: '2022' }, /^shape must be/],
      [{ identifier: 7 }, /^identifier must be/],
      [{ query: { video: 'x' } }, /^query\.video must be/],
      [{ query: { session: [] } }, /^query\.session must be/],
      [{ query: { video: { a: '\0' } } }, /^query\.video must not/],
      [{ query: { key: 1 } }, /^query\.key must be/],
      [{ query: { vidoe: {} } }, /^query\.vidoe is not known/],
    ];
    for (const [more, message] of wrong) {
      const { status, body } = await legacy('views', { query: {}, ...more });
      assert.equal(status, 400, JSON.stringify(more));
      assert.match(body.error, message);
    }
    const broken = await legacy('views', '{"query":');
    assert.equal(broken.status, 400);
    assert.equal(typeof broken.body.error, 'string');
    assert.equal((await legacy('views', { query: { video: { a: 'x'.repeat(70_000) } } })).status, 413);
  });

  it('differs: at the peer keys are checked or not by its build; here always: Basic with any user, Bearer, or Bearer of id and secret', async () => {
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const withHeader = (authorization: string): Promise<Reply> =>
      server.ask('/api/v1/watching?query={}', { key: null, headers: { authorization } });
    for (const good of [
      `Basic ${base64(`anybody:${SECRETS.query}`)}`,
      `basic ${base64(`:${SECRETS.query}`)}`,
      `Bearer ${SECRETS.query}`,
      `Bearer ${base64(`id:${SECRETS.query}`)}`,
    ])
      assert.equal((await withHeader(good)).status, 200, good);
    for (const bad of [
      '',
      `Basic ${base64('user:password')}`,
      `Basic ${base64(SECRETS.revoked)}`,
      'Basic !!!',
      'Digest x',
      'Bearer pk_a',
    ]) {
      const { status, text, headers } = await withHeader(bad);
      assert.deepEqual([status, text, headers.get('www-authenticate')], [401, 'Unauthorized', 'Basic realm="Application"'], bad);
    }
    const { status, body } = await server.ask('/api/v1/watching?query={}', { key: 'none' });
    assert.equal(status, 403);
    assert.equal(typeof body.error, 'string');
    assert.deepEqual((await server.ask('/api/v1/watching?query={}', { key: 'other' })).body, { watching: 9 }, 'the key decides the site');
  });

  it('makes, lists and revokes write keys for keys with the scope admin', async () => {
    const made = await legacy('keys', {}, { key: 'admin' });
    assert.equal(made.status, 201);
    assert.equal(Buffer.from(made.body.key, 'base64').length, 16);
    const chosen = await legacy('keys', { key: 'ab/cd+ef/gh==' }, { key: 'admin' });
    assert.deepEqual([chosen.status, chosen.body], [201, { key: 'ab/cd+ef/gh==' }]);
    for (const key of ['ab/cd+ef/gh==', 'pk_b', 'short', 'has space here', `sk_${'z'.repeat(32)}`, 7]) {
      const { status, body } = await legacy('keys', { key }, { key: 'admin' });
      assert.deepEqual([status, body], [400, { error: 'Could not create key' }], String(key));
    }
    const listed = (await server.ask('/api/v1/keys', { key: 'admin' })).body.keys;
    assert.deepEqual(listed.map(({ key }: Loose) => key).sort(), [made.body.key, 'ab/cd+ef/gh==', 'pk_a'].sort());
    assert.ok(listed.every((each: Loose) => each.disabled_at === null));
    assert.equal((await legacy('keys', {}, { key: 'query' })).status, 403);
    assert.equal((await server.ask('/api/v1/keys', { key: 'query' })).status, 403);
    const revoke = (key: string): Promise<Reply> => server.ask(`/api/v1/keys/${key}`, { key: 'admin', method: 'DELETE' });
    assert.deepEqual((await revoke('ab/cd+ef/gh==')).body, { message: 'Key revoked' }, 'as it is');
    assert.deepEqual((await revoke(encodeURIComponent(made.body.key))).body, { message: 'Key revoked' }, 'URL-encoded');
    const other = await revoke('pk_b');
    assert.deepEqual([other.status, other.body], [400, { error: 'Could not revoke key' }]);
    const after = (await server.ask('/api/v1/keys', { key: 'admin' })).body.keys;
    assert.equal(after.filter((each: Loose) => each.disabled_at !== null).length, 2);
    await server.sql("DELETE FROM keys WHERE kind = 'write' AND id NOT IN ('kw1', 'kw2')");
  });

  it('answers the data of an embed', async () => {
    const { status, body } = await server.ask(`/api/v1/videos/${EMBED}/data`);
    assert.equal(status, 200);
    assert.equal(body.data.id, EMBED);
    // Year: resumes, stutters, edges, open, april (2.6 s) and newyear, of which 2 s lie in this year. Month: april has 2 s in May.
    assert.deepEqual(body.data.views, { today: 1, month: 5, year: 6 });
    // The duration is 60 s. Second 0: resumes, stutters, open, glance, april, old.
    const { duration_seconds: seconds, per_second: perSecond } = body.data.dropoff;
    assert.deepEqual([seconds, perSecond.length], [60, 60]);
    assert.deepEqual(perSecond.slice(0, 14), [6, 4, 5, 5, 3, 2, 2, 1, 1, 0, 1, 1, 1, 0]);
    assert.deepEqual(body.data.sources, [
      { path: 'example.org/a', percentage: 50 },
      { path: 'blog.test/p', percentage: 25 },
      { path: 'example.org/b', percentage: 25 },
    ]);
    assert.deepEqual((await server.ask(`/v1/videos/${EMBED}/data`)).body, body, 'also without /api');
  });

  it('differs: at the peer an open play counts nothing in the data of an embed; here what is proven of it', async () => {
    const before = (await server.ask(`/v1/videos/${SECOND_EMBED}/data`)).body.data;
    const plays: Play[] = [[0, 1_500]];
    await writeParts(server.connection, [seed({ session: 'now', video: SECOND_EMBED, start: '2026-05-20T11:59:58Z', plays, open: true })]);
    const { data } = (await server.ask(`/v1/videos/${SECOND_EMBED}/data`)).body;
    await server.sql("DELETE FROM open_sessions WHERE session = 'now'");
    assert.deepEqual([data.views.today - before.views.today, data.dropoff.per_second[1] - before.dropoff.per_second[1]], [1, 1]);
  });

  it('differs: the peer has no rate limit, no order and no pages; here a limit per key in its envelope, and pages of sessions in /v1', async () => {
    const listed = (await server.ask(`/v1/sessions?from=2025-01-01&video=${EMBED}&limit=2`)).body;
    assert.deepEqual([listed.data.length, typeof listed.next], [2, 'string']);
    const csv = await server.ask(`/v1/plays?from=2025-01-01&video=${EMBED}`, { key: 'export', headers: { accept: 'text/csv' } });
    assert.match(csv.text, /plays/);
    const limited = await startQueryServer({ env: { PLAYHEAD_QUERY_REQUESTS_PER_MINUTE_MAX: '2' } });
    try {
      const replies: Reply[] = [];
      for (let i = 0; i < 6; i++) replies.push(await limited.ask('/api/v1/watching?query={}'));
      const refused = replies.find(({ status }) => status === 429);
      assert.ok(refused, replies.map(({ status }) => status).join());
      assert.deepEqual([typeof refused.body.error, Number(refused.headers.get('retry-after')) > 0], ['string', true]);
    } finally {
      await limited.stop();
    }
  });

  it('names the twenty pages with most sessions, in percentages that sum to 100; the first page of a session counts', async () => {
    const pages = Array.from({ length: 23 }, (_, i) => `/page-${String(i).padStart(2, '0')}`);
    const given = pages.flatMap((pagePath, i) =>
      Array.from({ length: i < 3 ? 1 : 2 }, (_, n) =>
        seed(
          { session: `p${i}-${n}`, video: 'many', start: '2026-05-20T09:00:00Z', plays: [[0, 2_000]] },
          { pageHost: 'many.test', pagePath },
        ),
      ),
    );
    const moved = { session: 'p22-0', video: 'many', start: '2026-05-20T09:00:00Z', part: 1 };
    given.push(seed({ ...moved, plays: [[2_000, 3_000]] }, { pageHost: 'many.test', pagePath: '/page-00' }));
    await writeParts(server.connection, given, { after: 900 });
    const { sources } = (await server.ask('/v1/videos/many/data')).body.data;
    await server.sql("DELETE FROM sessions WHERE video = 'many'");
    await server.sql("DELETE FROM watch_sections WHERE video = 'many'");
    assert.deepEqual(
      sources.map(({ path }: Loose) => path),
      pages.slice(3).map((path) => `many.test${path}`),
    );
    assert.ok(sources.every(({ percentage }: Loose) => percentage === 5));
  });

  it('answers the data of a space', async () => {
    const { status, body } = await server.ask('/api/v1/spaces/abcde/data');
    assert.equal(status, 200);
    const { data } = body;
    assert.equal(data.id, 'abcde');
    // Embed: 1, 5, 6; second embed: fast today, late this month, sleeper this year.
    assert.deepEqual(data.views, { today: 2, month: 7, year: 9 });
    // Wall clock. Today: open 5.5 s, fast 2 s. Month: resumes 6, stutters 1.2, edges 2, glance 0.9, april 2, late 5. Year: newyear 2,
    // april 0.6 more, sleeper an hour.
    assert.deepEqual(data.watch_time, { today: 7_500, month: 24_600, year: 3_627_200 });
    // Distinct seconds, at most the wall time. Today: open 5.5 (6 seconds), fast 2 (4 seconds). Month: resumes 5, stutters 1.2, edges 2,
    // glance 0.9, april 2 ([0.6, 2.6) is in seconds 0 to 2), late 4. Year: newyear 2, all of april is 2.6; the sleeper is left out.
    assert.deepEqual(data.unique_watch_time, { today: 7_500, month: 22_600, year: 25_200 });
    const months = data.views_by_month.map(({ views }: Loose) => views);
    assert.deepEqual(data.views_by_month[0], { month: 1, views: 1 });
    assert.deepEqual(months, [1, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual(data.devices, [
      { device: 'desktop', views: 5 },
      { device: 'mobile', views: 2 },
      { device: 'other', views: 1 },
      { device: 'tablet', views: 1 },
    ]);
    assert.deepEqual(data.browsers, [
      { browser: 'chrome', views: 4 },
      { browser: 'safari', views: 2 },
      { browser: 'brave', views: 1 },
      { browser: 'edge', views: 1 },
      { browser: 'firefox', views: 1 },
    ]);
    const empty = await server.ask('/v1/spaces/empty/data');
    assert.deepEqual([empty.status, empty.body.data.views], [200, { today: 0, month: 0, year: 0 }]);
  });

  it('does not know embeds and spaces of others', async () => {
    for (const id of [OTHER_EMBED, 'nothing', '%00']) {
      const { status, body } = await server.ask(`/api/v1/videos/${id}/data`);
      assert.deepEqual([status, body], [404, { error: 'This video embed does not exist.' }]);
    }
    for (const space of ['zzzzz', 'abcd', 'nnnnn']) {
      const { status, text } = await server.ask(`/api/v1/spaces/${space}/data`);
      assert.deepEqual([status, text], [404, 'Not found']);
    }
    assert.equal((await server.ask('/v1/spaces/zzzzz/data', { key: 'other' })).body.data.views.month, 1);
    assert.equal((await server.ask(`/v1/videos/${EMBED}/data`, { key: null })).status, 401);
  });

  it('leaves out durations that cannot be, and shows none where none is left', async () => {
    const dropoff = async (durationMs: number | null): Promise<Loose> => {
      await server.sql('UPDATE sessions SET duration_ms = $1 WHERE video = $2', [durationMs, SECOND_EMBED]);
      return (await server.ask(`/v1/videos/${SECOND_EMBED}/data`)).body.data.dropoff;
    };
    assert.deepEqual(await dropoff(14_400_001), { duration_seconds: 0, per_second: [] });
    assert.deepEqual(await dropoff(null), { duration_seconds: 0, per_second: [] });
    assert.deepEqual(await dropoff(4_001), { duration_seconds: 5, per_second: [3, 3, 3, 3, 1] });
  });

  it('differs: the peer turns storage errors into zeros with 200; here they are 503', async () => {
    await server.connection.begin();
    await server.sql('LOCK TABLE site_aliases');
    const asked = server.ask('/v1/spaces/abcde/data');
    const terminated =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while ((await server.sql(terminated)).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await server.connection.rollback();
    const { status, body, headers } = await asked;
    assert.equal(status, 503);
    assert.equal(typeof body.error, 'string');
    assert.ok(Number(headers.get('retry-after')) > 0);
  });
});

/** fetch() refuses GET with a body; the peer's clients send it. */
function getWithBody(url: string, body: Loose): Promise<Loose> {
  const text = JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const asking = httpRequest(
      url,
      {
        method: 'GET',
        headers: {
          authorization: `Bearer ${SECRETS.query}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        },
      },
      async (answer) => {
        let given = '';
        for await (const chunk of answer) given += chunk;
        resolve(JSON.parse(given));
      },
    );
    asking.on('error', reject);
    asking.end(text);
  });
}
