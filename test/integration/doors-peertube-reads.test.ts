// PeerTube's statistics from rows in a real database: the shapes, each definition against the slow and obvious way to count, and the places
// where the peer is known to be wrong.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { shortUuidOf } from '../../schemas/peertube-ids.ts';
import type { SessionPart } from '../../schemas/session.ts';
import { clearParts, EMPTY_CONTEXT, partOf, SEED_SITE, writeParts } from '../support/query-seed.ts';
import { type Loose, OTHER_SITE, type QueryServer, startQueryServer } from '../support/query-server.ts';

const VIDEO = '9c9de5e8-0a1e-484a-b099-e80766180a6d';
const OTHER_VIDEO = '11111111-2222-3333-4444-555555555555';
const LIVE_VIDEO = '00000000-0000-0000-0000-00000000000f';
const T0 = Date.parse('2026-02-03T10:00:00Z');
const NOW = Date.parse('2026-02-04T10:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const FIGURES = { played: true, startupMs: -1, stalls: 0, switchesUp: 0, kbps: 0, error: undefined };

type Stretch = readonly [fromS: number, toS: number, startedAt?: number];
type Viewer = {
  session: string;
  startAt: number;
  endAt: number;
  stretches: readonly Stretch[];
  video?: string;
  part?: number;
  /** Of part 0, where this is another one. */
  sessionStartAt?: number;
  open?: boolean;
  context?: Partial<SessionPart['context']>;
};

function seed(viewer: Viewer): { part: SessionPart; open: boolean } {
  const { session, startAt, endAt, stretches, video = VIDEO, part = 0, sessionStartAt = startAt, open = false } = viewer;
  const sections = stretches.map(([fromS, toS, startedAt = startAt], i) => ({
    run: i + 1,
    fromMs: fromS * 1000,
    toMs: toS * 1000,
    startedAt,
    rateMilli: 1000,
  }));
  const context = { ...EMPTY_CONTEXT, durationMs: 100_000, protocol: 'peertube', ...viewer.context };
  const made = partOf({ session, video, part, startedAt: sessionStartAt }, { context, sections, figures: FIGURES });
  return { part: { ...made, endedAt: endAt }, open };
}

describe('PeerTube: statistics of a video', { timeout: 120_000 }, () => {
  let server: QueryServer;
  const stats = (path: string, video = VIDEO): Promise<Loose> => server.ask(`/api/v1/videos/${video}/stats/${path}`);
  const body = async (path: string, video = VIDEO): Promise<Loose> => {
    const reply = await stats(path, video);
    assert.equal(reply.status, 200, reply.text);
    return reply.body;
  };
  const write = async (...viewers: Viewer[]): Promise<void> => {
    await clearParts(server.connection);
    await writeParts(server.connection, viewers.map(seed));
  };

  before(async () => {
    server = await startQueryServer({ clock: { now: () => NOW } });
    await server.sql(
      `INSERT INTO videos (site, id, title, duration_ms, live, meta, pinned, first_seen_at, last_seen_at) VALUES
        ($1, $2, 'First', 100000, false, '{"peertubeId": 42}', '{meta}', $5, $5), ($1, $3, '', 100000, false, '{"peertubeId": 43}', '{}', $5, $5),
        ($1, $4, '', NULL, true, '{}', '{}', $5, $5), ($6, 'theirs', '', 60000, false, '{}', '{}', $5, $5)`,
      [SEED_SITE, VIDEO, OTHER_VIDEO, LIVE_VIDEO, new Date(T0).toISOString(), OTHER_SITE],
    );
  });
  after(() => server?.stop());

  it('says who may ask, and of what', async () => {
    for (const path of ['', '/stats/overall', '/stats/retention', '/stats/user-agent', '/stats/timeseries/viewers']) {
      const of = (id: string, options?: Parameters<QueryServer['ask']>[1]): Promise<Loose> =>
        server.ask(`/api/v1/videos/${id}${path}`, options);
      assert.equal((await of(VIDEO, { key: null })).status, 401, path);
      assert.equal((await of(VIDEO, { key: null, headers: { authorization: 'Bearer nonsense' } })).status, 401, path);
      assert.equal((await of(VIDEO, { key: 'none' })).status, 403, path);
      assert.equal((await of(VIDEO, { key: 'other' })).status, 404, `another site's video, ${path}`);
      for (const id of ['theirs', '7', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '%00'])
        assert.equal((await of(id)).status, 404, `${id}${path}`);
      assert.equal((await of(VIDEO, { method: 'POST' })).status, 405, path);
    }
    const { headers, body: problem } = await stats('overall', 'nobody');
    assert.match(headers.get('content-type'), /^application\/problem\+json/);
    assert.equal(problem.status, 404);
    assert.equal(typeof problem.detail, 'string');
  });

  it('knows a video by UUID, short UUID and by the number its site has pinned, never by one that a player claims', async () => {
    await write();
    const wanted = {
      id: 42,
      uuid: VIDEO,
      shortUUID: shortUuidOf(VIDEO),
      name: 'First',
      duration: 100,
      isLive: false,
      views: 0,
      viewers: 0,
    };
    for (const id of [VIDEO, VIDEO.toUpperCase(), shortUuidOf(VIDEO), '42'])
      assert.deepEqual((await server.ask(`/api/v1/videos/${id}`)).body, wanted, id);
    assert.equal((await server.ask('/api/v1/videos/43')).status, 404);
    assert.equal((await server.ask(`/api/v1/videos/${OTHER_VIDEO}`)).body.id, null);
  });

  it('answers nobody with zeros', async () => {
    await write();
    assert.deepEqual(await body('overall'), {
      averageWatchTime: 0,
      totalWatchTime: 0,
      totalViewers: 0,
      viewersPeak: 0,
      viewersPeakDate: null,
      countries: [],
      subdivisions: [],
    });
    assert.deepEqual(await body('user-agent'), { clients: [], devices: [], operatingSystems: [] });
    const { data } = await body('retention');
    assert.equal(data.length, 101);
    assert.ok(data.every((point: Loose) => point.retentionPercent === 0));
    assert.ok((await body('timeseries/viewers')).data.every((point: Loose) => point.value === 0));
  });

  it('refuses wrong parameters and names them', async () => {
    const refused = async (path: string, video = VIDEO): Promise<number> => (await stats(path, video)).status;
    for (const path of [
      'overall?startDate=yesterday',
      'overall?endDate=2026-02-30',
      'overall?startDate=2026-02-03&startDate=2026-02-04',
      'overall?startDate=2026-02-04&endDate=2026-02-03',
      'timeseries/viewers?startDate=2026-02-03',
      'timeseries/viewers?endDate=2026-02-03',
      'timeseries/viewers?startDate=2016-02-03&endDate=2026-02-03',
      'timeseries/likes',
    ])
      assert.equal(await refused(path), 400, path);
    assert.equal(await refused('retention', LIVE_VIDEO), 400);
    assert.equal(await refused('timeseries/viewers?startDate=2016-02-06&endDate=2026-02-03'), 200);
  });

  it('counts viewers that overlap the window, and the time of those within it', async () => {
    await write(
      { session: 'before', startAt: T0 - 2 * HOUR, endAt: T0 - HOUR, stretches: [[0, 50]] },
      { session: 'across', startAt: T0 - HOUR, endAt: T0 + MINUTE, stretches: [[0, 40]] },
      { session: 'within', startAt: T0 + MINUTE, endAt: T0 + 2 * MINUTE, stretches: [[0, 30]] },
      {
        session: 'twice',
        startAt: T0 + 2 * MINUTE,
        endAt: T0 + HOUR,
        stretches: [
          [0, 10],
          [0, 11],
        ],
      },
      { session: 'late', startAt: T0 + HOUR, endAt: T0 + 2 * HOUR, stretches: [[0, 60]] },
      { session: 'after', startAt: T0 + 3 * HOUR, endAt: T0 + 4 * HOUR, stretches: [[0, 70]] },
      { session: 'single', startAt: T0 + MINUTE, endAt: T0 + MINUTE, stretches: [] },
      { session: 'elsewhere', startAt: T0 + MINUTE, endAt: T0 + 2 * MINUTE, stretches: [[0, 90]], video: OTHER_VIDEO },
    );
    const from = new Date(T0).toISOString();
    const to = new Date(T0 + HOUR).toISOString();
    const figures = async (query: string): Promise<number[]> => {
      const { totalViewers, totalWatchTime, averageWatchTime } = await body(`overall${query}`);
      return [totalViewers, totalWatchTime, averageWatchTime];
    };
    assert.deepEqual(await figures(''), [6, 271, 45]);
    assert.deepEqual(await figures(`?startDate=${from}&endDate=${to}`), [4, 51, 26]);
    assert.deepEqual(await figures(`?startDate=${from}`), [5, 181, 45]);
    assert.deepEqual(await figures(`?endDate=${to}`), [5, 141, 35]);
  });

  it('Differs: the peak counts viewers of this video only, those present at the start date included', async () => {
    const at = (minutes: number): number => T0 + minutes * MINUTE;
    const viewer = (session: string, from: number, to: number, video = VIDEO): Viewer => ({
      session,
      startAt: at(from),
      endAt: at(to),
      stretches: [[0, 10]],
      video,
    });
    await write(
      viewer('a', -10, 5),
      viewer('b', -5, 2),
      viewer('c', 1, 4),
      viewer('d', 2, 3),
      viewer('e', 10, 12),
      viewer('f', 12, 14),
      ...Array.from({ length: 5 }, (_, i) => viewer(`x${i}`, -10, 60, OTHER_VIDEO)),
    );
    const peak = async (from?: number, to?: number): Promise<[number, string | null]> => {
      const dates = [
        from === undefined ? '' : `startDate=${new Date(at(from)).toISOString()}`,
        to === undefined ? '' : `endDate=${new Date(at(to)).toISOString()}`,
      ];
      const { viewersPeak, viewersPeakDate } = await body(`overall?${dates.filter(Boolean).join('&')}`);
      return [viewersPeak, viewersPeakDate];
    };
    const iso = (minutes: number): string => new Date(at(minutes)).toISOString();
    assert.deepEqual(await peak(), [3, iso(1)], 'one leaves as another comes: still three, not four');
    assert.deepEqual(await peak(0, 6), [3, iso(1)], 'a and b were there already');
    assert.deepEqual(await peak(4.5, 6), [1, iso(4.5)], 'there when the window opens, nobody comes');
    assert.deepEqual(await peak(11, 13), [1, iso(11)]);
    assert.deepEqual(await peak(20, 30), [0, null]);
    assert.deepEqual(await peak(undefined, 0), [2, iso(-5)]);
  });

  it('counts a viewer that came back after its idle gap as another one, and late parts of other doors as the same', async () => {
    const played: Viewer[] = [
      { session: 'p', startAt: T0, endAt: T0 + MINUTE, stretches: [[0, 60]] },
      { session: 'p', part: 1, sessionStartAt: T0, startAt: T0 + 3 * HOUR, endAt: T0 + 3 * HOUR + MINUTE, stretches: [[0, 20]] },
      { session: 'n', startAt: T0, endAt: T0 + MINUTE, stretches: [[0, 60]], context: { protocol: 'native', country: 'NL' } },
      {
        session: 'n',
        part: 1,
        sessionStartAt: T0,
        startAt: T0,
        endAt: T0 + 2 * MINUTE,
        stretches: [[60, 70]],
        context: { protocol: 'native' },
      },
    ];
    for (const open of [false, true]) {
      await write(...played.map((viewer) => ({ ...viewer, open: open && viewer.part === 1 })));
      const { totalViewers, totalWatchTime, viewersPeak, countries } = await body('overall');
      assert.deepEqual([totalViewers, totalWatchTime, viewersPeak], [3, 150, 2], `open: ${open}`);
      assert.deepEqual(countries, [{ isoCode: 'NL', viewers: 1 }]);
      const after = new Date(T0 + 2 * HOUR).toISOString();
      assert.deepEqual((await body(`overall?startDate=${after}`)).totalViewers, 1, 'the one who came back');
      const { data } = await body('retention');
      assert.deepEqual(
        [data[0], data[20], data[21], data[70], data[71]].map((point: Loose) => Math.round(point.retentionPercent)),
        [100, 100, 67, 33, 0],
      );
    }
  });

  it('Differs: open viewers count at once', async () => {
    await write({ session: 'now', startAt: NOW - MINUTE, endAt: NOW - 5_000, stretches: [[0, 55]], open: true });
    const { totalViewers, totalWatchTime } = await body('overall');
    assert.deepEqual([totalViewers, totalWatchTime], [1, 55]);
    assert.equal((await body('timeseries/viewers')).data.at(-1).value, 0, 'it ended in the hour before');
    const { views, viewers } = (await server.ask(`/api/v1/videos/${VIDEO}`)).body;
    assert.deepEqual([views, viewers], [1, 1]);
  });

  it('lists countries, subdivisions and what people watch with, most viewers first, unknown left out', async () => {
    const of = (session: string, context: Viewer['context']): Viewer => ({
      session,
      startAt: T0,
      endAt: T0 + MINUTE,
      stretches: [[0, 9]],
      ...(context === undefined ? {} : { context }),
    });
    await write(
      of('a', { country: 'FR', region: 'FR-BRE', browser: 'Firefox', device: 'tv', platform: 'Linux' }),
      of('b', { country: 'NL', browser: 'Firefox', device: 'desktop', platform: 'macOS' }),
      of('c', { country: 'NL', browser: 'Chrome', device: 'desktop' }),
      of('d', {}),
    );
    const { countries, subdivisions } = await body('overall');
    assert.deepEqual(countries, [
      { isoCode: 'NL', viewers: 2 },
      { isoCode: 'FR', viewers: 1 },
    ]);
    assert.deepEqual(subdivisions, [{ name: 'FR-BRE', viewers: 1 }], 'a code while no name is known');
    await server.sql(`INSERT INTO region_names (region, name) VALUES ('FR-BRE', 'Brittany')`, []);
    assert.deepEqual((await body('overall')).subdivisions, [{ name: 'Brittany', viewers: 1 }]);
    assert.deepEqual(await body('user-agent'), {
      clients: [
        { name: 'Firefox', viewers: 2 },
        { name: 'Chrome', viewers: 1 },
      ],
      devices: [
        { name: 'desktop', viewers: 2 },
        { name: 'smarttv', viewers: 1 },
      ],
      operatingSystems: [
        { name: 'Linux', viewers: 1 },
        { name: 'macOS', viewers: 1 },
      ],
    });
    const later = new Date(T0 + HOUR).toISOString();
    assert.deepEqual((await body(`user-agent?startDate=${later}`)).clients, []);
  });

  it('Differs: a boundary instant falls into one interval of watch time, not two', async () => {
    const at = Date.parse('2026-02-03T12:00:00Z');
    await write({ session: 'a', startAt: at - MINUTE, endAt: at, stretches: [[0, 60]] });
    const window = '?startDate=2026-02-03T11:00:00Z&endDate=2026-02-04T11:00:00Z';
    const watched = await body(`timeseries/aggregateWatchTime${window}`);
    assert.equal(watched.groupInterval, '1 hour');
    assert.equal(watched.data.length, 25);
    assert.deepEqual(watched.data.slice(0, 3), [
      { date: '2026-02-03T11:00:00.000Z', value: 0 },
      { date: '2026-02-03T12:00:00.000Z', value: 60 },
      { date: '2026-02-03T13:00:00.000Z', value: 0 },
    ]);
    const { data } = await body(`timeseries/viewers${window}`);
    assert.deepEqual(
      data.slice(0, 3).map((point: Loose) => point.value),
      [1, 1, 0],
      'it touches both',
    );
  });

  it('Differs: days are those of the site', async () => {
    const startAt = Date.parse('2026-02-10T23:30:00Z');
    await write({ session: 'a', startAt, endAt: startAt + MINUTE, stretches: [[0, 60]] });
    await server.sql(`UPDATE sites SET timezone = 'Europe/Amsterdam' WHERE site = $1`, [SEED_SITE]);
    const { data, groupInterval } = await body('timeseries/viewers?startDate=2026-02-01&endDate=2026-02-20');
    await server.sql(`UPDATE sites SET timezone = 'UTC' WHERE site = $1`, [SEED_SITE]);
    assert.equal(groupInterval, '1 day');
    assert.deepEqual(
      data.filter((point: Loose) => point.value > 0),
      [{ date: '2026-02-10T23:00:00.000Z', value: 1 }],
    );
  });

  it('gives downloads as they are reported, else none', async () => {
    await write();
    const window = '?startDate=2026-02-03T10:00:00Z&endDate=2026-02-03T11:00:00Z';
    assert.ok((await body(`timeseries/downloads${window}`)).data.every((point: Loose) => point.value === 0));
    const event = { site: SEED_SITE, session: 'd', video: VIDEO, at: T0 + 90_000, name: 'download', positionMs: -1, data: '{}', seq: -1 };
    await writeParts(server.connection, [], {
      after: 1_000,
      custom: [event, { ...event, video: OTHER_VIDEO }, { ...event, name: 'share' }],
    });
    const { data } = await body(`timeseries/downloads${window}`);
    assert.deepEqual(
      data.filter((point: Loose) => point.value > 0),
      [{ date: '2026-02-03T10:01:00.000Z', value: 1 }],
    );
  });

  it('counts views by the rule: ten seconds, once an hour and session, and anew for each hour watched on', async () => {
    const long: Stretch[] = [
      [0, 100, T0],
      [0, 100, T0 + HOUR],
    ];
    await write(
      { session: 'short', startAt: T0, endAt: T0 + MINUTE, stretches: [[0, 9]] },
      {
        session: 'enough',
        startAt: T0,
        endAt: T0 + MINUTE,
        stretches: [
          [0, 5],
          [50, 55],
        ],
      },
      { session: 'back', startAt: T0, endAt: T0 + MINUTE, stretches: [[0, 50]] },
      {
        session: 'back',
        part: 1,
        sessionStartAt: T0,
        startAt: T0 + 3 * HOUR,
        endAt: T0 + 4 * HOUR - 1,
        stretches: [[0, 100, T0 + 3 * HOUR]],
      },
      { session: 'long', startAt: T0, endAt: T0 + 2 * HOUR, stretches: long },
      { session: 'open', startAt: NOW - HOUR, endAt: NOW - 5_000, stretches: [[0, 50]], open: true },
    );
    assert.equal((await server.ask(`/api/v1/videos/${VIDEO}`)).body.views, 1 + 2 + 2 + 1);
  });

  it('Differs: the counter of views stays when sessions are deleted by retention', async () => {
    const views = async (): Promise<number> => (await server.ask(`/api/v1/videos/${VIDEO}`)).body.views;
    const day = 24 * HOUR;
    await write(
      { session: 'old', startAt: T0 - 400 * day, endAt: T0 - 400 * day + MINUTE, stretches: [[0, 50]] },
      {
        session: 'old and long',
        startAt: T0 - 399 * day,
        endAt: T0 - 399 * day + 2 * HOUR,
        stretches: [
          [0, 100, T0 - 399 * day],
          [0, 100, T0 - 399 * day + HOUR],
        ],
      },
      { session: 'too short', startAt: T0 - 398 * day, endAt: T0 - 398 * day + MINUTE, stretches: [[0, 5]] },
      { session: 'new', startAt: T0, endAt: T0 + MINUTE, stretches: [[0, 50]] },
      { session: 'open', startAt: NOW - HOUR, endAt: NOW - 5_000, stretches: [[0, 50]], open: true },
    );
    assert.equal(await views(), 1 + 2 + 0 + 1 + 1);
    for (const before of [T0 - 399.5 * day, T0 - day, NOW]) {
      const at = new Date(before).toISOString();
      for (const table of ['sessions', 'watch_sections']) await server.sql(`DELETE FROM ${table} WHERE started_at < $1`, [at]);
      assert.equal(await views(), 5, `after everything before ${at} was deleted`);
    }
    assert.equal((await body('overall')).totalViewers, 1, 'statistics go with their sessions');
  });

  it('counts as viewers of now whoever was heard of in the last two minutes', async () => {
    const open = (session: string, agoMs: number): Viewer => ({
      session,
      startAt: NOW - HOUR,
      endAt: NOW - agoMs,
      stretches: [[0, 50]],
      open: true,
    });
    await write(open('a', 1_000), open('b', 119_000), open('c', 121_000));
    assert.equal((await server.ask(`/api/v1/videos/${VIDEO}`)).body.viewers, 2);
  });

  it('counts views and viewers of now by other times where they are set, down to a second', async () => {
    const second = await startQueryServer({
      clock: { now: () => NOW },
      env: { PLAYHEAD_PEERTUBE_VIEW_AFTER_MS: '1000', PLAYHEAD_PEERTUBE_VIEW_EXPIRATION_MS: '2000', PLAYHEAD_PEERTUBE_LIVE_MS: '3000' },
    });
    try {
      await second.sql(`INSERT INTO videos (site, id, duration_ms, first_seen_at, last_seen_at) VALUES ($1, $2, 100000, now(), now())`, [
        SEED_SITE,
        VIDEO,
      ]);
      await second.sql(`INSERT INTO live_viewers (partition, site, video, viewers) VALUES (0, $1, $2, 5)`, [SEED_SITE, VIDEO]);
      const startAt = NOW - 10_000;
      await writeParts(
        second.connection,
        [
          { session: 'here', startAt, endAt: NOW - 2_900, stretches: [[0, 7]], open: true } as const,
          { session: 'gone', startAt, endAt: NOW - 3_100, stretches: [[0, 1]], open: true } as const,
        ].map(seed),
      );
      const { views, viewers } = (await second.ask(`/api/v1/videos/${VIDEO}`)).body;
      assert.deepEqual(
        [views, viewers],
        [4 + 1, 1],
        'after 1, 3, 5 and 7 s; five of the last two minutes are not of the last three seconds',
      );
    } finally {
      await second.stop();
    }
  });

  it('gives what counting viewer by viewer gives', async () => {
    const SECONDS = 1000;
    const viewers: fc.Arbitrary<Viewer[]> = fc
      .array(
        fc.record({
          startS: fc.integer({ min: 0, max: 7_200 }),
          lengthS: fc.integer({ min: 1, max: 3_000 }),
          stretches: fc.array(fc.tuple(fc.integer({ min: 0, max: 99 }), fc.integer({ min: 1, max: 40 })), { maxLength: 4 }),
          open: fc.boolean(),
          country: fc.constantFrom('', 'NL', 'FR'),
        }),
        { minLength: 1, maxLength: 40 },
      )
      .map((list) =>
        list.map(({ startS, lengthS, stretches, open, country }, i) => ({
          session: `s${i}`,
          startAt: T0 + startS * SECONDS,
          endAt: T0 + (startS + lengthS) * SECONDS,
          stretches: stretches.map(([from, length]) => [from, Math.min(100, from + length)] as const),
          open,
          context: { country },
        })),
      );
    const windows = fc.tuple(fc.integer({ min: -600, max: 9_000 }), fc.integer({ min: 1, max: 9_000 }));
    await fc.assert(
      fc.asyncProperty(viewers, windows, async (list, [fromS, spanS]) => {
        await write(...list);
        const [from, to] = [T0 + fromS * SECONDS, T0 + (fromS + spanS) * SECONDS];
        const dates = `startDate=${new Date(from).toISOString()}&endDate=${new Date(to).toISOString()}`;
        const watching = list.filter(({ stretches }) => stretches.length > 0);
        const [all, series, watch, retention] = await Promise.all(
          ['overall', 'timeseries/viewers', 'timeseries/aggregateWatchTime', 'retention'].map((path) => body(`${path}?${dates}`)),
        );
        expectOverall(all, watching, from, to);
        expectSeries(series.data, watch.data, watching, to);
        for (const { second, retentionPercent } of retention.data) {
          const there = watching.filter(({ stretches }) => stretches.some(([a, b]) => a <= second && second <= b)).length;
          assert.ok(Math.abs(retentionPercent - (watching.length === 0 ? 0 : (100 * there) / watching.length)) < 1e-9, `at ${second}`);
        }
      }),
      { numRuns: 25 },
    );
  });
});

const watchS = ({ stretches }: Viewer): number => stretches.reduce((sum, [from, to]) => sum + to - from, 0);

function expectOverall(actual: Loose, viewers: readonly Viewer[], from: number, to: number): void {
  const within = viewers.filter(({ startAt, endAt }) => startAt >= from && endAt <= to);
  const overlapping = viewers.filter(({ startAt, endAt }) => endAt >= from && startAt <= to);
  const total = within.reduce((sum, viewer) => sum + watchS(viewer), 0);
  assert.equal(actual.totalViewers, overlapping.length);
  assert.equal(actual.totalWatchTime, total);
  assert.equal(actual.averageWatchTime, within.length === 0 ? 0 : Math.round(total / within.length));
  const instants = [from, ...viewers.flatMap(({ startAt, endAt }) => [startAt, endAt])]
    .filter((at) => at >= from && at <= to)
    .sort((a, b) => a - b);
  const present = (at: number): number => viewers.filter(({ startAt, endAt }) => startAt <= at && at < endAt).length;
  const peak = Math.max(0, ...instants.map(present));
  assert.equal(actual.viewersPeak, peak);
  const first = instants.find((at) => present(at) === peak) as number;
  assert.equal(actual.viewersPeakDate, peak === 0 ? null : new Date(first).toISOString());
  const ofCountry = (code: string): number => overlapping.filter(({ context }) => context?.country === code).length;
  for (const { isoCode, viewers: count } of actual.countries) assert.equal(count, ofCountry(isoCode));
}

function expectSeries(viewers: Loose[], watch: Loose[], all: readonly Viewer[], to: number): void {
  const starts = viewers.map((point) => Date.parse(point.date));
  const step = starts.length > 1 ? (starts[1] as number) - (starts[0] as number) : MINUTE;
  for (const [i, start] of starts.entries()) {
    const touching = all.filter(({ startAt, endAt }) => startAt <= to && startAt < start + step && endAt >= start).length;
    assert.equal(viewers[i].value, touching, `viewers at ${viewers[i].date}`);
    const ending = all.filter(({ endAt }) => endAt >= start && endAt < start + step && endAt <= to);
    assert.equal(
      watch[i].value,
      ending.reduce((sum, viewer) => sum + watchS(viewer), 0),
      `watch time at ${watch[i].date}`,
    );
  }
}
