// mave's doors and read APIs against the running system: what their pages show is what happens, and what people asked of such a system
// is answered end to end. The scripts for pages run in test/browser/mave.test.ts.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { writeControl } from '../../infra/cli/control.ts';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogger } from '../../infra/runtime/log.ts';
import { docExamples, runDocExample } from '../support/doc-examples.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const PAGES = ['docs/doors/mave.md', 'docs/doors/mave-reads.md'];
const PATIENCE_MS = 40_000;
const [TALK, FILM] = ['abcdeissue00001', 'abcdeissue00002'];

// biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each assertion says what it expects of them.
type Answer = any;

describe('mave against the running system', { timeout: 300_000 }, () => {
  let system: TestSystem;
  before(async () => {
    system = await startSystem({ env: { ingest: { PLAYHEAD_INGEST_KEYS_REFRESH_MS: '100' } } });
  });
  after(() => system?.stop());

  const get = async (path: string): Promise<Answer> => {
    const response = await fetch(`${system.query}${path}`, { headers: { authorization: `Bearer ${system.readKey}` } });
    assert.equal(response.status, 200, path);
    return response.json();
  };
  const post = async (path: string, body: unknown): Promise<Answer> => {
    const headers = { authorization: `Basic ${Buffer.from(`me:${system.readKey}`).toString('base64')}` };
    const response = await fetch(`${system.query}/api/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(response.status, 200, path);
    return response.json();
  };
  const send = async (events: readonly object[]): Promise<void> => {
    const response = await fetch(`${system.ingest}/k/${system.writeKey}/v1/events`, { method: 'POST', body: JSON.stringify({ events }) });
    assert.equal(response.status, 202);
  };
  /** Asks until the answer is as wanted; figures are there within seconds. */
  async function until(ask: () => Promise<Answer>, wanted: (answer: Answer) => boolean): Promise<Answer> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const answer = await ask();
      if (wanted(answer)) return answer;
      assert.ok(Date.now() < deadline, `still ${JSON.stringify(answer).slice(0, 2_000)}`);
      await sleep(250);
    }
  }

  for (const page of PAGES) {
    describe(page, () => {
      it('has examples', () => assert.ok(docExamples(page).length >= 5));
      for (const example of docExamples(page)) {
        it(`line ${example.line} does as it says`, () =>
          runDocExample(example, {
            INGEST: system.ingest,
            QUERY: system.query,
            WRITE_KEY: system.writeKey,
            READ_KEY: system.readKey,
            SITE: system.site,
            DATABASE_URL: system.database,
          }));
      }
    });
  }

  describe('what was asked for, from the wire to the answer', () => {
    const start = Date.now() - 120_000;
    const [several, other] = [randomUUID(), randomUUID()];
    const topic = `issue-${randomUUID().slice(0, 8)}`;
    const event = (session_id: string, embed_id: string, name: string, seconds: number, video_time: number, path = '/a') => ({
      name,
      timestamp: start + seconds * 1_000,
      session_id,
      embed_id,
      video_time,
      duration: 60,
      source_url: `https://site.example${path}?utm_source=news`,
    });

    before(async () => {
      await send([
        event(several, TALK, 'play', 0, 0),
        event(several, TALK, 'pause', 8, 8),
        event(several, FILM, 'play', 10, 0),
        event(several, FILM, 'pause', 15, 5),
      ]);
      await send([event(other, TALK, 'play', 0, 20, '/b'), event(other, TALK, 'pause', 12, 32, '/b')]);
      await sendOverSocket();
      await until(
        () => get(`/v1/plays?video=${TALK}`),
        ({ data }) => data.plays === 3 && data.totalWatchMs === 38_000,
      );
    });

    /** What the client of 2023 tells: 18 s of the talk with a stall of 2 s, captions, and a while in full screen. */
    async function sendOverSocket(): Promise<void> {
      const url = `${system.ingest.replace('http', 'ws')}/socket/websocket?vsn=2.0.0&source_url=https%3A%2F%2Fblog.example%2Fpost`;
      const socket = new WebSocket(url);
      await new Promise((resolve) => socket.on('open', resolve));
      const joined = new Promise((resolve) => socket.on('message', resolve));
      const say = (ref: string, name: string, payload: object) =>
        socket.send(JSON.stringify(['3', ref, `session:${topic}`, name, payload]));
      say('3', 'phx_join', { identifier: TALK, metadata: { course: 7 }, key: system.writeKey, session_data: { plan: 'pro' } });
      await joined;
      const told: [string, number, object][] = [
        ['play', 0, { from: 0, duration: 60 }],
        ['track_set', 2, { language: 'nl' }],
        ['fullscreen_enter', 4, {}],
        ['rebuffering_start', 10, { from: 10 }],
        ['rebuffering_end', 12, {}],
        ['fullscreen_exit', 15, {}],
        ['pause', 20, { to: 18 }],
      ];
      for (const [index, [name, seconds, more]] of told.entries())
        say(String(index + 4), 'event', { name, timestamp: start + seconds * 1_000, ...more });
      await until(
        () => get(`/v1/sessions?video=${TALK}`),
        ({ data }) => data.some(({ session, totalWatchMs }: Answer) => session === topic && totalWatchMs === 18_000),
      );
      socket.close();
    }

    it('views per source', async () => {
      const { sources } = await post('sources', { identifier: TALK, shape: '2024', interval: '1 year' });
      assert.deepEqual(
        sources.map(({ host, path, views }: Answer) => [host, path, views]),
        [
          ['blog.example', '/post', 1],
          ['site.example', '/a', 1],
          ['site.example', '/b', 1],
        ],
      );
      const { data } = await get(`/v1/plays?video=${TALK}&groupBy=source`);
      assert.deepEqual(data.map(({ value, plays }: Answer) => [value, plays]).sort(), [
        ['', 1],
        ['news', 2],
      ]);
    });

    it('rebuffer time per video', async () => {
      const { data } = await get('/v1/quality?groupBy=video');
      const [talk, film] = [TALK, FILM].map((video) => data.find(({ value }: Answer) => value === video));
      assert.deepEqual([talk.stalls, talk.stallMs, film.stalls, film.stallMs], [1, 2_000, 0, 0]);
    });

    it('all single events of a session, fullscreen and captions among them', async () => {
      const { data } = await get(`/v1/sessions/${topic}/events`);
      assert.deepEqual(
        data
          .filter(({ type }: Answer) => type !== 'leave')
          .map(({ type, positionMs, on, language }: Answer) =>
            [type, positionMs, on, language].filter((value) => (value ?? null) !== null),
          ),
        [
          ['playing', 0],
          ['captions', true, 'nl'],
          ['fullscreen', true],
          ['stall_start', 10_000],
          ['stall_end'],
          ['fullscreen', false],
          ['pause', 18_000],
        ],
      );
    });

    it('several videos in one session', async () => {
      const { data } = await get(`/v1/sessions/${several}`);
      assert.deepEqual(data.map(({ video, totalWatchMs, plays }: Answer) => [video, totalWatchMs, plays]).sort(), [
        [TALK, 8_000, 1],
        [FILM, 5_000, 1],
      ]);
      const events = (await get(`/v1/sessions/${several}/events`)).data;
      assert.deepEqual(
        events.map(({ video, type }: Answer) => `${video} ${type}`),
        [`${TALK} playing`, `${TALK} pause`, `${FILM} playing`, `${FILM} pause`],
      );
    });

    it('pages: each session once, newest first, whatever the size of a page', async () => {
      const whole = (await get(`/v1/sessions?video=${TALK}&video=${FILM}`)).data;
      assert.equal(whole.length, 4);
      const listed: Answer[] = [];
      let next: string | null | undefined;
      do {
        const page: Answer = await get(
          `/v1/sessions?video=${TALK}&video=${FILM}&limit=1${next ? `&cursor=${encodeURIComponent(next)}` : ''}`,
        );
        assert.equal(page.data.length, 1);
        listed.push(...page.data);
        next = page.next;
      } while (next);
      const idsOf = (rows: Answer[]): string[] => rows.map(({ session, video }) => `${session} ${video}`);
      assert.deepEqual(idsOf(listed), idsOf(whole));
    });

    it('the same figures in both dialects', async () => {
      const [view] = (await post('views', { identifier: TALK, shape: '2024', interval: '1 year' })).views;
      assert.deepEqual([view.views, view.total_view_time, view.unique_total_view_time], [3, 38, 38]);
      const [second] = (await post('engagement', { identifier: TALK, shape: '2024', interval: '1 year' })).engagement;
      const viewsAt = (at: number) => second.per_second.find((each: Answer) => each.second === at)?.views ?? 0;
      // The session over the socket is in [0, 18), the others in [0, 8) and [20, 32).
      assert.deepEqual([0, 7, 8, 17, 18, 19, 20, 31, 32].map(viewsAt), [2, 2, 1, 1, 0, 0, 1, 1, 0]);
      const { data } = await get(`/api/v1/videos/${TALK}/data`);
      assert.deepEqual([data.views.year >= 3, data.dropoff.duration_seconds, data.dropoff.per_second[7]], [true, 60, 2]);
      const byMeta = await post('views', { query: { session: { plan: 'pro' } }, interval: '1 year' });
      assert.equal(byMeta.views[0].views, 1);
      const ofVideo = await post('views', { query: { video: { course: 7 } }, interval: '1 year' });
      assert.equal(ofVideo.views[0].views, 3, 'what one session says of the video is true of all');
    });

    it('abandoned sessions stop by themselves', async () => {
      const abandoned = randomUUID();
      await send([event(abandoned, FILM, 'play', 100, 58)]);
      await until(
        () => get(`/v1/sessions?video=${FILM}`),
        ({ data }) => data.some(({ session, state }: Answer) => session === abandoned && state === 'provisional'),
      );
      const config = { kafkaBrokers: [...system.brokers], topic: system.topic, partitions: system.partitions, singleNode: true };
      const logger = createLogger({ service: 'test', instance: 'test', level: 'fatal' });
      const settings = { command: 'settings', site: system.site, protocol: 'mave', settings: { idleGapMs: 2_000 } } as const;
      await writeControl({ config, ids: system.schemaIds, logger, scheduler: systemScheduler }, settings as never);
      const { data } = await until(
        () => get(`/v1/sessions/${abandoned}`),
        ({ data: [entry] }) => entry.state === 'sealed',
      );
      // It was playing two seconds before the end of the film: an open play is credited five seconds, never beyond the end.
      assert.deepEqual([data[0].reason, data[0].totalWatchMs, data[0].plays], ['idle', 2_000, 1]);
    });
  });
});
