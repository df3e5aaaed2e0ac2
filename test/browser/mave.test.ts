// mave's own clients, unmodified, in a real browser against the real system: what was watched is what the query API answers, whatever
// happens to the connection in the middle (protocols.md sections 2, 3 and 15).
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'puppeteer-core';
import { setAlias, setDoor } from '../../infra/cli/aliases.ts';
import { createReadPool } from '../../infra/runtime/postgres.ts';
import { startBrowser, type TestBrowser } from '../support/browser.ts';
import { clientBundle } from '../support/client-bundle.ts';
import { CLIP_MS, clipPath } from '../support/clip.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { type StaticServer, startStaticServer } from '../support/static-server.ts';
import { startSystem, type TestSystem } from '../support/system.ts';
import { openPlayer, type Player, type Section } from './script.ts';

/** The client tells positions as of its last timeupdate (250 ms) and 200 ms after a seek; each end of a section may be off by that. */
const EDGE_MS = 500;
const SPACE = 'abcde';
const SEALED_WITHIN_MS = 120_000;

// biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each assertion says what it expects of them.
type Answer = any;

const DATA_CLIENT = `
  import { Metrics } from '@maveio/data';
  window.startClient = ({ endpoint, embed }, video) => {
    Metrics.config = { apiEndpoint: endpoint + '/v1/events' };
    new Metrics(video, embed, { component: 'player' }).monitor();
  };`;
const SOCKET_CLIENT = `
  import { Metrics } from '@maveio/metrics';
  window.startClient = ({ socket, key, metadata }, video) => {
    Metrics.config = { socketPath: socket, apiKey: key };
    new Metrics(video, metadata).monitor();
  };`;

/** By how much two lists of sections differ: at each place, how much more often one has played it than the other. */
function differenceMs(one: readonly Section[], two: readonly Section[]): number {
  const edges = [...one, ...two].flatMap(({ fromMs, toMs }) => [fromMs, toMs]).sort((a, b) => a - b);
  const times = (sections: readonly Section[], at: number): number =>
    sections.filter(({ fromMs, toMs }) => fromMs <= at && at < toMs).length;
  return edges.reduce((sum, edge, i) => sum + ((edges[i + 1] ?? edge) - edge) * Math.abs(times(one, edge) - times(two, edge)), 0);
}

type Relay = { url: string; came: string[]; wentOn: string[]; close(): Promise<void> };

/** Passes requests on to a server, the first batch later than others; notes the first event of each as it comes and as it goes on. */
async function startRelay(target: string, firstWaitsMs: number): Promise<Relay> {
  const [came, wentOn]: [string[], string[]] = [[], []];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const headers = new Headers(
      Object.entries(request.headers).filter(([name]) => !/^(host|connection|content-length)$/.test(name)) as never,
    );
    const { method = 'GET', url = '/' } = request;
    if (method === 'POST') {
      const first = JSON.parse(body).events[0].name;
      if (came.push(first) === 1) await sleep(firstWaitsMs);
      wentOn.push(first);
    }
    const answer = await fetch(target + url, { method, headers, ...(method === 'POST' ? { body } : {}) });
    response.writeHead(answer.status, Object.fromEntries([...answer.headers].filter(([name]) => name.startsWith('access-control-'))));
    response.end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, came, wentOn, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe("mave's clients in a browser", () => {
  let system: TestSystem;
  let browser: TestBrowser;
  let pages: { data: StaticServer; socket: StaticServer };
  let proxy: FaultProxy;
  let page: Page;
  let embeds = 0;
  const dataTexts: Record<string, string> = {};

  const ask = async (path: string): Promise<Answer> => {
    const response = await fetch(`${system.query}${path}`, { headers: { authorization: `Bearer ${system.readKey}` } });
    assert.equal(response.status, 200, path);
    return ((await response.json()) as Answer).data;
  };

  async function until<T>(what: string, find: () => Promise<T | undefined>, timeoutMs = SEALED_WITHIN_MS): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = await find();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${what}\n${system.log('ingest', { lines: 20 })}`);
      await sleep(200);
    }
  }

  /** The sessions of a video with their sections, as soon as they are as wanted. */
  async function sessionsOf(video: string, wanted: (entries: Answer[]) => boolean): Promise<Answer[]> {
    return until(`sessions of ${video}`, async () => {
      const listed: Answer[] = await ask(`/v1/sessions?video=${encodeURIComponent(video)}`);
      const entries = (await Promise.all(listed.map(({ session }) => ask(`/v1/sessions/${encodeURIComponent(session)}`)))).flat();
      return entries.length > 0 && wanted(entries) ? entries : undefined;
    });
  }

  async function only(video: string, wanted: (entry: Answer) => boolean): Promise<Answer> {
    const entries = await sessionsOf(video, (found) => found.length === 1 && wanted(found[0]));
    return entries[0];
  }

  const isSealed = (entry: Answer): boolean => entry.state === 'sealed';

  function assertWatched(entry: Answer, sections: readonly Section[], what: string): void {
    const total = sections.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
    const seen = JSON.stringify(entry.sections.map(({ fromMs, toMs }: Section) => [fromMs, toMs]));
    const tolerance = EDGE_MS * sections.length;
    assert.ok(Math.abs(entry.totalWatchMs - total) <= tolerance, `${what}: ${entry.totalWatchMs} instead of ${total} ms; ${seen}`);
    const wrongMs = differenceMs(entry.sections, sections);
    assert.ok(wrongMs <= 2 * tolerance, `${what}: ${wrongMs} ms elsewhere or not as often: ${seen} instead of ${JSON.stringify(sections)}`);
    assert.deepEqual([entry.stalls, entry.stallMs, entry.startFailures, entry.playbackFailures], [0, 0, 0, 0], 'nothing went wrong');
  }

  const askMave = async (path: string, body: object): Promise<Answer> => {
    const headers = { authorization: `Basic ${Buffer.from(`any:${system.readKey}`).toString('base64')}` };
    const response = await fetch(`${system.query}/api/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(response.status, 200, path);
    return response.json();
  };

  /** mave's own questions about the one session of a video, against what was played. */
  async function assertMaveAnswers(video: string, sections: readonly Section[]): Promise<void> {
    const question = { identifier: video, shape: '2024', interval: '1 year' };
    const totalMs = sections.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
    const [view] = (await askMave('views', question)).views;
    assert.equal(view.views, 1);
    assert.ok(Math.abs(view.total_view_time * 1_000 - totalMs) <= EDGE_MS * sections.length, `${view.total_view_time} s`);
    assert.ok(view.unique_total_view_time <= view.total_view_time);
    assert.deepEqual([view.platform.linux, view.device.desktop], [1, 1]);
    const [source] = (await askMave('sources', question)).sources;
    assert.match(source.host, /^127\.0\.0\.1/);
    assert.deepEqual([source.path, source.views], ['/client.html', 1]);
    const [curve] = (await askMave('engagement', question)).engagement;
    const viewers = new Map<number, number>(curve.per_second.map((each: Answer) => [each.second, each.views]));
    const data = await ask(`/api/v1/videos/${video}/data`);
    assert.equal(data.dropoff.duration_seconds, Math.ceil(CLIP_MS / 1_000));
    assert.deepEqual([data.views.year, data.sources.length, data.sources[0].percentage], [1, 1, 100]);
    for (const [second, watching] of data.dropoff.per_second.entries()) {
      const [from, to] = [second * 1_000, (second + 1) * 1_000];
      const inside = sections.some(({ fromMs, toMs }) => fromMs + EDGE_MS < to && toMs - EDGE_MS > from);
      const near = sections.some(({ fromMs, toMs }) => fromMs - EDGE_MS < to && toMs + EDGE_MS > from);
      if (inside || !near) assert.equal(watching, inside ? 1 : 0, `drop-off at second ${second}`);
      assert.equal(viewers.get(second) ?? 0, watching, `engagement at second ${second}`);
    }
  }

  const openData = async (server = system.ingest): Promise<{ player: Player; embed: string }> => {
    const embed = `${SPACE}${String(++embeds).padStart(10, '0')}`;
    const options = { endpoint: server, embed } as never;
    return { player: await openPlayer(page, `${pages.data.url}/client.html?utm_source=news`, options, 'clip.mp4'), embed };
  };
  const openSocket = async (vid: string, server = system.ingest): Promise<Player> => {
    const options = { socket: `${server.replace('http', 'ws')}/socket`, key: system.writeKey, metadata: { vid, course: 12 } } as never;
    return openPlayer(page, `${pages.socket.url}/client.html?utm_source=news`, options, 'clip.mp4');
  };

  /** The page's next events end so, one request each: a refusal in the words of the door, or a connection that is reset. */
  async function failNext(failures: string[]): Promise<void> {
    await page.setRequestInterception(true);
    page.on('request', (request) => {
      const failure = request.method() === 'POST' ? failures.shift() : undefined;
      if (failure === undefined) return void request.continue();
      if (failure === 'reset') return void request.abort('connectionreset');
      const headers = { 'access-control-allow-origin': request.headers()['origin'] ?? '*', 'retry-after': '2' };
      const body = JSON.stringify({ error: failure === '429' ? 'rate_limited' : 'unavailable', retry_after_seconds: 2 });
      void request.respond({ status: Number(failure), headers, contentType: 'application/json', body });
    });
  }

  before(async () => {
    system = await startSystem({ env: { ingest: { PLAYHEAD_TICK_INTERVAL_MS: '500', PLAYHEAD_INGEST_PREFIX_BURST: '10000' } } });
    const pool = createReadPool({
      url: system.database,
      applicationName: 'test',
      poolSize: 1,
      statementTimeoutMs: 10_000,
      readOnly: false,
    });
    await setAlias(pool, { kind: 'mave', foreignId: SPACE, site: system.site, settings: {} });
    await setDoor(pool, system.site, 'mave_socket', { videoField: 'vid' });
    await pool.close();
    const directory = fileURLToPath(new URL('./page/', import.meta.url));
    const files = { 'clip.mp4': await clipPath() };
    dataTexts['client.js'] = await clientBundle(DATA_CLIENT);
    const socketTexts = { 'client.js': await clientBundle(SOCKET_CLIENT) };
    pages = {
      data: await startStaticServer({ directory, files, texts: dataTexts }),
      socket: await startStaticServer({ directory, files, texts: socketTexts }),
    };
    proxy = await startFaultProxy({ targetPort: Number(new URL(system.ingest).port) });
    browser = await startBrowser();
    // The aliases are read every two seconds.
    await sleep(2_500);
  });
  after(async () => {
    await browser?.close();
    await proxy?.close();
    await pages?.data.close();
    await pages?.socket.close();
    await system?.stop();
  });
  beforeEach(async () => {
    page = await browser.browser.newPage();
  });
  afterEach(async () => {
    if (!page.isClosed()) await page.close();
  });

  describe('@maveio/data over HTTP', () => {
    it('play, seek forward and back, pause and close: the sections are those that were played', async () => {
      const { player, embed } = await openData();
      await player.play();
      await player.heard('playing');
      await player.reached(2_500);
      const forward = await player.seek(9);
      await player.heard('seeked', 1);
      await player.reached(11_000);
      const back = await player.seek(5);
      await player.heard('seeked', 2);
      await player.reached(6_500);
      const paused = await player.pause();
      await sleep(800);
      await player.play();
      await player.reached(8_000);
      const last = await player.here();
      await page.close();
      const entry = await only(embed, ({ evidence }) => evidence.received >= 8);
      assert.deepEqual([entry.plays, entry.seeks, entry.durationMs, entry.evidence.lost], [1, 2, CLIP_MS, 0]);
      assert.equal(entry.source, 'news');
      assert.match(entry.page, /^127\.0\.0\.1.*\/client\.html$/);
      const played = [
        { fromMs: 0, toMs: forward.positionMs },
        { fromMs: 9_000, toMs: back.positionMs },
        { fromMs: 5_000, toMs: paused.positionMs },
        { fromMs: paused.positionMs, toMs: last.positionMs },
      ];
      assertWatched(entry, played, 'total watch time');
      assert.ok(entry.uniqueWatchMs <= entry.totalWatchMs);
      assert.deepEqual([entry.platform, entry.device], ['Linux', 'desktop']);
      await assertMaveAnswers(embed, played);
      const types = (await ask(`/v1/sessions/${entry.session}/events`)).map(({ type }: Answer) => type);
      assert.equal(types[0], 'playing');
      assert.equal(types.length, entry.evidence.received);
    });

    it('the whole clip is a completion', async () => {
      const { player, embed } = await openData();
      await player.play();
      await player.heard('playing');
      await player.seek(11);
      await player.heard('ended');
      await sleep(500);
      await page.close();
      const entry = await only(embed, ({ completions }) => completions === 1);
      assert.equal(entry.plays, 1);
    });

    it('429, 503, resets before and after the log has it make it repeat whole batches: everything counts, nothing twice', async () => {
      const { player, embed } = await openData(`http://127.0.0.1:${proxy.port}`);
      await player.play();
      await player.heard('playing');
      await player.reached(1_000);
      // Its first batch (5 s after the start) has gone through before answers to its events begin to get lost.
      await until('the play', async () => ((await ask(`/v1/plays?video=${embed}`)).plays === 1 ? true : undefined), 20_000);
      proxy.loseNextReply();
      const failures = ['429', '503', 'reset'];
      await failNext(failures);
      const paused = await player.pause();
      // One attempt every five seconds: three that fail on the way, one whose answer is lost, and the one that is left.
      await until('the failures', async () => (failures.length === 0 ? true : undefined), 30_000);
      await sleep(11_000);
      await page.close();
      // A copy is counted as it comes, the first one after it has waited for older ones.
      const entry = await only(embed, ({ evidence }) => evidence.duplicates >= 1 && evidence.received >= 2);
      assert.deepEqual([entry.plays, entry.evidence.received, entry.evidence.lost], [1, 2, 0]);
      assertWatched(entry, [{ fromMs: 0, toMs: paused.positionMs }], 'total watch time');
    });

    it('a pause that overtakes what the hidden page has sent proves its play all the same', async () => {
      const relay = await startRelay(system.ingest, 2_500);
      try {
        const { player, embed } = await openData(relay.url);
        await player.play();
        await player.heard('playing');
        await player.reached(1_500);
        // Pages cannot be hidden in a browser without a window: the client is told what it would see.
        await page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })");
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
        await until('the beacon of the hidden page', async () => (relay.came.length > 0 ? true : undefined), 5_000);
        await page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true })");
        const paused = await player.pause();
        const entry = await only(embed, ({ evidence }) => evidence.received >= 2);
        assert.deepEqual(
          [relay.came.slice(0, 2), relay.wentOn.slice(0, 2)],
          [
            ['play', 'pause'],
            ['pause', 'play'],
          ],
        );
        assert.deepEqual([entry.plays, entry.seeks], [1, 0]);
        assertWatched(entry, [{ fromMs: 0, toMs: paused.positionMs }], 'total watch time');
        const events = await ask(`/v1/sessions/${entry.session}/events`);
        assert.deepEqual(events.map(({ type }: Answer) => type).slice(0, 2), ['playing', 'pause']);
      } finally {
        await relay.close();
      }
    });

    it('the gateway killed in the middle loses nothing', async () => {
      const { player, embed } = await openData();
      await player.play();
      await player.heard('playing');
      await player.reached(1_500);
      await system.kill('ingest', 'SIGKILL');
      const paused = await player.pause();
      await sleep(1_000);
      await player.play();
      await player.reached(paused.positionMs + 1_500);
      await system.start('ingest');
      const last = await player.pause();
      const entry = await only(embed, ({ evidence }) => evidence.received >= 4);
      await page.close();
      assert.equal(entry.plays, 1);
      assertWatched(
        entry,
        [
          { fromMs: 0, toMs: paused.positionMs },
          { fromMs: paused.positionMs, toMs: last.positionMs },
        ],
        'total watch time',
      );
    });

    it('an open play, its browser killed, is at most five seconds and never nothing', async () => {
      const doomed = await startBrowser();
      page = await doomed.browser.newPage();
      const { player, embed } = await openData();
      await player.play();
      await player.heard('playing');
      await player.reached(7_000);
      await only(embed, ({ plays }) => plays === 1);
      doomed.browser.process()?.kill('SIGKILL');
      await doomed.close();
      page = await browser.browser.newPage();
      await system.closeAll();
      const entry = await only(embed, isSealed);
      assert.equal(entry.totalWatchMs, 5_000);
    });
  });

  describe('@maveio/metrics over a socket', () => {
    it('play, pause, seek: proven to the last pause', async () => {
      const player = await openSocket('socket-script');
      await player.play();
      await player.heard('playing');
      await player.reached(2_000);
      const forward = await player.seek(9);
      await player.heard('seeked', 1);
      await player.reached(10_500);
      const paused = await player.pause();
      await sleep(500);
      await page.close();
      const entry = await only(
        'socket-script',
        ({ totalWatchMs }) => totalWatchMs >= forward.positionMs + paused.positionMs - 9_000 - EDGE_MS,
      );
      assert.deepEqual([entry.plays, entry.seeks, entry.durationMs, entry.source, entry.meta.course], [1, 1, CLIP_MS, 'news', 12]);
      const played = [
        { fromMs: 0, toMs: forward.positionMs },
        { fromMs: 9_000, toMs: paused.positionMs },
      ];
      assertWatched(entry, played, 'total watch time');
      assert.deepEqual([entry.platform, entry.device], ['Linux', 'desktop']);
      await assertMaveAnswers('socket-script', played);
      const contained = await askMave('views', { query: { video: { course: 12, vid: 'socket-script' } } });
      assert.equal(contained.views[0].views, 1);
    });

    it('cut in the middle of a play: it comes back to the same session, and the pause that follows proves the whole', async () => {
      const player = await openSocket('socket-cut', `http://127.0.0.1:${proxy.port}`);
      await player.play();
      await player.heard('playing');
      await player.reached(2_000);
      await only('socket-cut', ({ plays }) => plays === 1);
      const watching = { query: {}, identifier: 'socket-cut' };
      await until('a viewer', async () => ((await askMave('watching', watching)).watching === 1 ? true : undefined), 10_000);
      const { made } = proxy.counts();
      proxy.cut();
      await until('the client to come back', async () => (proxy.counts().made > made ? true : undefined), 20_000);
      await sleep(1_500);
      const paused = await player.pause();
      const entry = await only('socket-cut', ({ totalWatchMs }) => totalWatchMs > 0);
      await page.close();
      assert.deepEqual([entry.plays, entry.seeks, entry.sections.length], [1, 0, 1]);
      assertWatched(entry, [{ fromMs: 0, toMs: paused.positionMs }], 'total watch time');
      await assertMaveAnswers('socket-cut', [{ fromMs: 0, toMs: paused.positionMs }]);
    });

    it('the gateway restarted in the middle of a play: the same', async () => {
      const player = await openSocket('socket-restart');
      await player.play();
      await player.heard('playing');
      await player.reached(2_000);
      await only('socket-restart', ({ plays }) => plays === 1);
      await system.kill('ingest', 'SIGTERM');
      await system.start('ingest');
      await sleep(6_000);
      const paused = await player.pause();
      const entry = await only('socket-restart', ({ totalWatchMs }) => totalWatchMs > 0);
      await page.close();
      assert.equal(entry.plays, 1);
      assertWatched(entry, [{ fromMs: 0, toMs: paused.positionMs }], 'total watch time');
    });

    it('a page closed is a departure after a minute; while playing it is credited up to its close, and never beyond the video', async () => {
      const player = await openSocket('socket-close');
      await player.play();
      await player.heard('playing');
      await player.reached(3_000);
      const last = await player.here();
      await page.close();
      const entry = await only('socket-close', isSealed);
      assert.equal(entry.reason, 'leave');
      assertWatched(entry, [{ fromMs: 0, toMs: last.positionMs }], 'total watch time');
      assert.ok(entry.sections.every(({ toMs }: Section) => toMs <= CLIP_MS));
      const before = await only('socket-script', isSealed);
      assert.deepEqual([before.reason, before.plays, before.sections.length], ['leave', 1, 2]);
    });

    it('a page that never plays leaves no session', async () => {
      await openSocket('socket-silent');
      await sleep(1_500);
      await page.close();
      await sleep(1_000);
      assert.deepEqual(await ask('/v1/sessions?video=socket-silent'), []);
    });
  });

  it('the scripts of docs/doors/mave.md are all that a page needs', async () => {
    const text = await readFile(new URL('../../docs/doors/mave.md', import.meta.url), 'utf8');
    const scripts = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] as string);
    assert.equal(scripts.length, 2);
    const { host } = new URL(system.ingest);
    for (const [index, video] of ['abcde0123456789', 'intro'].entries()) {
      const script = (scripts[index] as string)
        .replace('https://stats.example.org', system.ingest)
        .replace('wss://stats.example.org', `ws://${host}`)
        .replace('pk_your_write_key', system.writeKey);
      const client = await clientBundle(`${script}\nwindow.startClient = () => {};`);
      dataTexts['client.js'] = client;
      const player = await openPlayer(page, `${pages.data.url}/client.html`, {} as never, 'clip.mp4');
      await player.play();
      await player.heard('playing');
      await player.reached(1_500);
      const paused = await player.pause();
      const entry = await only(video, ({ totalWatchMs }) => totalWatchMs > 0);
      assertWatched(entry, [{ fromMs: 0, toMs: paused.positionMs }], 'total watch time');
    }
  });

  it('what was counted is what the ledger holds', async () => {
    const { total } = await ask('/v1/ledger');
    assert.deepEqual([total.difference, total.dead], [0, 0]);
  });
});
