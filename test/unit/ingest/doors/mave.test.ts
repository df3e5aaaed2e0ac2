// mave's door over real HTTP on an in-process log: its answers, whose the events are, and that nothing is refused that would be sent for ever.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { PLAIN_KEY, startTestGateway, type TestGateway, until } from '../../../support/gateway.ts';

const SESSION = '7f3c0a52-0d6c-4b7e-9d0a-0a4c3b2d1e0f';

describe('POST /v1/events (mave)', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({
      keys: [PLAIN_KEY, { ...PLAIN_KEY, write_key: 'pk_slow', site: 'slow', requests_per_second: 1 }],
      aliases: [
        { protocol: 'mave', foreign_id: 'abcde', site: 'videos', settings: {}, viewer_keys: false },
        { protocol: 'mave', foreign_id: 'lists', site: 'listed', settings: { origins: ['https://ok.example'] }, viewer_keys: false },
      ],
    });
  });
  after(() => gateway.stop());
  const event = (changes: Record<string, unknown> = {}) => ({
    name: 'play',
    timestamp: Date.now(),
    session_id: SESSION,
    duration: 120.5,
    video_time: 0,
    embed_id: 'abcde0123456789',
    ...changes,
  });
  const send = (body: unknown, path = '/v1/events', headers: Record<string, string> = { 'content-type': 'application/json' }) =>
    gateway.post(body, { path, headers });

  it('answers 202 with nothing in it, once it is in the log', async () => {
    for (const path of ['/v1/events', '/api/v1/events', '/k/pk_demo/v1/events']) {
      const before = gateway.records();
      const answer = await send({ events: [event(), event({ name: 'pause', video_time: 1 })] }, path);
      assert.deepEqual([answer.status, answer.body, answer.headers.get('content-length')], [202, undefined, '0']);
      assert.equal(gateway.records(), before + 1);
      const site = path.startsWith('/k/') ? 'demo' : 'videos';
      assert.ok(gateway.beacons().some((beacon) => beacon.site === site));
    }
    assert.equal((await send({ events: [] })).status, 202);
  });

  it("differs: the peer's 202 comes before anything is stored; here once the log has it, and not at all if it has not", async () => {
    let acknowledge = (): void => {};
    const acknowledged = new Promise<void>((resolve) => {
      acknowledge = resolve;
    });
    const slow = await startTestGateway({
      wrapWriter: (writer) => ({
        ...writer,
        append: async (records) => {
          const results = await writer.append(records);
          await acknowledged;
          return results;
        },
      }),
    });
    try {
      let status = 0;
      const answer = slow.post({ events: [event()] }, { path: '/k/pk_demo/v1/events' }).then((reply) => {
        status = reply.status;
      });
      await until(async () => slow.records() === 1);
      await sleep(50);
      assert.equal(status, 0, 'no answer yet');
      acknowledge();
      await answer;
      assert.equal(status, 202);
    } finally {
      acknowledge();
      await slow.stop();
    }
  });

  it('asks for no content type, inflates what is compressed, and neither sets nor reads cookies', async () => {
    const session_id = SESSION.replace('7', 'a');
    const body = JSON.stringify({ events: [event({ session_id })] });
    const sent: [string | Uint8Array, Record<string, string>][] = [
      [body, { 'content-type': 'application/json', cookie: 'a=b' }],
      [body, { 'content-type': 'text/plain;charset=UTF-8' }],
      [new TextEncoder().encode(body), {}],
      [gzipSync(body), { 'content-encoding': 'gzip' }],
      [gzipSync(body), { 'content-type': 'application/octet-stream' }],
    ];
    const before = gateway.records();
    for (const [given, headers] of sent) {
      const answer = await send(given, '/v1/events', headers);
      assert.deepEqual([answer.status, answer.headers.get('set-cookie')], [202, null], JSON.stringify(headers));
    }
    assert.equal(gateway.records(), before + sent.length);
    const broken = await send(gzipSync(body).subarray(0, 20), '/v1/events', { 'content-encoding': 'gzip' });
    assert.deepEqual([broken.status, broken.body], [400, { error: "Invalid payload, expected 'events' list" }]);
    assert.equal((await send(body, '/v1/events', { 'content-encoding': 'zstd' })).status, 415);
  });

  it('takes page and campaign from source_url, else the page from Referer, else from Origin; query and fragment go no further', async () => {
    const pages: [Record<string, unknown>, Record<string, string>, string[]][] = [
      [
        { source_url: 'https://site.example/a?utm_source=news&secret=1#frag' },
        { referer: 'https://other.example/b' },
        ['site.example', '/a', 'news'],
      ],
      [{}, { referer: 'https://other.example/b?x=1' }, ['other.example', '/b', '']],
      [{}, { origin: 'https://third.example' }, ['third.example', '', '']],
      [{ source_url: 'not a page' }, {}, ['', '', '']],
    ];
    for (const [index, [changes, headers, expected]] of pages.entries()) {
      const session_id = SESSION.replace('7f3c', `c00${index}`);
      assert.equal((await send({ events: [event({ session_id, ...changes })] }, '/v1/events', headers)).status, 202);
      const context = gateway.beacons().find(({ session }) => session === session_id)?.context;
      assert.deepEqual([context?.pageHost, context?.pagePath, context?.source], expected);
    }
  });

  it('says whose it is by key in front of the path, in the query or as Bearer; a Bearer that is none of ours is not looked at', async () => {
    const siteOf = async (session_id: string, path: string, headers: Record<string, string> = {}) => {
      assert.equal((await send({ events: [event({ session_id })] }, path, headers)).status, 202);
      return gateway.beacons().find(({ session }) => session === session_id)?.site;
    };
    const sessions = Array.from({ length: 6 }, (_, i) => SESSION.replace('7f3c', `b00${i}`));
    assert.equal(await siteOf(sessions[0] as string, '/k/pk_demo/v1/events'), 'demo');
    assert.equal(await siteOf(sessions[1] as string, '/v1/events?key=pk_demo'), 'demo');
    assert.equal(await siteOf(sessions[2] as string, '/v1/events', { authorization: 'Bearer pk_demo' }), 'demo');
    assert.equal(await siteOf(sessions[3] as string, '/v1/events', { authorization: 'Bearer somebody-elses' }), 'videos');
    assert.equal(await siteOf(sessions[4] as string, '/k/pk_demo/v1/events', { authorization: 'Bearer pk_slow' }), 'demo');
    assert.equal(await siteOf(sessions[5] as string, '/k/pk_nobody/v1/events'), undefined, 'the prefix beats the alias');
  });

  it('refuses what its contract refuses, in its words', async () => {
    const before = gateway.records();
    for (const body of ['{', '[]', '"x"', '{}', '{"events":{}}', `{"events":${'['.repeat(40)}${']'.repeat(40)}}`]) {
      const answer = await send(body);
      assert.deepEqual([answer.status, answer.body], [400, { error: "Invalid payload, expected 'events' list" }]);
    }
    const many = await send({ events: Array(501).fill(event()) });
    assert.deepEqual([many.status, many.body], [413, { error: 'too_many_events' }]);
    const bad = await send({ events: [event(), event({ session_id: 'x' })] });
    assert.deepEqual([bad.status, bad.body.error, bad.body.index], [422, 'invalid_event', 1]);
    assert.match(bad.body.reason, /session_id/);
    assert.equal(gateway.records(), before, 'nothing of a refused request is taken');
  });

  it('differs: at the peer anyone may send for any embed; here an unknown space and an origin that is not listed are answered 202 and counted', async () => {
    const before = gateway.records();
    const refused = (kind: string) => gateway.metric('playhead_ingest_oddities_total', { protocol: 'mave', kind });
    const [unknown, elsewhere] = [await refused('unknown_site'), await refused('origin_not_allowed')];
    assert.equal((await send({ events: [event({ embed_id: 'zzzzz0123456789' })] })).status, 202);
    const listed = event({ embed_id: 'lists0123456789' });
    assert.equal((await send({ events: [listed] }, '/v1/events', { origin: 'https://evil.example' })).status, 202);
    assert.equal(gateway.records(), before);
    assert.deepEqual([(await refused('unknown_site')) - unknown, (await refused('origin_not_allowed')) - elsewhere], [1, 1]);
    assert.equal((await send({ events: [listed] }, '/v1/events', { origin: 'https://ok.example' })).status, 202);
    assert.equal(gateway.records(), before + 1);
  });

  it('takes the good of a request that names several spaces', async () => {
    const session_id = SESSION.replace('7', '9');
    const answer = await send({ events: [event({ embed_id: 'zzzzz0123456789', session_id }), event({ session_id })] });
    assert.equal(answer.status, 202);
    const kept = gateway.beacons().filter((beacon) => beacon.session === session_id);
    assert.deepEqual(
      kept.map(({ site, events }) => [site, events.length]),
      [['videos', 1]],
    );
  });

  it('too fast is 429 in its words', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => send({ events: [event()] }, '/v1/events?key=pk_slow')));
    const refused = answers.find(({ status }) => status === 429);
    assert.ok(refused);
    assert.deepEqual(Object.keys(refused.body), ['error', 'retry_after_seconds']);
    assert.equal(refused.body.error, 'rate_limited');
    assert.equal(refused.headers.get('retry-after'), String(refused.body.retry_after_seconds));
  });

  it('the limit of a network is worded alike', async () => {
    const slow = await startTestGateway({ env: { PLAYHEAD_INGEST_PREFIX_BURST: '1', PLAYHEAD_INGEST_PREFIX_REQUESTS_PER_SECOND: '0.1' } });
    try {
      await slow.post({ events: [] }, { path: '/v1/events' });
      const answer = await slow.post({ events: [] }, { path: '/v1/events' });
      assert.deepEqual([answer.status, answer.body], [429, { error: 'rate_limited', retry_after_seconds: 10 }]);
    } finally {
      await slow.stop();
    }
  });

  it('a log that is away is 503 in its words', async () => {
    const away = await startTestGateway({ wrapWriter: (writer) => ({ ...writer, ready: () => false }) });
    try {
      const answer = await away.post({ events: [event()] }, { path: '/k/pk_demo/v1/events' });
      assert.deepEqual([answer.status, answer.body], [503, { error: 'unavailable', retry_after_seconds: 2 }]);
      assert.equal(answer.headers.get('retry-after'), '2');
    } finally {
      await away.stop();
    }
  });

  it('is read by pages of other origins, whatever the answer: their origin, never a star', async () => {
    for (const [body, status] of [
      [{ events: [event()] }, 202],
      [{ events: 1 }, 400],
      [{ events: [1] }, 422],
      [{ events: Array(501).fill(event()) }, 413],
    ] as const) {
      const { status: given, headers } = await send(body, '/v1/events', { origin: 'https://a.example' });
      assert.deepEqual(
        [given, ...['access-control-allow-origin', 'access-control-allow-credentials', 'vary'].map((name) => headers.get(name))],
        [status, 'https://a.example', 'true', 'Origin'],
      );
    }
  });

  it('the credentialed preflight of sendBeacon is allowed', async () => {
    const response = await fetch(`${gateway.url}/v1/events`, {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('access-control-allow-credentials'), 'true');
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://a.example');
    assert.equal(response.headers.get('access-control-allow-headers'), 'content-type');
    assert.equal(response.headers.get('access-control-allow-methods'), 'GET, POST, PUT, OPTIONS');
    assert.equal(response.headers.get('access-control-max-age'), '7200');
    assert.equal(response.headers.get('vary'), 'Origin');
  });
});
