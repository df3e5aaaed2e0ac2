// PeerTube's player against the whole system on real servers: beats over HTTP, figures from the statistics, compared with what is known
// of every viewer. And the documentation page, example by example.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { eventually, withDatabase } from '../support/audience-run.ts';
import { docExamples, runDocExample } from '../support/doc-examples.ts';
import { type BeatSent, beatsOf, sectionsSeen, type ViewerAct, type WatchedSection } from '../support/peertube-player.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const DURATION_S = 100;
const CREDIT = { site: 'credit', key: 'pk_credit_00000000', secret: `sk_${'c'.repeat(32)}` };

/** A small generator with a seed: the same viewers in every run. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const uuidOf = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const lengthOf = (sections: readonly WatchedSection[]): number => sections.reduce((sum, { fromS, toS }) => sum + toS - fromS, 0);

// biome-ignore lint/suspicious/noExplicitAny: answers are compared field by field
type Loose = any;

describe('PeerTube on real servers', { timeout: 300_000 }, () => {
  let system: TestSystem;

  const beat = (video: string, body: object, options: { key?: string; headers?: Record<string, string> } = {}): Promise<Response> =>
    fetch(`${system.ingest}/k/${options.key ?? system.writeKey}/api/v1/videos/${video}/views`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...options.headers },
      body: JSON.stringify(body),
    });
  const send = async (video: string, beats: readonly BeatSent[], key?: string, pauseMs = 0): Promise<void> => {
    for (const [i, body] of beats.entries()) {
      if (i > 0 && pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const response = await beat(video, body, key === undefined ? {} : { key });
      assert.equal(response.status, 204, await response.text());
    }
  };
  const ask = async (path: string, secret = system.readKey): Promise<Loose> => {
    const response = await fetch(`${system.query}${path}`, { headers: { authorization: `Bearer ${secret}` } });
    const text = await response.text();
    assert.equal(response.status, 200, `${path}: ${text}`);
    return JSON.parse(text);
  };
  const overall = (video: string, secret?: string): Promise<Loose> => ask(`/api/v1/videos/${video}/stats/overall`, secret);
  const know = (video: string, durationMs: number | null, live: boolean): Promise<void> =>
    withDatabase(system.database, async (client) => {
      await client.query(
        `INSERT INTO videos (site, id, duration_ms, live, first_seen_at, last_seen_at, pinned)
         SELECT site, $1, $2, $3, now(), now(), '{duration_ms,live}' FROM sites`,
        [video, durationMs, live],
      );
    });
  /** Waits until the video has so many viewers and so much watch time. */
  const until = (video: string, viewers: number, watchTimeS: number, secret?: string): Promise<void> =>
    eventually(
      async () => {
        const response = await fetch(`${system.query}/api/v1/videos/${video}/stats/overall`, {
          headers: { authorization: `Bearer ${secret ?? system.readKey}` },
        });
        const { totalViewers, totalWatchTime } = (await response.json()) as Loose;
        return totalViewers === viewers && totalWatchTime === watchTimeS;
      },
      async () => `${JSON.stringify(await overall(video, secret))} instead of ${viewers} viewers and ${watchTimeS} s`,
      30_000,
    );

  before(async () => {
    system = await startSystem({ partitions: 4, env: { processor: { PLAYHEAD_FOLD_IDLE_GAP_MS: '1800000' } } });
    await withDatabase(system.database, async (client) => {
      await client.query('INSERT INTO sites (site) VALUES ($1)', [CREDIT.site]);
      await client.query(
        `INSERT INTO keys (id, site, kind, write_key, hint, app, requests_per_second) VALUES ('cw', $1, 'write', $2, 'pk_', true, 100000)`,
        [CREDIT.site, CREDIT.key],
      );
      await client.query(
        `INSERT INTO keys (id, site, kind, secret_hash, hint, scopes, requests_per_second) VALUES ('cr', $1, 'read', $2, 'sk_', '{query}', 100000)`,
        [CREDIT.site, createHash('sha256').update(CREDIT.secret).digest()],
      );
      await client.query(`INSERT INTO site_doors (site, protocol, settings) VALUES ($1, 'peertube', '{"jumps": "credit"}')`, [CREDIT.site]);
    });
    // Both the key and what the site wants of the door are known once a first beat is vouched for.
    await eventually(
      async () => (await beat(uuidOf(999), { currentTime: 1, sessionId: 'probe' }, { key: CREDIT.key })).status === 204,
      async () => 'the gateway does not know the site',
      15_000,
    );
    await new Promise((resolve) => setTimeout(resolve, 2_500));
  });
  after(() => system?.stop());

  it('figure by figure what a PeerTube server counts, for 40 viewers who play and seek as fast as they can', async () => {
    const video = uuidOf(1);
    await know(video, DURATION_S * 1000, false);
    const random = randomOf(20_260_203);
    const viewers = Array.from({ length: 40 }, (_, i): BeatSent[] => {
      const acts: ViewerAct[] = [];
      let at = random(3) === 0 ? random(60) : 0;
      const startS = at;
      for (let n = random(4) + 1; n > 0; n--) {
        at = Math.min(DURATION_S, at + random(40));
        acts.push({ play: at });
        if (n > 1) {
          at = random(DURATION_S - 10);
          acts.push({ seek: at, flagged: true });
        }
      }
      return beatsOf({ sessionId: `viewer-${i}`, startS, durationS: DURATION_S, acts });
    });
    await Promise.all(viewers.map((beats) => send(video, beats, CREDIT.key)));
    const seen = viewers.map(sectionsSeen);
    const watching = seen.filter((sections) => sections.length > 0);
    const total = watching.reduce((sum, sections) => sum + lengthOf(sections), 0);
    const compare = async (): Promise<void> => {
      await until(video, watching.length, total, CREDIT.secret);
      assert.equal((await overall(video, CREDIT.secret)).averageWatchTime, Math.round(total / watching.length));
      const { data } = await ask(`/api/v1/videos/${video}/stats/retention`, CREDIT.secret);
      assert.equal(data.length, DURATION_S + 1);
      for (const { second, retentionPercent } of data) {
        const there = watching.filter((sections) => sections.some(({ fromS, toS }) => fromS <= second && second <= toS)).length;
        assert.ok(Math.abs(retentionPercent - (100 * there) / watching.length) < 1e-9, `retention at ${second}: ${retentionPercent}`);
      }
      const { views } = await ask(`/api/v1/videos/${video}`, CREDIT.secret);
      assert.equal(views, seen.filter((sections) => lengthOf(sections) >= 10).length);
      const series = await ask(`/api/v1/videos/${video}/stats/timeseries/aggregateWatchTime`, CREDIT.secret);
      assert.equal(
        series.data.reduce((sum: number, point: Loose) => sum + point.value, 0),
        total,
      );
    };
    await compare();
    assert.equal((await ask(`/api/v1/videos/${video}`, CREDIT.secret)).viewers, viewers.length, 'all of them were heard of just now');
    await system.closeAll();
    await eventually(
      () => withDatabase(system.database, async (client) => (await client.query('SELECT FROM open_sessions')).rowCount === 0),
      async () => 'sessions are open',
      30_000,
    );
    await compare();
    const flagged = await withDatabase(system.database, (client) =>
      client.query('SELECT count(*)::int AS n FROM sessions WHERE site = $1 AND video = $2 AND limit_hits > 0', [CREDIT.site, video]),
    );
    assert.ok(flagged.rows[0].n > 0, 'what time cannot explain is marked');
  });

  it('Differs: more than a hundred sections are one viewer whose time goes on', async () => {
    const video = uuidOf(2);
    await know(video, 7_200_000, false);
    const acts = Array.from({ length: 130 }, (_, i): ViewerAct[] => [{ play: i * 50 + 10 }, { seek: (i + 1) * 50, flagged: true }]).flat();
    const beats = beatsOf({ sessionId: 'restless', startS: 0, durationS: 7_200, acts: [...acts, { play: 6_600 }] });
    await send(video, beats, CREDIT.key);
    const sections = sectionsSeen(beats);
    const watched = lengthOf(sections);
    assert.ok(sections.length > 100, `${sections.length} sections`);
    await until(video, 1, watched, CREDIT.secret);
  });

  it('Differs: a jump nobody told of is not watched, a step back takes nothing away', async () => {
    const video = uuidOf(3);
    await know(video, 3_600_000, false);
    const plain = (...seconds: number[]): BeatSent[] =>
      seconds.map((currentTime, i) => ({ currentTime, sessionId: `plain-${seconds.join('-')}-${i * 0}` }));
    await Promise.all([
      send(video, plain(0, 4, 8), undefined, 2_000),
      send(video, plain(0, 4, 3_000, 3_004), undefined, 2_000),
      send(video, plain(60, 64, 10, 14), undefined, 2_000),
      send(video, plain(200, 204, 203, 206), undefined, 2_000),
    ]);
    await until(video, 4, 8 + 8 + 8 + 6);
    const { data } = await ask(`/api/v1/videos/${video}/stats/retention`);
    const at = (second: number): number => data.find((point: Loose) => point.second === second).retentionPercent;
    assert.deepEqual([at(0), at(36), at(72), at(2_988), at(3_600)], [50, 0, 0, 0, 0], 'steps of 36 s');
  });

  it('Differs: a viewer counts while watching, a single beat is an attempt of ours and no viewer of theirs', async () => {
    const video = uuidOf(4);
    await know(video, DURATION_S * 1000, false);
    await send(video, [{ currentTime: 0, sessionId: 'single' }]);
    await send(
      video,
      [0, 5].map((currentTime) => ({ currentTime, sessionId: 'watching' })),
      undefined,
      2_000,
    );
    await until(video, 1, 5);
    await eventually(
      async () => (await ask(`/v1/plays?video=${video}`)).data.attempts === 2,
      async () => JSON.stringify((await ask(`/v1/plays?video=${video}`)).data),
      20_000,
    );
    assert.equal((await ask(`/api/v1/videos/${video}`)).viewers, 2);
  });

  it('Differs: an answered beat counts exactly once, through a crash and many times at once', async () => {
    const video = uuidOf(9);
    await know(video, DURATION_S * 1000, false);
    const sessions = Array.from({ length: 6 }, (_, i) => `crash-${i}`);
    const all = async (currentTime: number, copies = 1): Promise<void> => {
      const sent = sessions.flatMap((sessionId) => Array.from({ length: copies }, () => beat(video, { currentTime, sessionId }, CREDIT)));
      for (const { status } of await Promise.all(sent)) assert.equal(status, 204);
    };
    await all(0);
    await all(6);
    await until(video, sessions.length, 6 * sessions.length, CREDIT.secret);
    await system.kill('processor', 'SIGKILL');
    await all(12, 5);
    await system.start('processor');
    await all(20);
    await until(video, sessions.length, 20 * sessions.length, CREDIT.secret);
    assert.equal(
      (await ask(`/api/v1/videos/${video}`, CREDIT.secret)).views,
      sessions.length,
      'ten seconds were passed five times at once',
    );
  });

  it('is one viewer to the end and over again, and one for each browser without a session id', async () => {
    const video = uuidOf(5);
    await know(video, 6_000, false);
    await send(
      video,
      [0, 5, 6, 0, 5].map((currentTime) => ({ currentTime, sessionId: 'again' })),
      undefined,
      1_500,
    );
    for (const agent of ['Browser/1', 'Browser/2'])
      for (const currentTime of [0, 3]) {
        const response = await beat(video, { currentTime }, { headers: { 'user-agent': agent } });
        assert.equal(response.status, 204);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    await until(video, 3, 11 + 3 + 3);
    assert.equal((await ask(`/api/v1/videos/${video}`)).views, 1, 'more than half of six seconds, in one session');
  });

  it('takes live videos without an end, and gives them no retention', async () => {
    const video = uuidOf(6);
    await know(video, null, true);
    await send(
      video,
      [100_000, 100_005].map((currentTime) => ({ currentTime, sessionId: 'live' })),
      undefined,
      2_000,
    );
    await until(video, 1, 5);
    const response = await fetch(`${system.query}/api/v1/videos/${video}/stats/retention`, {
      headers: { authorization: `Bearer ${system.readKey}` },
    });
    assert.equal(response.status, 400);
    assert.equal((await ask(`/api/v1/videos/${video}`)).isLive, true);
  });

  it('refuses what is wrong and keeps what comes beside it', async () => {
    const video = uuidOf(7);
    await know(video, DURATION_S * 1000, false);
    const sessions = Array.from({ length: 5 }, () => randomBytes(16).toString('hex'));
    const wrong = [{ currentTime: 101 }, { currentTime: -5 }, {}, { currentTime: 1, viewEvent: 'x' }, { currentTime: 1, sessionId: '?' }];
    for (const currentTime of [0, 3]) {
      const statuses = await Promise.all(
        sessions.flatMap((sessionId, i) => [beat(video, { currentTime, sessionId }), beat(video, wrong[i] as object)]),
      );
      assert.deepEqual(
        statuses.map(({ status }) => status),
        sessions.flatMap(() => [204, 400]),
      );
    }
    await until(video, 5, 15);
  });

  it('exports what players report, and who watches, under the names of PeerTube', async () => {
    const metricsOf = async (name: 'ingest' | 'query-api'): Promise<string> =>
      (await fetch(`${system.instances(name)[0]?.metrics}/metrics`)).text();
    const report = {
      playerMode: 'web-video',
      resolution: 480,
      p2pEnabled: false,
      resolutionChanges: 0,
      errors: 1,
      downloadedBytesP2P: 0,
      downloadedBytesHTTP: 123_456,
      uploadedBytesP2P: 0,
      videoId: uuidOf(8),
    };
    const response = await fetch(`${system.ingest}/k/${system.writeKey}/api/v1/metrics/playback`, {
      method: 'POST',
      body: JSON.stringify(report),
    });
    assert.equal(response.status, 204);
    assert.match(
      await metricsOf('ingest'),
      new RegExp(`^peertube_playback_http_downloaded_bytes\\{[^}]*videoUUID="${uuidOf(8)}"[^}]*\\} 123456$`, 'm'),
    );
    assert.match(await metricsOf('query-api'), /^peertube_viewers_total\{[^}]*viewerOrigin="local"[^}]*\} \d+$/m);
  });

  describe('docs/doors/peertube.md', () => {
    for (const example of docExamples('docs/doors/peertube.md'))
      it(`line ${example.line} does as it says`, () =>
        runDocExample(example, {
          INGEST: system.ingest,
          QUERY: system.query,
          WRITE_KEY: system.writeKey,
          READ_KEY: system.readKey,
          ADMIN_KEY: system.adminKey,
          SITE: system.site,
          DATABASE_URL: system.database,
        }));
  });
});
