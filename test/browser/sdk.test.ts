// The SDK alone in a real browser, with a real video, against an endpoint that writes down what comes.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'puppeteer-core';
import { readNativeBody } from '../../ingest/core/protocols/native.ts';
import { buildSdk } from '../../ingest/sdk/build.ts';
import { BATCH_BYTES_MAX } from '../../ingest/sdk/queue.ts';
import type { TrackOptions } from '../../ingest/sdk/types.ts';
import { type BeaconRecorder, type RecordedEvent, startBeaconRecorder } from '../support/beacon-recorder.ts';
import { startBrowser, type TestBrowser } from '../support/browser.ts';
import { CLIP_MS, clipPath } from '../support/clip.ts';
import { type StaticServer, startStaticServer } from '../support/static-server.ts';
import { openPlayer, watchScript } from './script.ts';

const TOLERANCE_MS = 300;
const near = (actual: number | undefined, expected: number, what: string): void =>
  assert.ok(actual !== undefined && Math.abs(actual - expected) <= TOLERANCE_MS, `${what}: ${actual} instead of ${expected}`);

async function until<T>(what: string, find: () => T | undefined | false, timeoutMs = 10_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = find();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

/** Numbers 0..n without a hole, times that never go back. */
function assertWhole(events: RecordedEvent[]): void {
  assert.deepEqual(
    events.map((event) => event.seq),
    events.map((_, index) => index),
    'numbers without holes',
  );
  for (const [index, event] of events.entries()) {
    if (index > 0) assert.ok(event.at >= (events[index - 1] as RecordedEvent).at, `time of ${event.type} (${event.seq}) goes back`);
  }
}

describe('the SDK in a browser', () => {
  let browser: TestBrowser;
  let site: StaticServer;
  let recorder: BeaconRecorder;
  let page: Page;
  let errors: string[];
  const texts: Record<string, string> = {};
  const options = (more: Partial<TrackOptions> = {}): TrackOptions => ({
    endpoint: recorder.url,
    key: 'pk_test',
    video: { id: 'clip', title: 'Clip' },
    ...more,
  });
  const url = (): string => `${site.url}/player.html?utm_source=news&token=secret#fragment`;
  const of = (type: string): RecordedEvent[] => recorder.events().filter((event) => event.type === type);

  before(async () => {
    texts['playhead.js'] = (await buildSdk()).iife;
    site = await startStaticServer({
      directory: fileURLToPath(new URL('./page/', import.meta.url)),
      files: { 'clip.mp4': await clipPath() },
      texts,
    });
    browser = await startBrowser();
  });
  after(async () => {
    await browser.close();
    await site.close();
  });
  beforeEach(async () => {
    recorder = await startBeaconRecorder();
    site.holdBackFrom(undefined);
    errors = [];
    page = await browser.browser.newPage();
    page.on('pageerror', (error) => errors.push(String(error)));
  });
  afterEach(async () => {
    if (!page.isClosed()) await page.close();
    await recorder.close();
    assert.deepEqual(errors, []);
    // Whatever was sent, the gateway would have understood every field of it.
    for (const { beacons } of recorder.requests.filter((request) => request.beacons.length > 0)) {
      const read = readNativeBody(beacons, { hashId: (id) => id, bodyBytes: BATCH_BYTES_MAX });
      assert.ok(read.ok, JSON.stringify(read));
      for (const draft of read.drafts) assert.deepEqual([draft.rejects, draft.ignoredFields], [[], 0]);
    }
  });

  it('play, pause, seeks, rate and end are reported where and when they happened', async () => {
    const player = await openPlayer(page, url(), options({ meta: { plan: 'free' } }), 'clip.mp4');
    let firstSeenAfterMs = Number.NaN;
    const truth = await watchScript(player, async () => {
      await until('playing received', () => of('playing')[0]);
      firstSeenAfterMs = Date.now() - (await player.heard('playing')).at;
    });
    await until('ended received', () => of('ended')[0]);
    await page.close({ runBeforeUnload: false });
    const leave = await until('leave received', () => of('leave')[0]);

    assertWhole(recorder.events());
    assert.ok(firstSeenAfterMs < 500, `playing arrived after ${firstSeenAfterMs} ms`);
    const [attempt, playing] = [of('attempt')[0] as RecordedEvent, of('playing')[0] as RecordedEvent];
    near(attempt.at, truth.startedAt, 'attempt');
    near(playing.at - attempt.at, truth.startupMs, 'startup');
    near(of('pause')[0]?.positionMs, truth.pausedAt.positionMs, 'pause');
    near(of('pause')[0]?.at, truth.pausedAt.at, 'pause time');
    assert.equal(of('pause').length, 1);
    const seeks = of('seek');
    assert.equal(seeks.length, truth.seeks.length);
    for (const [index, seek] of truth.seeks.entries()) {
      near(seeks[index]?.fromMs, seek.fromMs, `seek ${index} from`);
      assert.equal(seeks[index]?.toMs, seek.toMs);
    }
    assert.deepEqual(
      of('rate').map((event) => event.rate),
      [2, 1],
    );
    assert.equal(of('ended').length, 1);
    near(of('ended')[0]?.positionMs, CLIP_MS, 'ended');
    assert.equal(leave.seq, recorder.events().length - 1);
    assert.equal(of('stall_start').length, 0);
    assert.equal(of('error').length, 0);
    assert.deepEqual([of('quality')[0]?.width, of('quality')[0]?.height], [320, 180]);
    // The first heartbeat early; while frames move no more than five seconds pass without a proven place.
    near((of('heartbeat')[0]?.at as number) - playing.at, 1_000, 'first heartbeat');
    for (const [index, event] of recorder.events().entries()) {
      const next = recorder.events()[index + 1];
      if (next && ['playing', 'heartbeat', 'rate'].includes(event.type)) assert.ok(next.at - event.at <= 5_000 + TOLERANCE_MS);
    }
  });

  it('the beacon says what api.md asks, with the query of the page cut to the campaign', async () => {
    const player = await openPlayer(page, url(), options({ meta: { plan: 'free' }, player: { name: 'bare', version: '1.0' } }), 'clip.mp4');
    await player.play();
    await player.reached(1_500);
    await until('heartbeat', () => of('heartbeat')[0]);
    const bodies = recorder.requests.flatMap((request) => request.beacons);
    const [first, last] = [bodies[0], bodies.at(-1)] as [Record<string, unknown>, Record<string, unknown>];
    assert.match(player.session, /^[A-Za-z0-9_-]{20,64}$/);
    assert.equal(first['key'], 'pk_test');
    assert.equal(first['session'], player.session);
    assert.equal(first['page'], `${site.url}/player.html?utm_source=news`);
    assert.deepEqual(first['meta'], { plan: 'free' });
    assert.deepEqual(first['player'], { name: 'bare', version: '1.0' });
    assert.deepEqual(last['video'], { id: 'clip' });
    const described = bodies.map((body) => body.video).filter((video) => 'durationMs' in video);
    assert.deepEqual(described[0], { id: 'clip', title: 'Clip', durationMs: CLIP_MS });
    for (const request of recorder.requests) {
      assert.ok(Math.abs((request.beacons[0]?.sentAt as number) - request.at) < 1_000);
      assert.equal(request.headers.cookie, undefined);
    }
    assert.deepEqual(await page.cookies(), []);
    assert.equal(await page.evaluate('localStorage.length + sessionStorage.length'), 0);
  });

  it('needs no preflight, in a browser that sends them', async () => {
    const player = await openPlayer(page, url(), options(), 'clip.mp4');
    await player.play();
    await until('playing', () => of('playing')[0]);
    assert.deepEqual(
      recorder.requests.map((request) => request.method),
      recorder.requests.map(() => 'POST'),
    );
    for (const request of recorder.requests) {
      assert.match(request.headers['content-type'] ?? '', /^text\/plain/);
      assert.equal(request.headers.origin, site.url);
    }
    await page.evaluate(
      (to) => fetch(to, { method: 'POST', body: '[]', headers: { 'content-type': 'application/json' } }).then((answer) => answer.status),
      `${recorder.url}/v1/beacons`,
    );
    assert.ok(
      recorder.requests.some((request) => request.method === 'OPTIONS'),
      'a JSON request is preflighted, so web security is on',
    );
  });

  it('a dry buffer is one stall, where and as long as it was', async () => {
    site.holdBackFrom(450_000);
    const player = await openPlayer(page, url(), options(), 'clip.mp4');
    await player.play();
    const waiting = await player.heard('waiting', 2); // the first is startup
    await sleep(1_200);
    site.holdBackFrom(undefined);
    const again = await player.heard('playing', 2);
    await player.reached(again.positionMs + 1_500);
    await page.close();
    await until('leave', () => of('leave')[0]);
    assertWhole(recorder.events());
    const [start, end] = [of('stall_start'), of('stall_end')];
    assert.deepEqual([start.length, end.length], [1, 1]);
    near(start[0]?.positionMs, waiting.positionMs, 'place');
    near(start[0]?.at, waiting.at, 'time');
    near((end[0]?.at as number) - (start[0]?.at as number), again.at - waiting.at, 'length');
    assert.equal(of('playing').length, 2);
  });

  it('a seek into what is not loaded is no stall', async () => {
    site.holdBackFrom(450_000);
    const player = await openPlayer(page, url(), options(), 'clip.mp4');
    await player.play();
    await player.reached(500);
    await player.seek(12);
    await sleep(1_000);
    site.holdBackFrom(undefined);
    await player.reached(12_500);
    await page.close();
    await until('leave', () => of('leave')[0]);
    assert.deepEqual([of('stall_start').length, of('seek').length, of('playing').length], [0, 1, 2]);
    near(of('playing')[1]?.positionMs, 12_000, 'play goes on');
  });

  it('scrubbing over the timeline is one seek', async () => {
    const player = await openPlayer(page, url(), options(), 'clip.mp4');
    await player.play();
    await player.reached(1_000);
    const from = await player.seek(3);
    for (const place of [4, 6, 8, 7]) {
      await sleep(80);
      await player.seek(place);
    }
    await player.reached(8_000);
    await until('seek', () => of('seek')[0]);
    await page.close();
    await until('leave', () => of('leave')[0]);
    assert.equal(of('seek').length, 1);
    near(of('seek')[0]?.fromMs, from.positionMs, 'from');
    assert.equal(of('seek')[0]?.toMs, 7_000);
    assertWhole(recorder.events());
  });

  it('a missing file is a fatal error', async () => {
    const player = await openPlayer(page, url(), options(), 'missing.mp4');
    await player.play();
    const error = await until('error', () => of('error')[0]);
    assert.deepEqual([error.code, error.fatal], ['MEDIA_ERR_SRC_NOT_SUPPORTED', true]);
    assert.equal(recorder.events()[0]?.type, 'attempt');
    assert.equal(of('playing').length, 0);
  });

  it('navigating away reports where play was left; coming back is another session', async () => {
    const player = await openPlayer(page, url(), options(), 'clip.mp4');
    await player.play();
    await player.reached(1_700);
    const here = await player.here();
    await page.goto(`${site.url}/playhead.js`);
    const leave = await until('leave', () => of('leave')[0]);
    near(leave.positionMs, here.positionMs, 'leave');
    assertWhole(recorder.events(player.session));
    await page.goBack();
    const sessions = new Set(recorder.requests.flatMap((request) => request.beacons.map((beacon) => beacon.session)));
    const restored = await page.evaluate('window.tracker?.session');
    // Where the browser kept the page it goes on under another id, else the page is new and untracked.
    assert.notEqual(restored, player.session);
    for (const session of sessions) assert.equal(recorder.events(session)[0]?.seq, 0);
  });

  it('a page kept in the back-forward cache leaves, and goes on as another session when it is shown again', async () => {
    const player = await openPlayer(page, url(), options(), 'clip.mp4');
    await player.play();
    await player.reached(1_000);
    await page.evaluate(`dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))`);
    await until('leave', () => of('leave')[0]);
    await page.evaluate(`dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))`);
    const session = (await page.evaluate('tracker.session')) as string;
    assert.notEqual(session, player.session);
    const playing = await until('playing again', () => recorder.events(session)[0]);
    assert.deepEqual([playing.type, playing.seq], ['playing', 0]);
    near(playing.positionMs, (await player.here()).positionMs, 'place');
    assertWhole(recorder.events(player.session));
  });

  it('a hidden page sends what it has, and plays on', async () => {
    const player = await openPlayer(page, url(), options({ heartbeatMs: 60_000 }), 'clip.mp4');
    await player.play();
    await player.reached(1_600);
    await until('first heartbeat', () => of('heartbeat')[0]);
    const hidden = await player.here();
    await page.evaluate(
      `Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
    );
    const heartbeat = await until('heartbeat out of turn', () => of('heartbeat')[1], 1_000);
    near(heartbeat.positionMs, hidden.positionMs, 'heartbeat');
  });

  it('offline for some seconds: nothing is lost, the same numbers are sent again', async () => {
    const player = await openPlayer(page, url(), options({ heartbeatMs: 1_000 }), 'clip.mp4');
    await player.play();
    await player.reached(2_000);
    await page.setOfflineMode(true);
    const offlineAt = Date.now();
    await player.pause();
    await player.play();
    await sleep(4_000);
    const silence = recorder.requests.filter((request) => request.at > offlineAt + 200).length;
    await page.setOfflineMode(false);
    await until('pause', () => of('pause')[0]);
    await page.close();
    await until('leave', () => of('leave')[0]);
    assert.equal(silence, 0);
    assertWhole(recorder.events());
    const late = recorder.events().filter((event) => event.receivedAt - event.at > 1_500);
    assert.ok(late.length >= 3, `${late.length} events waited`);
  });

  it('503 with Retry-After: waits as long as asked, then sends the same numbers', async () => {
    recorder.answer = { status: 503, retryAfterSeconds: 3 };
    const player = await openPlayer(page, url(), options({ heartbeatMs: 1_000 }), 'clip.mp4');
    await player.play();
    await until('a request', () => recorder.requests.length > 0);
    await sleep(2_500);
    assert.equal(recorder.requests.length, 1);
    recorder.answer = { status: 202 };
    await until('second request', () => recorder.requests.length > 1);
    const [first, second] = recorder.requests as [(typeof recorder.requests)[0], (typeof recorder.requests)[0]];
    assert.ok(second.at - first.at >= 2_950, `${second.at - first.at} ms`);
    assert.equal(second.beacons[0]?.events[0]?.seq, 0);
    await page.close();
    await until('leave', () => of('leave')[0]);
    assertWhole(recorder.events());
  });

  it('custom events, another video and stop: one numbering over all', async () => {
    const player = await openPlayer(page, url(), options(), 'clip.mp4');
    await player.play();
    await player.reached(1_000);
    const results = await page.evaluate(`[
      tracker.event('chapter', { number: 2 }),
      tracker.event('', {}),
      tracker.event('large', 'x'.repeat(3000)),
    ]`);
    assert.deepEqual(results, [true, false, false]);
    const before = await player.here();
    await page.evaluate(`tracker.setVideo({ id: 'next' }); video.src = 'clip.mp4?next'; void video.play()`);
    await player.heard('playing', 2);
    await player.reached(800);
    await page.evaluate('tracker.stop(); void video.pause()');
    await until('both have left', () => of('leave').length === 2);
    assertWhole(recorder.events());
    assert.deepEqual(
      of('leave').map((event) => event.video),
      ['clip', 'next'],
    );
    near(of('leave')[0]?.positionMs, before.positionMs, 'leave of the first');
    assert.deepEqual(
      of('attempt').map((event) => event.video),
      ['clip', 'next'],
    );
    assert.deepEqual([of('custom')[0]?.name, of('custom')[0]?.data], ['chapter', { number: 2 }]);
  });

  it('one script tag tracks what is marked', async () => {
    texts['tagged.html'] = `<!doctype html><script src="playhead.js" data-key="pk_tagged" data-endpoint="${recorder.url}"></script>
      <video data-playhead-video="tagged" data-playhead-title="Tagged" src="clip.mp4" muted></video>`;
    await page.goto(`${site.url}/tagged.html`);
    await page.evaluate(`document.querySelector('video').play()`);
    const playing = await until('playing', () => of('playing')[0]);
    assert.equal(playing.video, 'tagged');
    assert.equal(recorder.requests[0]?.beacons[0]?.['key'], 'pk_tagged');
  });

  it('Do-Not-Track and Global Privacy Control: nothing is sent where the page respects them', async () => {
    await page.evaluateOnNewDocument(`Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })`);
    const player = await openPlayer(page, url(), options({ respectDoNotTrack: true }), 'clip.mp4');
    await player.play();
    await player.reached(1_500);
    await page.close();
    await sleep(300);
    assert.deepEqual([player.session, recorder.requests.length], ['', 0]);
  });
});
