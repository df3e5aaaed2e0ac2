// mave's socket door over real WebSockets on an in-process log: the table of answers in protocols.md section 3, who joins and leaves, and
// what the log is told when a connection breaks, comes back, is revoked or is shut down.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { PLAIN_KEY, startTestGateway, type TestGateway, until } from '../../../support/gateway.ts';

const PAGE = 'https://site.example/watch?utm_source=news';
type Frame = [string | null, string | null, string, string, { status?: string; response?: Record<string, unknown> }];

/** A client that says what it is told to, and keeps what it hears. */
class Client {
  readonly frames: Frame[] = [];
  readonly #socket: WebSocket;
  readonly opened: Promise<void>;
  readonly closed: Promise<number>;
  constructor(gateway: TestGateway, options: { query?: string; origin?: string; path?: string } = {}) {
    const query = options.query ?? `source_url=${encodeURIComponent(PAGE)}&key=pk_demo&vsn=2.0.0`;
    const url = `${gateway.url.replace('http', 'ws')}${options.path ?? '/socket/websocket'}?${query}`;
    const headers = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' };
    this.#socket = new WebSocket(url, { headers, ...(options.origin === undefined ? {} : { origin: options.origin }) });
    this.opened = new Promise((resolve, reject) => {
      this.#socket.on('open', () => resolve());
      this.#socket.on('unexpected-response', (_request, response) => reject(new Error(String(response.statusCode))));
      this.#socket.on('error', reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => this.#socket.on('close', resolve));
    this.#socket.on('message', (data) => this.frames.push(JSON.parse(String(data))));
  }
  say(joinRef: string | null, ref: string, topic: string, event: string, payload: unknown = {}): void {
    this.#socket.send(JSON.stringify([joinRef, ref, topic, event, payload]));
  }
  raw(data: string | Buffer): void {
    this.#socket.send(data);
  }
  async heard(count = 1): Promise<Frame[]> {
    await until(async () => this.frames.length >= count);
    return this.frames.splice(0);
  }
  cut(): void {
    this.#socket.terminate();
  }
  close(): void {
    this.#socket.close();
  }
}

describe('GET /socket/websocket (mave)', () => {
  let gateway: TestGateway;
  let number = 0;
  let topic = '';
  const clients: Client[] = [];
  before(async () => {
    gateway = await startTestGateway({
      keys: [
        PLAIN_KEY,
        { ...PLAIN_KEY, write_key: 'a+b/c==', site: 'legacy' },
        { ...PLAIN_KEY, write_key: 'pk_listed', site: 'listed', origins: ['https://ok.example'] },
      ],
      aliases: [{ protocol: 'mave_socket', foreign_id: 'their-key', site: 'aliased', settings: { videoField: 'vid' }, viewer_keys: false }],
      env: { PLAYHEAD_INGEST_SOCKETS_MAX: '40' },
    });
  });
  beforeEach(() => {
    topic = `session:topic-${++number}`;
  });
  after(async () => {
    for (const client of clients) client.cut();
    await gateway.stop();
  });
  const connect = async (options: ConstructorParameters<typeof Client>[1] = {}): Promise<Client> => {
    const client = new Client(gateway, options);
    clients.push(client);
    await client.opened;
    return client;
  };
  const joined = async (payload: Record<string, unknown> = {}, ref = '3', client?: Client): Promise<Client> => {
    const on = client ?? (await connect());
    on.say(ref, ref, topic, 'phx_join', { metadata: { vid: 'v1' }, source_url: PAGE, key: 'pk_demo', ...payload });
    assert.deepEqual(await on.heard(), [[ref, ref, topic, 'phx_reply', { status: 'ok', response: {} }]]);
    return on;
  };
  /** What the log holds of this test's session, as `type@position`; a beacon without events is `alive`. */
  const told = (): string[] =>
    gateway
      .beacons()
      .filter(({ session }) => session === topic.slice('session:'.length))
      .flatMap(({ events }) => (events.length === 0 ? ['alive'] : events.map(({ type, positionMs }) => `${type}@${positionMs}`)));
  const inLog = (...wanted: string[]) =>
    until(async () => JSON.stringify(told()) === JSON.stringify(wanted)).catch(() => assert.deepEqual(told(), wanted));

  it('the upgrade needs source_url, and a path that is ours', async () => {
    for (const [options, status] of [
      [{ query: 'vsn=2.0.0' }, '403'],
      [{ path: '/elsewhere' }, '404'],
    ] as const)
      await assert.rejects(new Client(gateway, options).opened, new RegExp(status));
  });

  it('heartbeat, join, event and leave are answered as the client expects', async () => {
    const client = await joined();
    client.say(null, '12', 'phoenix', 'heartbeat');
    assert.deepEqual(await client.heard(), [[null, '12', 'phoenix', 'phx_reply', { status: 'ok', response: {} }]]);
    client.say('3', '4', topic, 'event', { name: 'play', duration: 120.5, from: 0 });
    client.say('3', '5', topic, 'event', { name: 'pause', duration: 120.5, to: '5.25' });
    client.say('3', '6', topic, 'phx_leave');
    assert.deepEqual(await client.heard(2), [
      ['3', '6', topic, 'phx_reply', { status: 'ok', response: {} }],
      ['3', '3', topic, 'phx_close', {}],
    ]);
    await inLog('playing@0', 'pause@5250', 'leave@-1');
    const [first] = gateway.beacons().filter(({ session }) => session === topic.slice(8));
    assert.ok(first?.context);
    assert.deepEqual(
      [
        first.site,
        first.protocol,
        first.baseAt,
        first.sentAt,
        first.context.durationMs,
        first.context.pageHost,
        first.context.pagePath,
        first.context.source,
        first.context.meta,
      ],
      ['demo', 'mave_socket', -1, -1, 120_500, 'site.example', '/watch', 'news', '{"vid":"v1"}'],
    );
    const { browser, platform, device } = first.context;
    assert.deepEqual([browser, platform, device], ['Firefox', 'Linux', 'desktop'], 'from the upgrade');
    client.say('3', '7', topic, 'event', { name: 'play', from: 1 });
    assert.deepEqual(await client.heard(), [['3', '7', topic, 'phx_reply', { status: 'error', response: { reason: 'unmatched topic' } }]]);
  });

  it('joins are refused in the words of the contract', async () => {
    const client = await connect();
    const refusals: [string, Record<string, unknown>, string][] = [
      [topic, { metadata: {}, key: 'nobody' }, 'invalid key'],
      [topic, { key: 'pk_demo' }, 'missing parameters and/or invalid host'],
      [topic, { metadata: {} }, 'missing parameters and/or invalid host'],
      [topic, { metadata: {}, key: 'pk_listed' }, 'missing parameters and/or invalid host'],
      ['room:1', { metadata: {}, key: 'pk_demo' }, 'unmatched topic'],
    ];
    for (const [name, payload, reason] of refusals) {
      client.say('3', '3', name, 'phx_join', payload);
      assert.deepEqual(await client.heard(), [['3', '3', name, 'phx_reply', { status: 'error', response: { reason } }]], reason);
    }
  });

  it('keys made elsewhere, aliases, listed origins and the field that names the video', async () => {
    const client = await joined({ key: 'a+b/c==' });
    client.say('3', '4', topic, 'event', { name: 'play', from: 0 });
    await inLog('playing@0');
    assert.equal(gateway.beacons().find(({ session }) => session === topic.slice(8))?.site, 'legacy');
    topic = `${topic}-b`;
    await joined({ key: 'their-key' }, '4', client);
    client.say('4', '5', topic, 'event', { name: 'play', from: 0 });
    await inLog('playing@0');
    const aliased = gateway.beacons().find(({ session }) => session === topic.slice(8));
    assert.deepEqual([aliased?.site, aliased?.video], ['aliased', 'v1']);
    topic = `${topic}-c`;
    await joined({ key: 'pk_listed' }, '3', await connect({ origin: 'https://ok.example' }));
  });

  it('what comes before the first play waits for it; a page that never plays leaves no trace', async () => {
    const client = await joined();
    client.say('3', '4', topic, 'event', { name: 'fullscreen_enter' });
    await sleep(100);
    assert.deepEqual(told(), []);
    client.say('3', '5', topic, 'event', { name: 'play', from: 0 });
    await inLog('fullscreen@-1', 'playing@0');
    topic = `${topic}-b`;
    const silent = await joined();
    silent.say('3', '4', topic, 'event', { name: 'fullscreen_enter' });
    silent.close();
    await silent.closed;
    await sleep(100);
    assert.deepEqual(told(), []);
  });

  it("differs: minutes are lost with a crashed node's buffer; here every word is in the log before the next is said", async () => {
    const client = await joined();
    client.say('3', '4', topic, 'event', { name: 'play', from: 0 });
    await inLog('playing@0');
    client.say('3', '5', topic, 'event', { name: 'pause', to: 1.5 });
    await inLog('playing@0', 'pause@1500');
  });

  it('differs: coming back is a new session at the peer, and the pause that follows is dropped; here it is the same', async () => {
    const client = await joined();
    client.say('3', '4', topic, 'event', { name: 'play', from: 0 });
    await inLog('playing@0');
    client.cut();
    await inLog('playing@0', 'leave@-1');
    const back = await joined({}, '9');
    back.say('9', '10', topic, 'event', { name: 'pause', to: '2.00' });
    await inLog('playing@0', 'leave@-1', 'alive', 'pause@2000');
    const kept = gateway.beacons().filter(({ session }) => session === topic.slice(8));
    assert.deepEqual([new Set(kept.map(({ video }) => video)).size, new Set(kept.map(({ site }) => site)).size], [1, 1]);
  });

  it('a cut connection is a departure; the topic that joins again is a sign of life, and its session goes on', async () => {
    const client = await joined();
    client.say('3', '4', topic, 'event', { name: 'play', from: 0, duration: 60 });
    await inLog('playing@0');
    client.cut();
    await inLog('playing@0', 'leave@-1');
    const back = await joined({}, '9');
    await inLog('playing@0', 'leave@-1', 'alive');
    back.say('9', '10', topic, 'event', { name: 'pause', to: '4.50', duration: 60 });
    await inLog('playing@0', 'leave@-1', 'alive', 'pause@4500');
  });

  it('another gateway knows a return by its references', async () => {
    const client = await joined({}, '9');
    await inLog('alive');
    client.say(null, '10', 'phoenix', 'heartbeat');
    await inLog('alive', 'alive');
    client.cut();
    await inLog('alive', 'alive', 'leave@-1');
  });

  it('a frame that is said again on its connection counts once; the same words under another number are another event', async () => {
    const client = await joined();
    const again = (ref: string) => client.say('3', ref, topic, 'event', { name: 'chapter', title: 'one' });
    client.say('3', '4', topic, 'event', { name: 'play', from: 0 });
    for (const ref of ['5', '5', '6', '5', '6']) again(ref);
    client.say('3', '7', topic, 'event', { name: 'pause', to: 1 });
    await inLog('playing@0', 'custom@-1', 'custom@-1', 'pause@1000');
    assert.equal(await gateway.metric('playhead_ingest_oddities_total', { protocol: 'mave_socket', kind: 'repeated_frame' }), 3);
  });

  it('while it plays every heartbeat is a sign of life, while it is paused none', async () => {
    const client = await joined();
    client.say('3', '4', topic, 'event', { name: 'play', from: 0 });
    client.say(null, '5', 'phoenix', 'heartbeat');
    await inLog('playing@0', 'alive');
    client.say('3', '6', topic, 'event', { name: 'pause', to: 1 });
    client.say(null, '7', 'phoenix', 'heartbeat');
    await client.heard(2);
    await inLog('playing@0', 'alive', 'pause@1000');
  });

  it('a second join replaces the first, on the same connection and on another', async () => {
    const client = await joined();
    client.say('5', '5', topic, 'phx_join', { metadata: { vid: 'v1' }, key: 'pk_demo' });
    assert.deepEqual(await client.heard(2), [
      ['3', '3', topic, 'phx_close', {}],
      ['5', '5', topic, 'phx_reply', { status: 'ok', response: {} }],
    ]);
    client.say('5', '6', topic, 'event', { name: 'play', from: 0 });
    await inLog('playing@0');
    await joined({}, '8');
    await inLog('playing@0', 'alive');
    client.cut();
    await client.closed;
    await sleep(100);
    assert.deepEqual(told(), ['playing@0', 'alive'], 'the old connection has nothing to say any more');
  });

  it('differs: revoked keys live on for 30 s, joined ones for ever; here channels end within seconds: phx_error, then invalid key', async () => {
    gateway.keys.rows.push({ ...PLAIN_KEY, write_key: 'pk_doomed' });
    await until(async () => (await gateway.metric('playhead_ingest_keys')) === 4);
    const client = await joined({ key: 'pk_doomed' });
    gateway.keys.rows.pop();
    assert.deepEqual(await client.heard(), [['3', '3', topic, 'phx_error', {}]]);
    client.say('4', '4', topic, 'phx_join', { metadata: {}, key: 'pk_doomed' });
    assert.equal((await client.heard())[0]?.[4].response?.['reason'], 'invalid key');
  });

  it('2023: identifier, an empty event name, client times', async () => {
    const client = await joined({ metadata: undefined, identifier: 'video-1' });
    client.say('3', '4', topic, 'event', { name: 'play', from: 0, timestamp: 1_000_000 });
    client.say('3', '5', topic, '', { name: 'playback_failure', timestamp: 1_004_000 });
    await inLog('playing@0', 'error@-1');
    const kept = gateway.beacons().filter(({ session }) => session === topic.slice(8));
    assert.deepEqual(
      kept.map(({ video, baseAt, sentAt }) => [video, baseAt, sentAt]),
      [
        ['video-1', 1_000_000, 1_000_000],
        ['video-1', 1_004_000, 1_004_000],
      ],
    );
  });

  it('the older serializer is spoken too', async () => {
    const client = await connect({ query: `source_url=${encodeURIComponent(PAGE)}` });
    client.raw(JSON.stringify({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '1' }));
    assert.deepEqual(await client.heard(), [
      { topic: 'phoenix', event: 'phx_reply', payload: { status: 'ok', response: {} }, ref: '1', join_ref: null } as never,
    ]);
  });

  it('bad input costs nobody anything: unreadable and binary frames, unknown events, positions that are none', async () => {
    const client = await joined();
    for (const text of ['', 'x', '[]', '{}', '[1,2,3,4,5]', JSON.stringify([null, '1', topic, 'elsewhere', {}])]) client.raw(text);
    client.raw(Buffer.from([1, 2, 3]));
    for (const payload of [null, 5, {}, { name: 'play', from: null }, { name: 'pause', to: 'x' }])
      client.say('3', '4', topic, 'event', payload);
    client.say('3', '9', topic, 'event', { name: 'play', from: 0 });
    await inLog('playing@0');
    for (const [kind, count] of [
      ['unreadable_frame', 5],
      ['binary_frame', 1],
      ['unknown_event', 1],
      ['not_an_event', 3],
      ['no_position', 2],
    ] as const)
      assert.equal(await gateway.metric('playhead_ingest_oddities_total', { protocol: 'mave_socket', kind }), count, kind);
  });

  it('limits: frame size, channels, frames a second, connections', async () => {
    const large = await connect();
    large.raw(JSON.stringify(['3', '3', topic, 'event', 'x'.repeat(70_000)]));
    assert.equal(await large.closed, 1009);
    const hit = (limit: string) => gateway.metric('playhead_ingest_limit_hits_total', { limit });
    assert.equal(await hit('frame_bytes'), 1);

    const many = await connect();
    for (let i = 0; i <= 100; i++) many.say('3', String(i), `session:many-${i}`, 'phx_join', { metadata: {}, key: 'pk_demo' });
    const replies = await many.heard(101);
    assert.equal(replies.filter(([, , , , { status }]) => status === 'ok').length, 100);
    assert.equal(await hit('channels'), 1);

    const eager = await joined();
    for (let i = 0; i < 230; i++) eager.say(null, String(i), 'phoenix', 'heartbeat');
    eager.say('3', '999', topic, 'event', { name: 'play', from: 0 });
    await inLog('playing@0');
    assert.ok((await hit('frames')) >= 1);
    assert.equal((await eager.heard(230)).length, 230, 'slowed down, not cut');

    const crowd = Array.from({ length: 45 }, () =>
      connect().then(
        () => 'open',
        (error: Error) => error.message,
      ),
    );
    const outcomes = await Promise.all(crowd);
    assert.ok(outcomes.some((outcome) => /503/.test(outcome)));
    assert.ok((await hit('sockets')) >= 1);
  });

  it('on a stop clients are told to come back, and what they said is in the log', async () => {
    const own = await startTestGateway();
    const client = new Client(own);
    await client.opened;
    client.say('3', '3', topic, 'phx_join', { metadata: {}, key: 'pk_demo' });
    await client.heard();
    client.say('3', '4', topic, 'event', { name: 'play', from: 0 });
    await until(async () => own.records() === 1);
    const stopped = own.stop();
    assert.equal(await client.closed, 1012);
    await stopped;
    assert.deepEqual(
      own.beacons().flatMap(({ events }) => events.map(({ type }) => type)),
      ['playing', 'leave'],
    );
  });

  it('differs: publishers wait for the flush of the peer; here they are answered while the log is away, and what they say waits', async () => {
    let away = true;
    const own = await startTestGateway({ wrapWriter: (writer) => ({ ...writer, ready: () => !away && writer.ready() }) });
    try {
      const client = new Client(own);
      await client.opened;
      client.say('3', '3', topic, 'phx_join', { metadata: {}, key: 'pk_demo' });
      client.say('3', '4', topic, 'event', { name: 'play', from: 0 });
      client.say('3', '5', topic, 'event', { name: 'pause', to: 1 });
      await client.heard();
      client.say(null, '6', 'phoenix', 'heartbeat');
      assert.equal((await client.heard())[0]?.[4].status, 'ok');
      await sleep(200);
      assert.equal(own.records(), 0);
      away = false;
      await until(async () => own.records() === 2);
      assert.deepEqual(
        own.beacons().flatMap(({ events }) => events.map(({ type }) => type)),
        ['playing', 'pause'],
      );
      client.cut();
    } finally {
      await own.stop();
    }
  });
});
