// Sessions of PeerTube's door through our own API: what a player of that protocol can say, seen as every other door's viewing is seen. And the
// settings of surfaces on real servers: silence, linger and back-dating differ by door.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually, withDatabase } from '../support/audience-run.ts';
import { type MmdbValue, mmdbOf } from '../support/mmdb.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const HOUR = 3_600_000;

// biome-ignore lint/suspicious/noExplicitAny: answers are compared field by field
type Loose = any;

const uuidOf = (n: number): string => `00000000-0000-4000-9000-${String(n).padStart(12, '0')}`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const freshId = (): string => randomBytes(16).toString('hex');

describe('PeerTube sessions and the settings of surfaces', { timeout: 180_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'playhead-places-'));
  let system: TestSystem;

  const post = async (path: string, body: unknown, headers: Record<string, string> = {}): Promise<void> => {
    const response = await fetch(`${system.ingest}/k/${system.writeKey}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    assert.ok(response.ok, `${path}: ${response.status} ${await response.text()}`);
  };
  const beat = (video: string, body: object, headers?: Record<string, string>): Promise<void> =>
    post(`/api/v1/videos/${video}/views`, body, headers);
  const ask = async (path: string): Promise<Loose> => {
    const response = await fetch(`${system.query}${path}`, { headers: { authorization: `Bearer ${system.readKey}` } });
    const text = await response.text();
    assert.equal(response.status, 200, `${path}: ${text}`);
    return JSON.parse(text);
  };
  const sessionsOf = async (video: string): Promise<Loose[]> => (await ask(`/v1/sessions?video=${video}`)).data;
  const until = (what: string, done: () => Promise<boolean>): Promise<void> => eventually(done, async () => what, 30_000);

  before(async () => {
    const region = (code: string, iso: string, en: string): MmdbValue => ({
      country: { iso_code: code },
      subdivisions: [{ iso_code: iso, names: { en } }],
    });
    const places = { '192.0.2.0/24': region('FR', 'BRE', 'Brittany'), '198.51.100.0/24': region('NL', 'NH', 'North Holland') };
    await writeFile(join(directory, 'city.mmdb'), mmdbOf(places));
    system = await startSystem({
      partitions: 2,
      env: {
        ingest: { PLAYHEAD_TICK_INTERVAL_MS: '250', PLAYHEAD_TRUSTED_HOPS: '1', GEOIP_DB_PATH: join(directory, 'city.mmdb') },
        processor: {
          PLAYHEAD_PEERTUBE_IDLE_GAP_MS: '2000',
          PLAYHEAD_PEERTUBE_VIEW_AFTER_MS: '2000',
          PLAYHEAD_NATIVE_LINGER_MS: '0',
          PLAYHEAD_NATIVE_BACKDATE_MAX_MS: '60000',
        },
        'query-api': { PLAYHEAD_PEERTUBE_VIEW_AFTER_MS: '2000' },
      },
    });
  });
  after(async () => {
    await system?.stop();
    rmSync(directory, { recursive: true });
  });

  it('an abandoned session stops by itself after the idle gap of its surface, also one that had reached the end', async () => {
    const video = uuidOf(1);
    const [abandoned, ended, native] = [freshId(), freshId(), freshId()];
    await withDatabase(system.database, (client) =>
      client.query(
        `INSERT INTO videos (site, id, duration_ms, first_seen_at, last_seen_at, pinned) VALUES ($1, $2, 60000, now(), now(), '{duration_ms}')`,
        [system.site, video],
      ),
    );
    await beat(video, { currentTime: 0, sessionId: abandoned });
    await beat(video, { currentTime: 60, sessionId: ended });
    await post('/v1/beacons', {
      session: native,
      video: { id: video },
      events: [{ seq: 0, type: 'playing', at: Date.now(), positionMs: 0 }],
    });
    await until('two sealed sessions', async () => (await sessionsOf(video)).filter(({ state }) => state === 'sealed').length === 2);
    const sessions = await sessionsOf(video);
    assert.deepEqual(
      sessions.map(({ session, state, reason }) => [session, state, reason ?? null]).sort(),
      [
        [abandoned, 'sealed', 'idle'],
        [ended, 'sealed', 'ended'],
        [native, 'provisional', null],
      ].sort(),
    );
  });

  it('a surface lingers as its setting says: without a wait the session is over with its last word', async () => {
    const session = freshId();
    const at = Date.now();
    await post('/v1/beacons', {
      session,
      video: { id: 'lingers' },
      sentAt: at,
      events: [
        { seq: 0, type: 'playing', at: at - 1_000, positionMs: 0 },
        { seq: 1, type: 'leave', at, positionMs: 1_000 },
      ],
    });
    const sent = Date.now();
    await until('not sealed', async () => (await sessionsOf('lingers'))[0]?.state === 'sealed');
    assert.ok(Date.now() - sent < 10_000, 'the linger of all surfaces is 10 s');
    assert.equal((await sessionsOf('lingers'))[0].reason, 'leave');
  });

  it('an old client time is believed as far back as its surface says', async () => {
    const at = Date.now() - HOUR;
    await post('/v1/beacons', { session: freshId(), video: { id: 'back' }, events: [{ seq: 0, type: 'playing', at, positionMs: 0 }] });
    await post('/v1/events', {
      events: [{ name: 'play', timestamp: at, session_id: '0b0e8b8e-5a39-4c2c-9a39-0d3a4f4e9a55', embed_id: 'back', video_time: 0 }],
    });
    await until('two sessions', async () => (await sessionsOf('back')).length === 2);
    const ages = (await sessionsOf('back')).map(({ startedAt }) => Math.round((Date.now() - Date.parse(startedAt)) / HOUR));
    assert.deepEqual(ages.sort(), [0, 1], 'native: receipt, mave: an hour ago');
  });

  it('several videos in one session are one session with an entry each', async () => {
    const session = freshId();
    const [one, two] = [uuidOf(10), uuidOf(11)];
    for (const [video, currentTime] of [
      [one, 0],
      [two, 0],
      [one, 1],
      [two, 1],
    ] as const) {
      await beat(video, { currentTime, sessionId: session });
      await pause(300);
    }
    await until('both', async () => {
      const { data } = await ask(`/v1/sessions/${session}`);
      return data.length === 2 && data.every((each: Loose) => each.totalWatchMs === 1_000);
    });
    for (const video of [one, two]) {
      const { totalViewers, totalWatchTime } = await ask(`/api/v1/videos/${video}/stats/overall`);
      assert.deepEqual([totalViewers, totalWatchTime], [1, 1]);
    }
  });

  it('all events of a session are listed one by one, seeks by where they went', async () => {
    const session = freshId();
    const video = uuidOf(20);
    await beat(video, { currentTime: 0, sessionId: session });
    await pause(1_000);
    await beat(video, { currentTime: 1, sessionId: session });
    await beat(video, { currentTime: 40, viewEvent: 'seek', sessionId: session });
    await until('four events', async () => (await ask(`/v1/sessions/${session}`)).data[0]?.evidence.received === 4);
    const { data } = await ask(`/v1/sessions/${session}/events`);
    assert.deepEqual(
      data.map(({ type, positionMs, toMs }: Loose) => [type, positionMs ?? toMs]),
      [
        ['playing', 0],
        ['playing', 1_000],
        ['seek', 40_000],
        ['playing', 40_000],
      ],
    );
    assert.ok(data.every(({ receivedAt }: Loose) => Math.abs(Date.now() - Date.parse(receivedAt)) < 60_000));
  });

  it('views come by source and page, as the page that holds the player tells them', async () => {
    const video = uuidOf(30);
    const page = 'https://blog.example/post';
    await beat(video, { currentTime: 0, sessionId: freshId() }, { referer: `${page}?utm_source=news&utm_medium=mail&utm_campaign=may` });
    await beat(video, { currentTime: 0, sessionId: freshId() }, { referer: `${page}?utm_source=news&utm_medium=mail&utm_campaign=may` });
    await beat(video, { currentTime: 0, sessionId: freshId() }, { origin: 'https://shop.example' });
    await until('three plays', async () => (await ask(`/v1/plays?video=${video}`)).data.plays === 3);
    const { data } = await ask(`/v1/sources?video=${video}`);
    assert.deepEqual(
      data.map(({ source, medium, campaign, plays }: Loose) => [source, medium, campaign, plays]),
      [
        ['news', 'mail', 'may', 2],
        ['', '', '', 1],
      ],
    );
    const pages = (await ask(`/v1/plays?video=${video}&groupBy=page`)).data;
    assert.deepEqual(
      pages.map(({ value, plays }: Loose) => [value, plays]),
      [
        ['blog.example/post', 2],
        ['shop.example', 1],
      ],
    );
  });

  it('countries come by code and subdivisions by English name, as the mounted city database has them', async () => {
    const video = uuidOf(60);
    for (const address of ['192.0.2.1', '192.0.2.2', '198.51.100.1', '203.0.113.1']) {
      const sessionId = freshId();
      await beat(video, { currentTime: 0, sessionId }, { 'x-forwarded-for': address });
      await pause(500);
      await beat(video, { currentTime: 1, sessionId }, { 'x-forwarded-for': address });
    }
    const path = `/api/v1/videos/${video}/stats/overall`;
    await until('four viewers and two names', async () => {
      const { totalViewers, subdivisions } = await ask(path);
      return totalViewers === 4 && subdivisions.every(({ name }: Loose) => !name.includes('-'));
    });
    const { countries, subdivisions } = await ask(path);
    assert.deepEqual(countries, [
      { isoCode: 'FR', viewers: 2 },
      { isoCode: 'NL', viewers: 1 },
    ]);
    assert.deepEqual(subdivisions, [
      { name: 'Brittany', viewers: 2 },
      { name: 'North Holland', viewers: 1 },
    ]);
    const regions = (await ask(`/v1/plays?video=${video}&groupBy=region`)).data.map(({ value }: Loose) => value);
    assert.deepEqual(regions.sort(), ['', 'FR-BRE', 'NL-NH']);
  });

  it('sessions come in pages that hold each once', async () => {
    const video = uuidOf(40);
    const sessions = Array.from({ length: 7 }, freshId);
    for (const sessionId of sessions) await beat(video, { currentTime: 3, sessionId });
    await until('seven', async () => (await sessionsOf(video)).length === sessions.length);
    const seen: string[] = [];
    let pages = 0;
    for (let cursor = ''; ; pages++) {
      const answer = await ask(`/v1/sessions?video=${video}&limit=3${cursor}`);
      seen.push(...answer.data.map(({ session }: Loose) => session));
      if (answer.next == null) break;
      cursor = `&cursor=${encodeURIComponent(answer.next)}`;
    }
    assert.equal(pages + 1, 3);
    assert.deepEqual(seen.sort(), sessions.sort());
  });

  it('views are counted from as many seconds on as is set, the same while a session is open, sealed and deleted', async () => {
    const video = uuidOf(70);
    for (const [sessionId, seconds] of [
      [freshId(), 1],
      [freshId(), 2],
    ] as const) {
      await beat(video, { currentTime: 0, sessionId });
      await pause(seconds * 500);
      await beat(video, { currentTime: seconds, sessionId });
    }
    const views = async (): Promise<number> => (await ask(`/api/v1/videos/${video}`)).views;
    await until('one view', async () => (await views()) === 1);
    await until('both sealed', async () => (await sessionsOf(video)).filter(({ state }) => state === 'sealed').length === 2);
    assert.equal(await views(), 1);
    await withDatabase(system.database, (client) => client.query('DELETE FROM sessions WHERE video = $1', [video]));
    assert.deepEqual([await views(), (await sessionsOf(video)).length], [1, 0]);
  });

  it('a processor with another setting of a surface refuses what has to be folded again, one with the old setting goes on (D26)', async () => {
    const video = uuidOf(80);
    const sessionId = freshId();
    await beat(video, { currentTime: 0, sessionId });
    await until('one session', async () => (await sessionsOf(video)).length === 1);
    await system.kill('processor', 'SIGKILL');
    const other = system.start('processor', { env: { PLAYHEAD_PEERTUBE_IDLE_GAP_MS: '2001' } }).catch(() => {});
    await until('refused', async () => {
      const [instance] = system.instances('processor');
      const ready = await fetch(`${instance?.metrics}/readyz`).catch(() => undefined);
      return ready?.status === 503 && (await ready.text()).includes('fold_settings');
    });
    await system.kill('processor', 'SIGKILL');
    await other;
    await beat(video, { currentTime: 1, sessionId });
    await system.start('processor');
    await until('the second beat', async () => (await ask(`/v1/sessions/${sessionId}`)).data[0]?.evidence.received === 2);
  });

  it('what interrupted a video is what players report of themselves', async () => {
    const video = uuidOf(50);
    const report = { playerMode: 'web-video', resolution: 720, p2pEnabled: false, resolutionChanges: 2, errors: 0, videoId: video };
    const bytes = { downloadedBytesP2P: 0, downloadedBytesHTTP: 10, uploadedBytesP2P: 0 };
    for (const bufferStalled of [2, 0, 3]) await post('/api/v1/metrics/playback', { ...report, ...bytes, bufferStalled });
    await until('five stalls', async () => (await ask(`/v1/quality?video=${video}`)).reported.stalls === 5);
    const { reported, data } = await ask(`/v1/quality?video=${video}`);
    assert.deepEqual(
      [reported.stalls, reported.resolutionChanges, data.plays, data.stalls],
      [5, 6, 0, 0],
      'told apart from what we measured',
    );
  });
});
