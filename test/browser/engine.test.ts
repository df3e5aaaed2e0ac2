// A viewer in a real browser, the whole system behind: what the script did is what the query API answers.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Page } from 'puppeteer-core';
import type { TrackOptions } from '../../ingest/sdk/types.ts';
import { startBrowser, type TestBrowser } from '../support/browser.ts';
import { CLIP_MS, clipPath } from '../support/clip.ts';
import { type StaticServer, startStaticServer } from '../support/static-server.ts';
import { startSystem, type TestSystem } from '../support/system.ts';
import { openPlayer, type Section, watchScript } from './script.ts';

const TOLERANCE_MS = 300;
/** A leave lingers 10 s, the end of a video 5 min of log time, which ticks let pass. */
const SEALED_WITHIN_MS = 60_000;

const near = (actual: number | undefined | null, expected: number, what: string): void =>
  assert.ok(typeof actual === 'number' && Math.abs(actual - expected) <= TOLERANCE_MS, `${what}: ${actual} instead of ${expected}`);

/** Joins stretches that continue each other: a pause or a change of rate is no jump. */
function joined(sections: readonly Section[]): Section[] {
  const result: Section[] = [];
  for (const { fromMs, toMs } of sections) {
    const last = result.at(-1);
    if (last && Math.abs(last.toMs - fromMs) <= 1) last.toMs = toMs;
    else result.push({ fromMs, toMs });
  }
  return result;
}

const totalMs = (sections: readonly Section[]): number => sections.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);

/** Length of the union, counted the dull way: one cell per millisecond. */
function uniqueMs(sections: readonly Section[]): number {
  const cells = new Uint8Array(CLIP_MS + 1_000);
  for (const { fromMs, toMs } of sections) cells.fill(1, Math.round(fromMs), Math.round(toMs));
  return cells.reduce((sum, cell) => sum + cell, 0);
}

// biome-ignore lint/suspicious/noExplicitAny: answers are JSON, and each assertion says what it expects of them.
type Answer = any;

describe('the engine behind a browser', () => {
  let system: TestSystem;
  let browser: TestBrowser;
  let site: StaticServer;
  let page: Page;
  const texts: Record<string, string> = {};

  const options = (id: string): TrackOptions => ({ endpoint: system.ingest, key: system.writeKey, video: { id, title: id } });
  const url = (): string => `${site.url}/player.html?utm_source=news&utm_medium=mail&token=secret`;

  async function ask(path: string): Promise<{ status: number; body: Answer }> {
    const response = await fetch(`${system.query}${path}`, { headers: { authorization: `Bearer ${system.readKey}` } });
    return { status: response.status, body: await response.json() };
  }

  async function until(what: string, find: () => Promise<Answer>, timeoutMs: number): Promise<Answer> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = await find();
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${what}\n${system.log('processor', { lines: 20 })}`);
      await sleep(100);
    }
  }

  const sealed = (session: string): Promise<Answer> =>
    until(
      `session ${session} is sealed`,
      async () => {
        const { status, body } = await ask(`/v1/sessions/${session}`);
        return status === 200 && body.data.every((entry: Answer) => entry.state === 'sealed') ? body.data : undefined;
      },
      SEALED_WITHIN_MS,
    );

  before(async () => {
    system = await startSystem({ env: { ingest: { PLAYHEAD_TICK_INTERVAL_MS: '500' } } });
    texts['playhead.js'] = await (await fetch(`${system.ingest}/sdk.js`)).text();
    site = await startStaticServer({
      directory: fileURLToPath(new URL('./page/', import.meta.url)),
      files: { 'clip.mp4': await clipPath() },
      texts,
    });
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await site?.close();
    await system?.stop();
  });
  beforeEach(async () => {
    site.holdBackFrom(undefined);
    page = await browser.browser.newPage();
  });
  afterEach(async () => {
    if (!page.isClosed()) await page.close();
  });

  it('a play is in the answers within 2 s; the sealed session is what the script did', async (t) => {
    const player = await openPlayer(page, url(), options('scripted'), 'clip.mp4');
    let visibleAfterMs = Number.NaN;
    const truth = await watchScript(player, async () => {
      const first = await player.heard('playing');
      await until('the play', async () => (await ask('/v1/plays?video=scripted')).body.data.plays === 1, 10_000);
      visibleAfterMs = Date.now() - first.at;
    });
    await page.close({ runBeforeUnload: false });
    const [entry] = await sealed(truth.session);

    t.diagnostic(`the play was visible after ${Math.round(visibleAfterMs)} ms`);
    assert.ok(visibleAfterMs < 2_000, `visible after ${visibleAfterMs} ms`);
    assert.equal(entry.reason, 'leave');
    assert.deepEqual([entry.video, entry.attempts, entry.plays, entry.completions], ['scripted', 1, 1, 1]);
    assert.deepEqual([entry.stalls, entry.stallMs, entry.startFailures, entry.playbackFailures], [0, 0, 0, 0]);
    near(entry.startupMs, truth.startupMs, 'startup');
    const played = joined(entry.sections);
    const expected = joined(truth.sections);
    assert.equal(played.length, expected.length, JSON.stringify(entry.sections));
    for (const [index, section] of expected.entries()) {
      near(played[index]?.fromMs, section.fromMs, `section ${index} from`);
      near(played[index]?.toMs, section.toMs, `section ${index} to`);
    }
    near(entry.totalWatchMs, totalMs(truth.sections), 'total watch time');
    near(entry.uniqueWatchMs, uniqueMs(truth.sections), 'unique watch time');
    assert.deepEqual([entry.source, entry.medium, entry.device], ['news', 'mail', 'desktop']);
    const { evidence } = entry;
    assert.deepEqual([evidence.lost, evidence.late, evidence.parts], [0, 0, 1]);
    near(Date.parse(entry.startedAt), truth.startedAt, 'started');

    const { body } = await ask(`/v1/sessions/${truth.session}/events`);
    const seeks = body.data.filter((event: Answer) => event.type === 'seek');
    assert.equal(seeks.length, truth.seeks.length);
    for (const [index, seek] of truth.seeks.entries()) {
      near(seeks[index].fromMs, seek.fromMs, `seek ${index} from`);
      assert.equal(seeks[index].toMs, seek.toMs);
    }
    assert.deepEqual(
      body.data.map((event: Answer) => event.seq),
      body.data.map((_: Answer, index: number) => index),
    );
  });

  it('a stall is counted with its length, and the page closed in the middle is a leave', async () => {
    site.holdBackFrom(450_000);
    const player = await openPlayer(page, url(), options('stalled'), 'clip.mp4');
    await player.play();
    const waiting = await player.heard('waiting', 2); // the first is startup
    await sleep(1_200);
    site.holdBackFrom(undefined);
    const again = await player.heard('playing', 2);
    await player.reached(again.positionMs + 1_000);
    const last = await player.here();
    await page.close({ runBeforeUnload: false });
    const [entry] = await sealed(player.session);
    assert.deepEqual([entry.reason, entry.stalls, entry.completions], ['leave', 1, 0]);
    near(entry.stallMs, again.at - waiting.at, 'stall');
    near(entry.totalWatchMs, last.positionMs, 'total watch time');
  });

  it('a missing file is a start failure, leaving before the first frame an exit', async () => {
    const broken = await openPlayer(page, url(), options('broken'), 'missing.mp4');
    await broken.play();
    await broken.heard('error');
    await page.goto('about:blank');
    site.holdBackFrom(0);
    const impatient = await openPlayer(page, url(), options('impatient'), 'clip.mp4');
    await impatient.play();
    await sleep(500);
    await page.close();
    const [failed] = await sealed(broken.session);
    assert.deepEqual([failed.attempts, failed.plays, failed.startFailures, failed.totalWatchMs], [1, 0, 1, 0]);
    const [left] = await sealed(impatient.session);
    assert.deepEqual([left.attempts, left.plays, left.exitsBeforeStart, left.startFailures], [1, 0, 1, 0]);
  });

  it('offline for some seconds loses nothing and counts nothing twice', async () => {
    const player = await openPlayer(page, url(), { ...options('offline'), heartbeatMs: 1_000 }, 'clip.mp4');
    await player.play();
    await player.reached(1_500);
    await page.setOfflineMode(true);
    await player.reached(5_000);
    await page.setOfflineMode(false);
    await player.reached(7_000);
    const last = await player.here();
    await page.close();
    const [entry] = await sealed(player.session);
    near(entry.totalWatchMs, last.positionMs, 'total watch time');
    assert.deepEqual([entry.evidence.lost, entry.evidence.late, entry.sections.length], [0, 0, 1]);
  });

  it('the gateway killed in the middle of a play loses nothing', async () => {
    const player = await openPlayer(page, url(), { ...options('outage'), heartbeatMs: 1_000 }, 'clip.mp4');
    await player.play();
    await player.reached(1_500);
    await system.kill('ingest', 'SIGKILL');
    await player.reached(3_500);
    await player.seek(8);
    await system.start('ingest');
    await player.reached(12_000);
    const last = await player.here();
    await page.close();
    const [entry] = await sealed(player.session);
    near(entry.totalWatchMs, 3_500 + last.positionMs - 8_000, 'total watch time');
    assert.deepEqual([entry.evidence.lost, entry.evidence.late], [0, 0]);
  });

  it('another video on the same element is another session of the same viewer', async () => {
    const player = await openPlayer(page, url(), options('first'), 'clip.mp4');
    await player.play();
    await player.reached(1_500);
    await page.evaluate(`tracker.setVideo({ id: 'second' }); video.src = 'clip.mp4?second'; void video.play()`);
    await player.heard('playing', 2);
    await player.reached(2_000);
    await page.close();
    const entries = await sealed(player.session);
    assert.deepEqual(entries.map((entry: Answer) => entry.video).sort(), ['first', 'second']);
    for (const entry of entries) assert.deepEqual([entry.plays, entry.reason, entry.evidence.lost], [1, 'leave', 0]);
  });

  it('a browser that is killed leaves what was proven, and live while it played', async () => {
    const doomed = await startBrowser();
    const player = await openPlayer(await doomed.browser.newPage(), url(), { ...options('killed'), heartbeatMs: 1_000 }, 'clip.mp4');
    await player.play();
    await player.reached(2_000);
    const live = await until(
      'the live viewer',
      async () => {
        const { body } = await ask('/v1/live');
        return body.data.videos.some((entry: Answer) => entry.video === 'killed' && entry.viewers === 1);
      },
      10_000,
    );
    await player.reached(4_500);
    const last = await player.here();
    doomed.browser.process()?.kill('SIGKILL');
    await doomed.close();
    await system.closeAll();
    const [entry] = await sealed(player.session);
    assert.ok(live);
    assert.deepEqual([entry.reason, entry.plays, entry.evidence.lost], ['closed', 1, 0]);
    assert.ok(
      entry.totalWatchMs <= last.positionMs + TOLERANCE_MS && entry.totalWatchMs >= last.positionMs - 1_500,
      `${entry.totalWatchMs}`,
    );
  });

  it('one script tag of the gateway is enough', async () => {
    texts['tagged.html'] = `<!doctype html><script src="${system.ingest}/sdk.js" data-key="${system.writeKey}"></script>
      <video data-playhead-video="tagged" src="clip.mp4" muted></video>`;
    await page.goto(`${site.url}/tagged.html`);
    await page.evaluate(`document.querySelector('video').play()`);
    const session = (await page.evaluate(`playhead.trackers.get(document.querySelector('video')).session`)) as string;
    await sleep(1_500);
    await page.close();
    const [entry] = await sealed(session);
    assert.deepEqual([entry.video, entry.plays, entry.reason, entry.durationMs], ['tagged', 1, 'leave', CLIP_MS]);
  });

  it('what was counted is what the ledger holds', async () => {
    const { total } = (await ask('/v1/ledger')).body.data;
    assert.deepEqual([total.difference, total.dead, total.late], [0, 0, 0]);
    const client = new pg.Client({ connectionString: system.database });
    await client.connect();
    try {
      const { rows } = await client.query('SELECT count(*)::int AS n FROM dead_letters');
      assert.equal(rows[0].n, 0);
    } finally {
      await client.end();
    }
  });
});
