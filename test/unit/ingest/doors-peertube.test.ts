// PeerTube's door on a whole gateway with an in-process log: answers, what enters the log, and what is known of videos.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { selectVideos } from '../../../ingest/videos.ts';
import type { Beacon } from '../../../schemas/beacon.ts';
import { shortUuidOf } from '../../../schemas/peertube-ids.ts';
import { PLAIN_KEY, startTestGateway, type TestGateway, until } from '../../support/gateway.ts';

const VIDEO = '9c9de5e8-0a1e-484a-b099-e80766180a6d';
const NEW_VIDEO = '11111111-2222-3333-4444-555555555555';
type Known = { id: string; duration_ms: number | null; live: boolean | null };

describe('PeerTube: the door', () => {
  let gateway: TestGateway;
  const known = new Map<string, Known>([
    [VIDEO, { id: VIDEO, duration_ms: 60_000, live: false }],
    ['42', { id: VIDEO, duration_ms: 60_000, live: false }],
    ['lecture', { id: 'lecture', duration_ms: 10_000, live: null }],
    ['00000000-0000-0000-0000-00000000000f', { id: '00000000-0000-0000-0000-00000000000f', duration_ms: null, live: true }],
  ]);
  let fails = false;
  const STRICT = { ...PLAIN_KEY, write_key: 'pk_strict', site: 'strict' };
  const CREDIT = { ...PLAIN_KEY, write_key: 'pk_credit', site: 'credit' };
  const LISTED = { ...PLAIN_KEY, write_key: 'pk_listed', site: 'listed', origins: ['https://tube.example'] };

  before(async () => {
    gateway = await startTestGateway({
      env: { PLAYHEAD_PEERTUBE_VIDEOS_REFRESH_MS: '200', PLAYHEAD_PEERTUBE_METRIC_VIDEOS_MAX: '1' },
      keys: [PLAIN_KEY, STRICT, CREDIT, LISTED],
      siteDoors: [
        { site: 'strict', protocol: 'peertube', settings: { createVideos: false, trustSessionId: false } },
        { site: 'credit', protocol: 'peertube', settings: { jumps: 'credit' } },
      ],
      otherRows: (statement, params) => {
        if (statement !== selectVideos.name) return undefined;
        if (fails) throw new Error('the database is away');
        const [sites, ids] = params as [string[], string[]];
        return ids.flatMap((id, i) => {
          const row = known.get(id);
          return row === undefined ? [] : [{ site: sites[i], asked: id, ...row }];
        });
      },
    });
    await until(async () => (await post(VIDEO, { currentTime: 0 }, { key: 'pk_strict' })).status === 204);
  });
  after(() => gateway?.stop());

  type Options = { key?: string; method?: string; path?: string; headers?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: problems are compared field by field
  async function post(id: string, body: unknown, options: Options = {}): Promise<{ status: number; headers: Headers; problem: any }> {
    const { key = 'pk_demo', method = 'POST', path = 'views', headers = {} } = options;
    const response = await fetch(`${gateway.url}${key === '' ? '' : `/k/${key}`}/api/v1/videos/${id}/${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(method === 'GET' ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, problem: text === '' ? undefined : JSON.parse(text) };
  }
  const beaconsOf = (session: string): Beacon[] => gateway.beacons().filter((beacon) => beacon.session === session);

  it('takes beats at both paths, by POST and PUT, and answers 204 without a body', async () => {
    for (const [i, [method, path]] of (['POST', 'PUT'] as const)
      .flatMap((m) => ['views', 'watching'].map((p) => [m, p] as const))
      .entries()) {
      const { status, problem } = await post(VIDEO, { currentTime: i, sessionId: 'paths' }, { method, path });
      assert.deepEqual([status, problem], [204, undefined], `${method} ${path}`);
    }
    assert.equal(beaconsOf('paths').length, 4);
  });

  it('knows a video under its UUID, short UUID and number', async () => {
    for (const id of [VIDEO, VIDEO.toUpperCase(), shortUuidOf(VIDEO) as string, '42'])
      assert.equal((await post(id, { currentTime: 1, sessionId: 'forms' })).status, 204, id);
    assert.deepEqual([...new Set(beaconsOf('forms').map(({ video }) => video))], [VIDEO]);
    assert.equal((await post('lecture', { currentTime: 1, sessionId: 'forms' })).status, 204, 'an id that the site knows');
  });

  it('says what it knows of the video and what the player says of itself', async () => {
    await post(VIDEO, { currentTime: 2, sessionId: 'about', client: 'Mobile Safari', operatingSystem: 'Mac OS', device: 'smarttv' });
    const [beacon] = beaconsOf('about');
    const { durationMs, live, browser, platform, device } = beacon?.context ?? {};
    assert.deepEqual([durationMs, live, browser, platform, device], [60_000, 0, 'Safari', 'macOS', 'tv']);
    assert.deepEqual([beacon?.protocol, beacon?.baseAt, beacon?.sentAt], ['peertube', -1, -1]);
  });

  it('refuses what a PeerTube server refuses, as a problem, and takes what comes beside it', async () => {
    const cases: [string, unknown, number, string][] = [
      [VIDEO, {}, 400, '/currentTime'],
      [VIDEO, { currentTime: 61 }, 400, '/currentTime'],
      [VIDEO, { currentTime: 'x' }, 400, '/currentTime'],
      [VIDEO, { currentTime: 1, viewEvent: 'stop' }, 400, '/viewEvent'],
      [VIDEO, { currentTime: 1, sessionId: 'a_b' }, 400, '/sessionId'],
      [VIDEO, { currentTime: 1, client: '' }, 400, '/client'],
      [VIDEO, [], 400, ''],
      [VIDEO, '{', 400, ''],
      [VIDEO, '', 400, ''],
      ['no-such-video', { currentTime: 1 }, 404, ''],
      ['%E0%A4%A', { currentTime: 1 }, 404, ''],
    ];
    for (const [i, [id, body, status, pointer]] of cases.entries()) {
      const [wrong, right] = await Promise.all([post(id, body), post(VIDEO, { currentTime: 3, sessionId: `beside-${i}` })]);
      assert.equal(wrong.status, status, JSON.stringify(body));
      assert.match(wrong.headers.get('content-type') ?? '', /^application\/problem\+json/);
      assert.equal(wrong.problem.status, status);
      assert.equal(typeof wrong.problem.detail, 'string');
      if (pointer !== '') assert.equal(wrong.problem.errors[0].pointer, pointer);
      assert.equal(right.status, 204);
      assert.equal(beaconsOf(`beside-${i}`).length, 1);
    }
    assert.equal((await post(VIDEO, {}, { method: 'GET' })).status, 405);
    assert.equal((await post(VIDEO, {}, { method: 'DELETE' })).status, 405);
  });

  it('refuses requests of which nobody knows the site, and ignores a token that is none of ours', async () => {
    assert.equal((await post(VIDEO, { currentTime: 1 }, { key: '' })).status, 401);
    assert.equal((await post(VIDEO, { currentTime: 1 }, { key: 'pk_wrong' })).status, 401);
    const headers = { authorization: 'Bearer some-oauth-token' };
    assert.equal((await post(VIDEO, { currentTime: 1, sessionId: 'oauth' }, { headers })).status, 204);
    assert.equal(beaconsOf('oauth')[0]?.site, 'demo');
    const foreign = { origin: 'https://elsewhere.example' };
    const refused = await post(VIDEO, { currentTime: 1 }, { key: 'pk_listed', headers: foreign });
    assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [401, null]);
    assert.equal((await post(VIDEO, { currentTime: 1 }, { key: 'pk_listed', headers: { origin: 'https://tube.example' } })).status, 204);
  });

  it('lets pages of any origin send beats, preflight included', async () => {
    const origin = 'https://embeds.example';
    const preflight = await fetch(`${gateway.url}/k/pk_demo/api/v1/videos/${VIDEO}/views`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type,authorization' },
    });
    const of = (headers: Headers, ...names: string[]): (string | null)[] =>
      names.map((name) => headers.get(`access-control-allow-${name}`));
    assert.equal(preflight.status, 204);
    assert.deepEqual(of(preflight.headers, 'origin', 'credentials', 'headers', 'methods'), [
      origin,
      'true',
      'content-type,authorization',
      'GET, POST, PUT, OPTIONS',
    ]);
    const { status, headers } = await post(
      VIDEO,
      { currentTime: 1, sessionId: 'embed' },
      { headers: { origin, 'content-type': 'text/plain' } },
    );
    assert.deepEqual([status, ...of(headers, 'origin', 'credentials'), headers.get('vary')], [204, origin, 'true', 'Origin']);
  });

  it('lets a live video and one of unknown length go on for ever', async () => {
    assert.equal((await post('00000000-0000-0000-0000-00000000000f', { currentTime: 1e6 })).status, 204);
    assert.equal((await post(NEW_VIDEO, { currentTime: 1e6 })).status, 204);
    assert.equal((await post('7', { currentTime: 1e6, sessionId: 'number' })).status, 204);
    assert.equal(beaconsOf('number')[0]?.video, '7');
  });

  it('takes no unknown videos where the site wants none', async () => {
    const { status, problem } = await post(NEW_VIDEO, { currentTime: 1 }, { key: 'pk_strict' });
    assert.deepEqual([status, problem.status], [404, 404]);
    assert.equal((await post(VIDEO, { currentTime: 1 }, { key: 'pk_strict' })).status, 204);
  });

  it('hears of a change of a video within the interval', async () => {
    assert.equal((await post(VIDEO, { currentTime: 70 })).status, 400);
    known.set(VIDEO, { id: VIDEO, duration_ms: 80_000, live: false });
    await until(async () => (await post(VIDEO, { currentTime: 70 })).status === 204, 5_000);
    known.set(VIDEO, { id: VIDEO, duration_ms: 60_000, live: false });
    await until(async () => (await post(VIDEO, { currentTime: 70 })).status === 400, 5_000);
  });

  it('goes on with what it knew while the database is away', async () => {
    fails = true;
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal((await post(VIDEO, { currentTime: 70 })).status, 400);
    assert.equal((await post('22222222-2222-3333-4444-555555555555', { currentTime: 70 })).status, 204, 'created on sight');
    const never = await post('22222222-2222-3333-4444-555555555555', { currentTime: 70 }, { key: 'pk_strict' });
    assert.deepEqual([never.status, never.headers.get('retry-after')], [503, '2']);
    fails = false;
    await until(async () => (await post('33333333-2222-3333-4444-555555555555', { currentTime: 70 }, { key: 'pk_strict' })).status === 404);
  });

  it('tells viewers without a session id apart by network, browser and video, and keeps none of them', async () => {
    const send = (userAgent: string, id = VIDEO, body: object = { currentTime: 5 }, key = 'pk_demo'): Promise<unknown> =>
      post(id, body, { key, headers: { 'user-agent': userAgent } });
    const before = gateway.beacons().length;
    await send('Agent/1');
    await send('Agent/1');
    await send('Agent/2');
    await send('Agent/1', NEW_VIDEO);
    await send('Agent/1', VIDEO, { currentTime: 5, sessionId: 'mine' }, 'pk_strict');
    const beacons = gateway.beacons();
    assert.equal(beacons.length, before + 5);
    const made = beacons.filter(({ session, events }) => /^[A-Za-z0-9_-]{22}$/.test(session) && events[0]?.positionMs === 5_000);
    assert.equal(new Set(made.map(({ session }) => session)).size, 4);
    assert.equal(beaconsOf('mine').length, 0, 'the site does not trust the ids of players');
    assert.ok(!JSON.stringify(gateway.beacons()).includes('Agent/1'));
  });

  it('vouches for positions only where the site wants jumps counted', async () => {
    await post(VIDEO, { currentTime: 5, sessionId: 'vouched' }, { key: 'pk_credit' });
    await post(VIDEO, { currentTime: 5, sessionId: 'plain' });
    assert.deepEqual(
      ['vouched', 'plain'].map((id) => beaconsOf(id)[0]?.events[0]?.detail?.flag ?? -1),
      [1, -1],
    );
  });

  it('keeps playback reports as events, and shows them under the names of PeerTube', async () => {
    const report = {
      playerMode: 'web-video',
      resolution: 720,
      fps: 25,
      p2pEnabled: false,
      resolutionChanges: 1,
      errors: 2,
      bufferStalled: 3,
      downloadedBytesP2P: 10,
      downloadedBytesHTTP: 1_000,
      uploadedBytesP2P: 5,
      p2pPeers: 2,
      videoId: VIDEO,
    };
    const path = '/k/pk_demo/api/v1/metrics/playback';
    assert.equal((await gateway.post(report, { path })).status, 204);
    assert.equal((await gateway.post({ ...report, videoId: '42' }, { path })).status, 204);
    assert.equal((await gateway.post({ ...report, videoId: NEW_VIDEO, resolution: 721 }, { path })).status, 204);
    const refused = await gateway.post({ ...report, errors: -1 }, { path });
    assert.deepEqual([refused.status, refused.body.errors[0].pointer], [400, '/errors']);
    assert.equal((await gateway.post({ ...report, videoId: 'nothing' }, { path })).status, 404);
    const labels = { videoOrigin: 'local', videoUUID: VIDEO, resolution: '720', fps: '25', playerMode: 'web-video', p2pEnabled: 'false' };
    assert.equal(await gateway.metric('peertube_playback_http_downloaded_bytes', labels), 2_000);
    assert.equal(await gateway.metric('peertube_playback_errors_count', labels), 4);
    assert.equal(await gateway.metric('peertube_playback_buffer_stalled_count', labels), 6);
    assert.equal(await gateway.metric('peertube_playback_p2p_peers', labels), 2);
    const other = { videoUUID: 'other', resolution: 'other' };
    assert.equal(await gateway.metric('peertube_playback_p2p_uploaded_bytes', other), 5, 'one video has a label of its own');
    const events = gateway.beacons().flatMap(({ events: list, video }) => list.filter(({ type }) => type === 'custom').map(() => video));
    assert.deepEqual(events.sort(), [NEW_VIDEO, VIDEO, VIDEO].sort());
  });

  it('answers 503 when the log does not', async () => {
    const closed = await startTestGateway({ wrapWriter: (writer) => ({ ...writer, ready: () => false }) });
    const response = await fetch(`${closed.url}/k/pk_demo/api/v1/videos/${VIDEO}/views`, { method: 'POST', body: '{"currentTime":1}' });
    assert.deepEqual([response.status, response.headers.get('retry-after') !== null], [503, true]);
    await closed.stop();
  });
});
