// The gateway over real HTTP on an in-process log: what is answered, and what is in the log when it is.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { PLAIN_KEY, sampleBeacon, startTestGateway, type TestGateway, until } from '../../support/gateway.ts';

describe('POST /v1/beacons', () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway({
      keys: [
        PLAIN_KEY,
        { ...PLAIN_KEY, write_key: 'pk_listed', site: 'listed', origins: ['https://ok.example'] },
        { ...PLAIN_KEY, write_key: 'pk_app', site: 'app', origins: ['https://ok.example'], app: true },
        { ...PLAIN_KEY, write_key: 'pk_viewer', site: 'viewer', viewer_keys: true },
        { ...PLAIN_KEY, write_key: 'pk_slow', site: 'slow', requests_per_second: 1 },
      ],
    });
  });
  after(() => gateway.stop());
  const last = () => gateway.beacons().at(-1);
  let sessions = 0;
  const fresh = (changes: Record<string, unknown> = {}) => sampleBeacon({ session: `session-${++sessions}`, ...changes });
  const stored = (session: string) => gateway.beacons().filter((beacon) => beacon.session === session);

  it('answers 202 with what is in the log', async () => {
    const beacon = fresh();
    const answer = await gateway.post(beacon, {
      headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0' },
    });
    assert.deepEqual({ status: answer.status, body: answer.body }, { status: 202, body: { accepted: 3, rejected: [] } });
    const [kept] = stored(beacon['session'] as string);
    assert.ok(kept);
    assert.equal(kept.site, 'demo');
    assert.equal(kept.video, 'intro');
    assert.equal(kept.baseAt, 1764000000000);
    assert.deepEqual(
      kept.events.map(({ type, seq, at, positionMs }) => [type, seq, at, positionMs]),
      [
        ['attempt', 0, 0, 0],
        ['playing', 1, 400, 0],
        ['heartbeat', 2, 5000, 4600],
      ],
    );
    const { context } = kept;
    assert.ok(context);
    assert.deepEqual(
      [
        context.pageHost,
        context.pagePath,
        context.source,
        context.referrerHost,
        context.browser,
        context.platform,
        context.device,
        context.bot,
        context.viewer,
      ],
      ['example.org', '/watch/intro', 'news', 'news.example', 'Firefox', 'Linux', 'desktop', false, ''],
    );
    assert.equal(context.meta, '{"course":12,"plan":"free"}');
  });

  it('takes text/plain, no content type, an array, and gzip', async () => {
    for (const headers of [{ 'content-type': 'text/plain;charset=UTF-8' }, { 'content-type': 'application/octet-stream' }, {}] as Record<
      string,
      string
    >[]) {
      assert.equal((await gateway.post(fresh(), { headers })).status, 202);
    }
    assert.equal((await gateway.post([fresh(), fresh()])).body.accepted, 6);
    const zipped = gzipSync(JSON.stringify(fresh()));
    assert.equal((await gateway.post(zipped, { headers: { 'content-encoding': 'gzip' } })).status, 202);
    assert.equal((await gateway.post(zipped)).status, 202, 'recognised by its first bytes');
  });

  it('finds the key in body, query, Bearer and path prefix', async () => {
    const { key: _key, ...keyless } = sampleBeacon();
    assert.equal((await gateway.post(keyless, { path: '/v1/beacons?key=pk_demo' })).status, 202);
    assert.equal((await gateway.post(keyless, { headers: { authorization: 'Bearer pk_demo' } })).status, 202);
    assert.equal((await gateway.post(keyless, { path: '/k/pk_demo/v1/beacons' })).status, 202);
    await gateway.post(fresh({ session: 'prefixed' }), { path: '/k/pk_viewer/v1/beacons' });
    assert.equal(stored('prefixed')[0]?.site, 'viewer', 'the prefix beats the body');
    const missing = await gateway.post(keyless);
    assert.equal(missing.status, 401);
    assert.equal(missing.headers.get('content-type'), 'application/problem+json');
    assert.equal((await gateway.post(sampleBeacon({ key: 'pk_nobody' }))).status, 401);
  });

  it('holds the origin against the list of the key', async () => {
    const from = (origin: string) => gateway.post(fresh({ key: 'pk_listed' }), { headers: { origin } });
    const good = await from('https://ok.example');
    assert.equal(good.status, 202);
    assert.equal(good.headers.get('access-control-allow-origin'), 'https://ok.example');
    assert.equal(good.headers.get('access-control-allow-credentials'), 'true');
    assert.match(good.headers.get('vary') ?? '', /Origin/);
    const bad = await from('https://evil.example');
    assert.equal(bad.status, 401);
    assert.equal(bad.headers.get('access-control-allow-origin'), null);
    assert.equal((await gateway.post(fresh({ key: 'pk_listed' }))).status, 401, 'no origin');
    assert.equal((await gateway.post(fresh({ key: 'pk_app' }))).status, 202, 'an app needs none');
  });

  it('answers preflights', async () => {
    const response = await fetch(`${gateway.url}/v1/beacons`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://a.example',
        'access-control-request-headers': 'content-type,x-extra',
        'access-control-request-method': 'POST',
      },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://a.example');
    assert.equal(response.headers.get('access-control-allow-headers'), 'content-type,x-extra');
    assert.equal(response.headers.get('access-control-max-age'), '7200');
    assert.match(response.headers.get('access-control-allow-methods') ?? '', /POST/);
  });

  it('takes the good events of a batch and rejects the bad ones by place', async () => {
    const events = [
      { seq: 0, type: 'attempt', at: 1, positionMs: 0 },
      { seq: 1, type: 'dance', at: 2 },
      { seq: 2, type: 'playing', at: 3, positionMs: -4 },
      { seq: 3, type: 'pause', at: 4 },
    ];
    const answer = await gateway.post([fresh({ session: 'mixed', events }), 5, fresh()]);
    assert.equal(answer.status, 202);
    assert.equal(answer.body.accepted, 5);
    assert.deepEqual(
      answer.body.rejected.map((each: { beacon: number; event?: number; reason: string }) => [each.beacon, each.event, each.reason]),
      [
        [0, 1, 'unknown_type'],
        [0, 2, 'invalid_value'],
        [1, undefined, 'not_an_object'],
      ],
    );
    const [mixed] = stored('mixed');
    assert.deepEqual(
      mixed?.rejects.map(({ index, seq }) => [index, seq]),
      [
        [1, 1],
        [2, 2],
      ],
    );
    const alone = gateway.beacons().find((beacon) => beacon.session === '' && beacon.rejects.length > 0);
    assert.equal(alone?.rejects[0]?.index, -1);
    assert.equal(alone?.rejects[0]?.payload, '5');
  });

  const nothing: [string, unknown, number, string?][] = [
    ['an empty body', '', 400],
    ['no JSON', '{"key":', 400],
    ['null', null, 400],
    ['a number', 7, 400],
    ['a text', '"hello"', 400],
    ['an empty list', [], 400],
    ['a list of nothing usable', [1, null, 'x', []], 400],
    ['an empty object', {}, 400],
    ['no events', sampleBeacon({ events: [] }), 400],
    ['events that are none', sampleBeacon({ events: 'many' }), 400],
    ['only unknown types', sampleBeacon({ events: [{ type: 'dance' }] }), 400],
    ['a session that is no text', sampleBeacon({ session: 12 }), 400],
    ['an empty session', sampleBeacon({ session: '' }), 400],
    ['__proto__', '{"key":"pk_demo","session":"s","events":[{"type":"pause"}],"__proto__":{"x":1}}', 400],
    ['__proto__ in disguise', '{"key":"pk_demo","session":"s","events":[{"type":"pause","\\u005f_proto__":{}}]}', 400],
    ['constructor', '{"key":"pk_demo","session":"s","meta":{"constructor":1},"events":[{"type":"pause"}]}', 400],
    ['10,000 brackets', '['.repeat(10_000) + ']'.repeat(10_000), 413, 'depth'],
    ['too many events', sampleBeacon({ events: Array.from({ length: 201 }, () => ({ type: 'pause' })) }), 413, 'events'],
    ['too many beacons', Array.from({ length: 201 }, () => 1), 413, 'beacons'],
    ['a large event', sampleBeacon({ events: [{ type: 'pause', junk: 'x'.repeat(9000) }] }), 413, 'event_bytes'],
    ['10 MB', `"${'x'.repeat(10 * 1024 * 1024)}"`, 413, 'body_bytes'],
  ];
  for (const [name, body, status, limit] of nothing) {
    it(`takes nothing of ${name}: ${status}`, async () => {
      const recordsBefore = gateway.records();
      const hitsBefore = limit === undefined ? 0 : await gateway.metric('playhead_ingest_limit_hits_total', { limit });
      const answer = await gateway.post(body);
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get('content-type'), 'application/problem+json');
      assert.match(answer.body.traceId, /^[0-9a-f]{32}$/);
      assert.equal(gateway.records(), recordsBefore);
      if (limit === undefined) return;
      assert.match(answer.body.detail, new RegExp(limit));
      assert.equal(await gateway.metric('playhead_ingest_limit_hits_total', { limit }), hitsBefore + 1);
    });
  }

  it('points at what is wrong', async () => {
    const answer = await gateway.post(sampleBeacon({ events: [{ type: 'pause', positionMs: 'x' }] }));
    assert.deepEqual(answer.body.errors, [{ pointer: '/events/0/positionMs', detail: 'must be an integer >= 0' }]);
    assert.equal(answer.body.type, '/docs/problems#invalid-body');
  });

  it('refuses gzip bombs, large gzip, broken gzip and other encodings (G1, G2)', async () => {
    const send = (body: Buffer, encoding: string) => gateway.post(body, { headers: { 'content-encoding': encoding } });
    const bomb = await send(gzipSync(Buffer.alloc(20 * 1024 * 1024, 0x20)), 'gzip');
    assert.equal(bomb.status, 413);
    const ratio = await send(gzipSync(Buffer.alloc(300 * 1024, 0x20)), 'gzip');
    assert.equal(ratio.status, 413);
    assert.match(ratio.body.detail, /inflate_ratio/);
    assert.ok((await gateway.metric('playhead_ingest_limit_hits_total', { limit: 'inflate_ratio' })) > 0);
    assert.equal((await send(Buffer.from('no gzip at all'), 'gzip')).status, 400);
    assert.equal((await send(gzipSync(JSON.stringify(fresh())).subarray(0, 60), 'gzip')).status, 400);
    const wide = await send(Buffer.concat([gzipSync('x'), Buffer.alloc(70_000, 1)]), 'gzip');
    assert.equal(wide.status, 413);
    assert.match(wide.body.detail, /compressed_bytes/);
    for (const encoding of ['br', 'deflate', 'zstd', 'gzip, gzip'])
      assert.equal((await send(Buffer.from('{}'), encoding)).status, 415, encoding);
    assert.equal((await gateway.post(fresh())).status, 202, 'and goes on');
  });

  it('cleans text and clamps numbers, so that no column can refuse a row (G6)', async () => {
    const body = `{"key":"pk_demo","session":"a\\u0000b\\ud800","video":{"id":"v\\u0000\\ud800","title":"t\\u0001\\n2","durationMs":9223372036854775808},
      "meta":{"n":1e999,"s":"\\u0000x","o":{},"l":[1]},"sentAt":1e999,
      "events":[{"type":"custom","name":"n\\u0000","data":{"k\\u0000":"\\ud800\\u0000"},"at":1764000000000,"positionMs":9223372036854775808},{"type":"pause","at":1e15}]}`;
    const answer = await gateway.post(body);
    assert.equal(answer.status, 202);
    const kept = last();
    const beacon = gateway.beacons().find((each) => each.video === 'v\ufffd') ?? kept;
    assert.ok(beacon?.context);
    assert.match(beacon.session, /^[A-Za-z0-9_-]{32}$/);
    assert.equal(beacon.context.title, 't 2');
    assert.equal(beacon.context.durationMs, 2_147_483_647);
    assert.equal(beacon.context.meta, '{"s":"x"}');
    assert.equal(beacon.sentAt, -1);
    assert.equal(beacon.events[0]?.positionMs, 2_147_483_647);
    assert.equal(beacon.events[0]?.detail?.text, '{"k":"\ufffd"}');
    assert.equal(beacon.events[1]?.at, 2_147_483_647);
    assert.ok(beacon.ignoredFields >= 4);
  });

  it('numbers all events of a session or none', async () => {
    const answer = await gateway.post(fresh({ session: 'numbers', events: [{ seq: 0, type: 'attempt' }, { type: 'pause' }] }));
    assert.deepEqual(
      answer.body.rejected.map((each: { event: number; reason: string }) => [each.event, each.reason]),
      [[1, 'seq_mixed']],
    );
    assert.equal(stored('numbers')[0]?.events.length, 1);
  });

  it('makes viewer keys only where the site wants them, the same for the same viewer', async () => {
    const headers = { 'user-agent': 'Agent/1' };
    await gateway.post(fresh({ key: 'pk_viewer', session: 'v1' }), { headers });
    await gateway.post(fresh({ key: 'pk_viewer', session: 'v2' }), { headers });
    await gateway.post(fresh({ key: 'pk_viewer', session: 'v3' }), { headers: { 'user-agent': 'Agent/2' } });
    const [one, two, three] = ['v1', 'v2', 'v3'].map((session) => stored(session)[0]?.context?.viewer);
    assert.match(one ?? '', /^[A-Za-z0-9_-]{22}$/);
    assert.equal(one, two);
    assert.notEqual(one, three);
  });

  it('limits a key by its own rate with 429 and Retry-After (G9)', async () => {
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await gateway.post(fresh({ key: 'pk_slow' })));
    const refused = answers.find((answer) => answer.status === 429);
    assert.ok(refused);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    assert.equal(refused.headers.get('ratelimit-remaining'), '0');
    assert.ok((await gateway.metric('playhead_ingest_limit_hits_total', { limit: 'key_rate' })) > 0);
  });

  it('splits what does not fit one record', async () => {
    const events = Array.from({ length: 120 }, (_, seq) => ({
      seq,
      type: 'custom',
      name: 'big',
      data: 'x'.repeat(1990),
      at: 1764000000000 + seq,
    }));
    const answer = await gateway.post(fresh({ session: 'big', events }));
    assert.deepEqual(answer.body, { accepted: 120, rejected: [] });
    const parts = stored('big');
    assert.ok(parts.length >= 2);
    assert.deepEqual(
      parts.flatMap((part) => part.events.map((event) => event.seq)).sort((a, b) => a - b),
      events.map((event) => event.seq),
    );
    assert.deepEqual(new Set(parts.map((part) => part.baseAt)), new Set([1764000000000]));
  });

  it('keeps address and user agent out of log and lines', async () => {
    const agent = 'SecretAgent/7.7 (unique)';
    await gateway.post([fresh({ session: 'private' }), { agent, address: '127.0.0.1' }], { headers: { 'user-agent': agent } });
    const bytes = Array.from({ length: 4 }, (_, partition) => gateway.log.records(partition))
      .flat()
      .map((record) => `${record.key?.toString('latin1')} ${record.value?.toString('latin1')}`);
    for (const text of [...bytes, ...gateway.lines]) {
      assert.ok(!text.includes('SecretAgent'));
      assert.ok(!text.includes('127.0.0.1'));
    }
  });

  it('serves health, the SDK and polite refusals', async () => {
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(`${gateway.url}${path}`)).status, 200, path);
    const sdk = await fetch(`${gateway.url}/sdk.js`);
    assert.equal(await sdk.text(), '/* iife */');
    assert.match(sdk.headers.get('content-type') ?? '', /javascript/);
    assert.equal(sdk.headers.get('cross-origin-resource-policy'), 'cross-origin');
    assert.equal(sdk.headers.get('x-powered-by'), null);
    assert.equal((await fetch(`${gateway.url}/sdk.mjs`)).status, 200);
    const wrongMethod = await fetch(`${gateway.url}/v1/beacons`);
    assert.equal(wrongMethod.status, 405);
    assert.equal(wrongMethod.headers.get('allow'), 'POST, OPTIONS');
    const unknown = await fetch(`${gateway.url}/nowhere/%ff`);
    assert.ok([400, 404].includes(unknown.status));
    assert.ok(!(await unknown.text()).includes('node_modules'), 'no stack trace');
    assert.equal((await fetch(`${gateway.url}/docs/problems`)).status, 200);
  });

  it('revokes and adds keys while running, and outlives the database', async () => {
    const kept = gateway.keys.rows;
    const statusOfNew = async () => (await gateway.post(fresh({ key: 'pk_new' }))).status;
    const failedReads = () => gateway.metric('playhead_ingest_keys_refreshes_total', { outcome: 'failed' });
    gateway.keys.rows = [...kept, { ...PLAIN_KEY, write_key: 'pk_new', site: 'new' }];
    await until(async () => (await statusOfNew()) === 202);
    gateway.keys.fails = true;
    await until(async () => (await failedReads()) >= 2);
    assert.equal(await statusOfNew(), 202, 'the last known keys stay in force');
    gateway.keys.fails = false;
    gateway.keys.rows = kept;
    await until(async () => (await statusOfNew()) === 401);
  });

  it('writes ticks to every partition', async () => {
    const ticks = Array.from({ length: 4 }, (_, partition) => gateway.log.records(partition).filter((record) => record.key === null));
    for (const each of ticks) assert.ok(each.length >= 1);
    const [first] = ticks[0] ?? [];
    assert.ok(first);
    assert.equal(gateway.codec.decode(first.key, first.value).kind, 'tick');
  });
});
