// Measurement Protocol: each fault of the peer that is not repeated, and a visit over the change of keys. Real servers and the real client; the
// gateway's clock is the test's, and every test has a day of its own.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import ua from 'universal-analytics';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogWriter } from '../../infra/runtime/kafka.ts';
import { createLogger } from '../../infra/runtime/log.ts';
import { createMetricsRegistry } from '../../infra/runtime/metrics.ts';
import { createCodec } from '../../schemas/codec.ts';
import { recordKey } from '../../schemas/topics.ts';
import { eventually, withDatabase } from '../support/audience-run.ts';
import { type ClockedGateway, startClockedGateway } from '../support/clocked-gateway.ts';
import { readLog } from '../support/log-contents.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const TID = 'UA-17-1';
const ZONE = 'Europe/Amsterdam';
const MINUTE = 60_000;
const DAY = 86_400_000;

type Fields = Record<string, string | number>;
type Figures = { visits: number; pageviews: number; events: number; averageDurationMs: number | null; bounceRate: number | null };
type Listed = { session: string; name: string; at: string; data: Record<string, unknown> };

describe('Measurement Protocol, faults of the peer', { timeout: 240_000 }, () => {
  let system: TestSystem;
  let gateway: ClockedGateway;
  let days = 0;
  let noon = 0;

  before(async () => {
    system = await startSystem({ partitions: 4, services: ['processor', 'query-api'] });
    await withDatabase(system.database, async (client) => {
      await client.query('UPDATE sites SET timezone = $2 WHERE site = $1', [system.site, ZONE]);
      // The gateway makes salts once a minute of the machine's time; the test goes through a day a second.
      await client.query(
        `INSERT INTO viewer_salts (day, salt) SELECT day::date, sha256(day::text::bytea) FROM generate_series('2026-08-30'::date, '2026-10-05', '1 day') day`,
      );
      await client.query(`INSERT INTO site_aliases (protocol, foreign_id, site) VALUES ('ga', $2, $1)`, [system.site, TID.toLowerCase()]);
    });
    gateway = await startClockedGateway(system, Date.UTC(2026, 8, 1));
  });
  after(async () => {
    await gateway?.stop();
    await system?.stop();
  });

  /** A day that no other test uses: noon there, local time. */
  const newDay = (): void => {
    noon = Date.UTC(2026, 8, 1 + ++days, 10);
  };
  const at = (instantMs: number): void => gateway.set(instantMs);
  const post = async (path: string, body: string, headers: Record<string, string> = {}): Promise<number> =>
    (await fetch(gateway.url + path, { method: 'POST', body, headers })).status;
  const hit = (cid: string, fields: Fields): string =>
    new URLSearchParams({
      v: '1',
      tid: TID,
      cid,
      t: 'pageview',
      ...Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, String(v)])),
    }).toString();
  /** Sent by the real client, in one batch. */
  const sendBatch = (cid: string, hits: readonly ({ t: 'pageview' | 'event' } & Fields)[]): Promise<number> => {
    const visitor = ua(TID, cid, { hostname: gateway.url, path: '/collect', strictCidFormat: false });
    const queued = hits.reduce((on, { t, ...fields }) => on[t as 'event'](fields), visitor);
    return new Promise((resolve, reject) => queued.send((error, count) => (error ? reject(error) : resolve(count))));
  };
  const ask = async <T>(path: string): Promise<T> => {
    const answer = await fetch(system.query + path, { headers: { authorization: `Bearer ${system.readKey}` } });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return (JSON.parse(text) as { data: T }).data;
  };
  const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  const range = (nights = 1): string => `from=${dayOf(noon)}&to=${dayOf(noon + nights * DAY)}&timezone=${encodeURIComponent(ZONE)}`;
  /** The day's visits, once so many hits are in. */
  async function visits(hits: number, nights = 1): Promise<Figures> {
    let seen: Figures | undefined;
    const isIn = async (): Promise<boolean> => {
      seen = await ask<Figures>(`/v1/visits?${range(nights)}`);
      return seen.pageviews + seen.events === hits;
    };
    await eventually(isIn, async () => `${JSON.stringify(seen)} instead of ${hits} hits`, 30_000);
    return seen as Figures;
  }
  const listed = (): Promise<Listed[]> => ask<Listed[]>(`/v1/events?${range()}&limit=100`);

  it('ignores POST bodies: here they count, whatever they are labelled', async () => {
    newDay();
    at(noon);
    for (const [path, type] of [
      ['/collect', 'application/x-www-form-urlencoded'],
      ['/lc/collect', 'text/plain'],
      ['/collect', 'application/json'],
    ] as const)
      assert.equal(await post(path, hit('body', { dp: '/' }), { 'content-type': type }), 204);
    assert.equal((await visits(3)).pageviews, 3);
  });

  it('ignores /batch: here every line counts', async () => {
    newDay();
    at(noon);
    await sendBatch('batch', [
      { t: 'pageview', dp: '/1' },
      { t: 'pageview', dp: '/2' },
      { t: 'event', ec: 'a', ea: 'b' },
    ]);
    const { visits: count, pageviews, events } = await visits(3);
    assert.deepEqual([count, pageviews, events], [1, 2, 1]);
  });

  it('ignores qt: here a hit happened when it happened', async () => {
    newDay();
    at(noon);
    await sendBatch('qt', [
      { t: 'pageview', dp: '/', qt: 10 * MINUTE },
      { t: 'event', ec: 'a', ea: 'b', qt: 4 * MINUTE },
    ]);
    assert.equal((await visits(2)).averageDurationMs, 6 * MINUTE);
  });

  it('ignores ni: here a hit without interaction lengthens nothing and ends no bounce', async () => {
    newDay();
    at(noon);
    await sendBatch('ni', [
      { t: 'pageview', dp: '/', qt: 10 * MINUTE },
      { t: 'event', ec: 'a', ea: 'b', ni: 1 },
    ]);
    const { averageDurationMs, bounceRate } = await visits(2);
    assert.deepEqual([averageDurationMs, bounceRate], [0, 1]);
  });

  it('rejects ds=web: here any data source is welcome', async () => {
    newDay();
    at(noon);
    await sendBatch('ds', [{ t: 'pageview', dp: '/', ds: 'web' }]);
    assert.equal((await visits(1)).visits, 1);
  });

  it('drops events without dl: here they count', async () => {
    newDay();
    at(noon);
    await sendBatch('dl', [{ t: 'event', ec: 'a', ea: 'b' }]);
    assert.equal((await visits(1)).events, 1);
  });

  it('drops sales above 64 and all products: here both are kept on their hit', async () => {
    newDay();
    at(noon);
    await sendBatch('sale', [{ t: 'event', ec: 'shop', ea: 'buy', ti: 'T1', tr: 1_290.5, pa: 'purchase', pr1id: 'A', pr1qt: 20 }]);
    await visits(1);
    const [sale] = await listed();
    assert.deepEqual([sale?.data['revenue'], sale?.data['products']], [1_290.5, [{ id: 'A', quantity: 20 }]]);
  });

  it('hides every failure behind 204: here a bad hit is a dead letter with its reason, and the debugging path tells it', async () => {
    newDay();
    at(noon);
    const body = [hit('good', { dp: '/' }), hit('bad', { t: 'event', ec: 'no action' })].join('\n');
    assert.equal(await post('/batch', body), 204);
    await visits(1);
    const dead = (): Promise<Record<string, string>[]> =>
      withDatabase(system.database, async (client) => (await client.query('SELECT reason, detail, payload::text FROM dead_letters')).rows);
    await eventually(
      async () => (await dead()).length > 0,
      async () => 'no dead letter',
      30_000,
    );
    const [letter] = await dead();
    assert.equal(letter?.['reason'], 'missing_field');
    assert.match(letter?.['detail'] ?? '', /an event needs an action/);
    const told = (await (await fetch(`${gateway.url}/debug/collect?${hit('bad', { t: 'event', ec: 'no action' })}`)).json()) as {
      hitParsingResult: { valid: boolean; parserMessage: { parameter: string }[] }[];
    };
    assert.deepEqual([told.hitParsingResult[0]?.valid, told.hitParsingResult[0]?.parserMessage[0]?.parameter], [false, 'ea']);
  });

  it('counts a redelivery twice: here a record that is in the log again changes nothing', async () => {
    newDay();
    at(noon);
    await sendBatch('again', [
      { t: 'pageview', dp: '/1', qt: 5 * MINUTE },
      { t: 'pageview', dp: '/1' },
      { t: 'pageview', dp: '/2' },
    ]);
    const before = await visits(3);
    const mine = (await readLog(system)).filter(({ beacon }) => beacon.receivedAt === noon);
    assert.ok(mine.length > 0);
    const codec = createCodec(system.schemaIds);
    const writer = createLogWriter({
      brokers: system.brokers,
      clientId: 'again',
      logger: createLogger({ service: 'test', instance: 'again', level: 'fatal' }),
      topic: system.topic,
      partitions: system.partitions,
      scheduler: systemScheduler,
      registry: createMetricsRegistry({ service: 'test', version: '0', commit: '' }),
    });
    try {
      await writer.whenReady(15_000);
      for (const { partition, beacon } of mine) {
        const key = Buffer.from(recordKey(beacon.site, beacon.session));
        await writer.append(new Map([[partition, [{ key, value: codec.encodeBeacon(beacon, key) }]]]));
      }
    } finally {
      await writer.close();
    }
    type Ledger = { total: { duplicates: number; difference: number } };
    const ledger = async (): Promise<Ledger['total']> => (await ask<Ledger>('/v1/ledger')).total;
    await eventually(
      async () => (await ledger()).duplicates === 3,
      async () => JSON.stringify(await ledger()),
      30_000,
    );
    assert.deepEqual(await visits(3), before);
    assert.equal((await ledger()).difference, 0);
  });

  it('does nothing at sc=end: here it closes the visit', async () => {
    newDay();
    at(noon);
    await sendBatch('end', [
      { t: 'pageview', dp: '/', qt: 9 * MINUTE },
      { t: 'event', ec: 'a', ea: 'bye', sc: 'end', qt: 7 * MINUTE },
      { t: 'pageview', dp: '/', qt: 5 * MINUTE },
    ]);
    const { visits: count, averageDurationMs } = await visits(3);
    assert.deepEqual([count, averageDurationMs], [2, MINUTE]);
  });

  it('ends days with the server: here with the site, and not when UTC does', async () => {
    newDay();
    const midnight = noon + 12 * 3_600_000;
    for (const instant of [midnight - MINUTE, midnight + MINUTE]) {
      at(instant);
      await post('/collect', hit('night', { dp: '/' }));
    }
    assert.equal((await visits(2, 2)).visits, 2);
    days += 1;
    newDay();
    // Two in the morning there.
    for (const instant of [noon - 10 * 3_600_000 - MINUTE, noon - 10 * 3_600_000 + MINUTE]) {
      at(instant);
      await post('/collect', hit('owl', { dp: '/' }));
    }
    assert.equal((await visits(2)).visits, 1);
  });

  it('gives negative durations after disorder: here a queued hit joins the visit it happened in', async () => {
    newDay();
    at(noon);
    await sendBatch('late', [{ t: 'pageview', dp: '/' }]);
    at(noon + MINUTE);
    await sendBatch('late', [
      { t: 'event', ec: 'a', ea: 'queued', qt: 9 * MINUTE },
      { t: 'event', ec: 'a', ea: 'also', qt: 5 * MINUTE },
    ]);
    const { visits: count, averageDurationMs } = await visits(3);
    assert.deepEqual([count, averageDurationMs], [1, 8 * MINUTE]);
  });

  it('a visit that is under way when keys change at four is two, and what plays is watched in both', async () => {
    newDay();
    const four = noon - 8 * 3_600_000;
    const video = (ea: string, ev: number): string => hit('owl', { t: 'event', ec: 'video', ea, el: `night-${days}`, ev });
    const told: [offsetMs: number, body: string][] = [
      [-5 * MINUTE, hit('owl', { dp: '/', cs: 'letter' })],
      [-4 * MINUTE, video('play', 0)],
      [-10_000, video('progress', 230)],
      [10_000, video('progress', 250)],
      [2 * MINUTE, video('pause', 360)],
    ];
    for (const [offset, body] of told) {
      at(four + offset);
      assert.equal(await post('/collect', body), 204);
    }
    const { visits: count, events } = await visits(5);
    assert.deepEqual([count, events], [2, 4]);
    type Play = { plays: number; totalWatchMs: number; uniqueWatchMs: number };
    const plays = (): Promise<Play> => ask<Play>(`/v1/plays?${range()}&video=night-${days}`);
    await eventually(
      async () => (await plays()).totalWatchMs === 340_000,
      async () => JSON.stringify(await plays()),
      30_000,
    );
    assert.deepEqual([(await plays()).plays, (await plays()).uniqueWatchMs], [2, 340_000]);
  });

  it('JSON at /batch is of another protocol: said so, and nothing of it is taken', async () => {
    newDay();
    at(noon);
    for (const body of ['{"batch": [{"event": "x"}]}', '  [{"t": "pageview"}]']) {
      const answer = await fetch(`${gateway.url}/k/${system.writeKey}/batch`, { method: 'POST', body });
      assert.equal(answer.status, 400);
      assert.match(((await answer.json()) as { detail: string }).detail, /form-encoded/);
    }
    assert.equal(await post('/batch', hit('form', { dp: '/' }), { 'content-type': 'application/json' }), 204, 'a label is not believed');
    assert.equal((await visits(1)).visits, 1);
  });
});
