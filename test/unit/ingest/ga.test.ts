// The doors of measurement protocols on a whole gateway: what comes in, what stands in the log, and that the answer is always 204.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Beacon } from '../../../schemas/beacon.ts';
import { visitStampOf } from '../../../schemas/visits.ts';
import { PLAIN_KEY, startTestGateway, type TestGateway, until } from '../../support/gateway.ts';

const TID = 'UA-1234-1';
const alias = { site: 'demo', settings: {}, viewer_keys: true };

const DEFINITIONS = [
  { site: 'demo', type: 'dimension', index: 1, scope: 'session', active: true },
  { site: 'demo', type: 'dimension', index: 3, scope: 'hit', active: false },
];

let gateway: TestGateway;
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';

before(async () => {
  gateway = await startTestGateway({
    keys: [{ ...PLAIN_KEY, viewer_keys: true }],
    aliases: [
      { ...alias, protocol: 'ga', foreign_id: TID.toLowerCase() },
      { ...alias, protocol: 'ga', foreign_id: 'ua-trusted', settings: { secret: 's3cret' } },
      { ...alias, protocol: 'ga4', foreign_id: 'g-plain' },
      { ...alias, protocol: 'ga4', foreign_id: 'g-secret', settings: { apiSecret: 'hush' } },
    ],
    otherRows: (name) => {
      if (name === 'select-site-timezones') return [{ site: 'demo', timezone: 'Pacific/Auckland' }];
      return name === 'select-custom-definitions' ? DEFINITIONS : undefined;
    },
  });
  await until(async () => gateway.gateway.health().ready);
});
after(() => gateway.stop());

/** Sends, expects 204, and gives the beacons it brought. */
async function send(path: string, body?: string, headers: Record<string, string> = {}): Promise<Beacon[]> {
  const known = gateway.beacons();
  const method = body === undefined ? 'GET' : 'POST';
  const answer = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { 'user-agent': AGENT, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  assert.equal(answer.status, 204, await answer.text());
  const seen = new Set(known.map((each) => JSON.stringify(each)));
  return gateway.beacons().filter((each) => !seen.has(JSON.stringify(each)));
}

const only = (beacons: readonly Beacon[]): Beacon => {
  assert.equal(beacons.length, 1);
  return beacons[0] as Beacon;
};
const dataOf = (beacon: Beacon): Record<string, unknown> => JSON.parse(beacon.events[0]?.detail?.text ?? '{}');
const stampOf = (beacon: Beacon) => visitStampOf(beacon.protocol, beacon.events[0] as never);
const hit = (fields: Record<string, string>): string =>
  new URLSearchParams({ v: '1', tid: TID, cid: 'c1', t: 'pageview', ...fields }).toString();

describe('measurement protocol 1', () => {
  it('takes a hit from the query, from a form, and from both with the form winning', async () => {
    for (const [path, body] of [
      [`/collect?${hit({ dp: '/a', dt: 'A' })}`, undefined],
      ['/lc/collect', hit({ dp: '/a', dt: 'A' })],
      [`/collect?${hit({ dp: '/b', dt: 'A' })}`, 'dp=%2Fa'],
    ] as const) {
      const beacon = only(await send(path, body));
      assert.deepEqual([beacon.site, beacon.protocol, beacon.video], ['demo', 'ga', '']);
      assert.deepEqual(dataOf(beacon), { page: '/a', title: 'A' });
      assert.equal(beacon.context?.pagePath, '/a');
      assert.equal(beacon.context?.browser, 'Firefox');
      assert.notEqual(beacon.context?.viewer, '');
      assert.equal(stampOf(beacon)?.kind, 'page');
    }
  });

  it('one visitor is one key for the day, another client id or tracking id another; no id is in the log', async () => {
    const [first, again, other] = await Promise.all(
      [hit({}), hit({ t: 'event', ec: 'a', ea: 'b' }), hit({ cid: 'c2' })].map((body) => send('/collect', body)),
    );
    const keys = [
      ...new Set(
        gateway
          .beacons()
          .filter(({ session }) => session !== '')
          .map(({ session }) => session),
      ),
    ];
    assert.equal(keys.length, 2);
    assert.ok(first && again && other);
    assert.ok(gateway.beacons().every((beacon) => !JSON.stringify(beacon).includes('"c1"')));
  });

  it('a batch without a content type: good lines are stored, bad ones are dead letters, lines beyond the limit too', async () => {
    const lines = [
      hit({ dp: '/1' }),
      hit({ t: 'nonsense' }),
      hit({ cid: '' }),
      ...Array.from({ length: 19 }, (_, i) => hit({ dp: `/x${i}` })),
    ];
    const beacons = await send('/batch', lines.join('\n'));
    assert.equal(beacons.filter(({ events }) => events.length > 0).length, 18);
    const rejects = beacons.flatMap((beacon) => beacon.rejects).sort((a, b) => a.index - b.index);
    assert.deepEqual(
      rejects.map(({ index, reason }) => [index, reason]),
      [
        [1, 'unknown_type'],
        [2, 'missing_field'],
        [20, 'too_long'],
        [21, 'too_long'],
      ],
    );
    assert.ok(rejects.every(({ payload }) => !payload.includes('c1')));
  });

  it('a dead letter names nobody: no ids, no queries of pages', async () => {
    const fields = {
      t: 'nonsense',
      uid: 'user-7',
      dl: 'https://a.example/p?mail=x@y.example#frag',
      dr: 'https://b.example/q?who=z',
      dp: '/r?me=1',
    };
    for (const text of [hit(fields), `v=1&tid=${TID}&cid=c1&t=nonsense&uid=user-7&dl=https://a.example/p?mail=x@y.example`]) {
      const payload = only(await send('/collect', text)).rejects[0]?.payload ?? '';
      assert.match(payload, /nonsense/);
      assert.match(decodeURIComponent(payload), /dl=https:\/\/a\.example\/p(&|"|$)/);
      for (const secret of ['c1', 'user-7', 'mail', 'y.example', 'who', 'me=1', 'frag'])
        assert.ok(!payload.includes(secret), `${secret} in ${payload}`);
    }
  });

  it('equal hits of one batch are two hits', async () => {
    const twins = only(await send('/batch', [hit({ dp: '/twin' }), hit({ dp: '/twin' })].join('\n')));
    assert.equal(new Set(twins.events.map((event) => visitStampOf('ga', event)?.nonce)).size, 2);
  });

  it('neighbours that share visitor, page and source share a record, each with its own time; nothing changes places', async () => {
    const lines = [
      hit({ dp: '/a', qt: '9000' }),
      hit({ dp: '/a', t: 'event', ec: 'a', ea: 'one', qt: '7000' }),
      hit({ dp: '/b', qt: '5000' }),
      hit({ dp: '/b', t: 'event', ec: 'video', ea: 'play', el: 'film', qt: '4000' }),
      hit({ dp: '/b', t: 'event', ec: 'a', ea: 'two', qt: '3000' }),
      hit({ dp: '/b', t: 'event', ec: 'a', ea: 'three', qt: '8000' }),
    ];
    const beacons = await send('/batch', lines.join('\n'));
    assert.deepEqual(
      beacons.map(({ video, receivedAt, baseAt, events }) => [video, ...events.map(({ at }) => receivedAt - baseAt - at)]),
      [
        ['', 9_000, 7_000],
        ['', 5_000, 4_000],
        ['film', 4_000],
        ['', 3_000, 8_000],
      ],
    );
  });

  it('queue time moves a hit back, four hours at most; the date is that of the site’s zone', async () => {
    const waited = only(await send('/collect', hit({ qt: '60000' })));
    assert.equal(waited.baseAt, waited.receivedAt - 60_000);
    const zone = new Intl.DateTimeFormat('en-CA', { timeZone: 'Pacific/Auckland' });
    assert.equal(stampOf(waited)?.day, zone.format(waited.baseAt));
    const tooLong = only(await send('/collect', hit({ qt: '14400001' })));
    assert.equal(tooLong.baseAt, tooLong.receivedAt);
    assert.equal(await gateway.metric('playhead_ingest_oddities_total', { protocol: 'ga', kind: 'clock_clamped' }), 1);
  });

  it('sources: campaign fields, utm, search engines, other sites, oneself', async () => {
    const cases: [Record<string, string>, string, string, string][] = [
      [
        { cs: 'mail', cm: 'letter', cn: 'may', dl: 'https://a.example/?utm_source=x', dr: 'https://www.google.com/' },
        'mail',
        'letter',
        'may',
      ],
      [{ dl: 'https://a.example/p?utm_source=x&utm_medium=y&utm_campaign=z' }, 'x', 'y', 'z'],
      [{ dl: 'https://a.example/', dr: 'https://www.google.com/' }, 'Google', 'organic', ''],
      [{ dl: 'https://a.example/', dr: 'https://www.other.example/blog?x=1' }, 'other.example', 'referral', ''],
      [{ dl: 'https://a.example/', dr: 'https://a.example/before' }, '', '', ''],
      [{ dl: 'https://a.example/' }, '', '', ''],
    ];
    for (const [fields, source, medium, campaign] of cases) {
      const beacon = only(await send('/collect', hit(fields)));
      assert.deepEqual([beacon.context?.source, beacon.context?.medium, beacon.context?.campaign], [source, medium, campaign]);
      assert.equal(stampOf(beacon)?.source === '', source === '');
    }
    const organic = only(await send('/collect', hit({ dl: 'https://a.example/', dr: 'https://www.bing.com/search?q=cats' })));
    assert.equal(dataOf(organic)['keyword'], 'cats');
  });

  it('custom values by scope, macros that give no address and no user agent', async () => {
    const fields = {
      cd1: 'gold',
      cd2: '{USER_AGENT}',
      cd3: 'off',
      cd4: '{IP_ADDRESS}',
      cd5: '{H_X-Plan}',
      cd6: '{H_None}',
      cd200: 'far',
      cm1: '4.5',
      cm2: 'x',
      cd7: 'a {USER_AGENT}',
    };
    const beacon = only(await send('/collect', hit(fields), { 'x-plan': 'pro' }));
    assert.deepEqual(dataOf(beacon), { cd: { 2: 'Firefox 128', 4: '', 5: 'pro', 6: '', 7: 'a {USER_AGENT}' }, cm: { 1: 4.5 } });
    assert.equal(beacon.context?.meta, '{"cd1":"gold"}');
    assert.equal(beacon.ignoredFields, 3);
    for (const header of ['User-Agent', 'X-Forwarded-For', 'Cookie', 'Authorization', 'Forwarded'])
      assert.ok(
        !JSON.stringify(
          await send('/collect', hit({ cd9: `{H_${header}}` }), { 'x-forwarded-for': '203.0.113.9', cookie: 'a=b' }),
        ).includes('203.0.113.9'),
      );
  });

  it('what Webalytic’s own SDK sends: unencoded labels, no page, a body that is no form', async () => {
    const beacon = only(
      await send(`/lc/collect?t=event&ec=shop&ea=click&el=l&x&ev=3&cid=${'a'.repeat(32)}&tid=${TID}&z=1&ds=web`, '{}', {
        'content-type': 'text/plain',
      }),
    );
    assert.deepEqual(dataOf(beacon), { category: 'shop', action: 'click', label: 'l', value: 3 });
  });

  it('what Webalytic’s own SDK calls undefined was not said', async () => {
    const sent = `/lc/collect?t=event&ec=video&ea=play&el=undefined&ev=undefined&cid=${'a'.repeat(32)}&tid=${TID}&ds=sdk`;
    assert.deepEqual(dataOf(only(await send(sent, '{}'))), { category: 'video', action: 'play' });
    const nameless = only(await send(sent.replace('ec=video', 'ec=undefined'), '{}'));
    assert.deepEqual([nameless.events.length, nameless.rejects[0]?.reason], [0, 'missing_field']);
    assert.equal(dataOf(only(await send('/collect', hit({ t: 'event', ec: 'js', ea: 'error', el: 'undefined' }))))['label'], 'undefined');
  });

  it('sales of any amount, with their products', async () => {
    const beacon = only(
      await send('/collect', hit({ ti: 'T1', tr: '129.90', pa: 'purchase', pr1id: 'P', pr1nm: 'Cup', pr1pr: '64.95', pr1qt: '2' })),
    );
    assert.deepEqual(dataOf(beacon), {
      transaction: 'T1',
      revenue: 129.9,
      productAction: 'purchase',
      products: [{ id: 'P', name: 'Cup', price: 64.95, quantity: 2 }],
    });
  });

  it('video hits feed playback within the visit', async () => {
    const cases: [string, string, string, number][] = [
      ['Play', '0', 'playing', 0],
      ['video paused', '12', 'pause', 12_000],
      ['Progress 25%', '25', 'heartbeat', -1],
      ['Seeked', '40', 'seek', 40_000],
      ['buffering', '', 'stall_start', -1],
      ['Playback error', '', 'error', -1],
      ['Completed', '60', 'ended', 60_000],
    ];
    for (const [ea, ev, type, positionMs] of cases) {
      const beacons = await send('/collect', hit({ t: 'event', ec: 'Video', ea, el: 'film', ev }));
      const playback = beacons.find(({ video }) => video === 'film')?.events[0];
      assert.deepEqual([beacons.length, playback?.type, playback?.positionMs], [2, type, positionMs], ea);
      assert.ok(playback !== undefined && visitStampOf('ga', playback) !== undefined);
    }
    assert.equal((await send('/collect', hit({ t: 'event', ec: 'shop', ea: 'play', el: 'film' }))).length, 1);
  });

  it('an unknown tracking id is counted and not answered; a key in the path does', async () => {
    const before204 = await gateway.metric('playhead_ingest_beacons_total', { outcome: 'dropped', reason: 'unknown_key' });
    assert.deepEqual(await send('/collect', hit({ tid: 'UA-0-0' })), []);
    assert.equal(await gateway.metric('playhead_ingest_beacons_total', { outcome: 'dropped', reason: 'unknown_key' }), before204 + 1);
    assert.equal((await send('/k/pk_demo/batch', hit({ tid: 'UA-0-0' }))).length, 1);
  });

  it('address and user agent of somebody else only with the site’s secret', async () => {
    const fields = {
      tid: 'UA-trusted',
      ua: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
    };
    assert.equal(only(await send('/collect', hit(fields))).context?.browser, 'Firefox');
    assert.equal(only(await send('/collect?secret=s3cret', hit(fields))).context?.browser, 'Chrome');
  });

  it('the debugging path tells what is wrong and keeps nothing', async () => {
    const records = gateway.records();
    const ask = async (fields: Record<string, string>) =>
      (await (await fetch(`${gateway.url}/debug/collect?${hit(fields)}`)).json()) as {
        hitParsingResult: { valid: boolean; parserMessage: { parameter: string }[]; hit: string }[];
      };
    const [good] = (await ask({})).hitParsingResult;
    assert.deepEqual([good?.valid, good?.parserMessage], [true, []]);
    const [bad] = (await ask({ t: 'x', tid: 'UA-9' })).hitParsingResult;
    assert.deepEqual([bad?.valid, bad?.parserMessage.map(({ parameter }) => parameter)], [false, ['t', 'tid']]);
    assert.equal(gateway.records(), records);
  });

  it('the page, its check and its script', async () => {
    assert.equal(await (await fetch(`${gateway.url}/lc/`)).text(), 'OK');
    for (const path of ['/lc/sdk.js', '/lc/webalytic.js']) {
      const answer = await fetch(`${gateway.url}${path}`);
      assert.deepEqual([answer.status, await answer.text()], [200, '/* page */']);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/javascript/);
      assert.equal(answer.headers.get('cache-control'), 'public, max-age=7200');
    }
  });
});

describe('measurement protocol 4', () => {
  const post = (body: unknown, query = 'measurement_id=G-plain&api_secret=x'): Promise<Beacon[]> =>
    send(`/mp/collect?${query}`, typeof body === 'string' ? body : JSON.stringify(body));

  it('events become events of a visit; the client’s own session id keeps them together', async () => {
    const at = Date.now() - 60_000;
    const params = { session_id: '77', page_location: 'https://a.example/p?mail=x@y.example', page_title: 'P', engagement_time_msec: 100 };
    const beacon = only(
      await post({
        client_id: '1.2',
        timestamp_micros: String(at * 1_000),
        user_properties: { plan: { value: 'pro' } },
        events: [{ name: 'page_view', params }],
      }),
    );
    assert.deepEqual([beacon.protocol, beacon.baseAt, stampOf(beacon)?.kind], ['ga4', at, 'session']);
    assert.deepEqual(dataOf(beacon), { page: 'a.example/p', session_id: '77', page_title: 'P', engagement_time_msec: 100 });
    assert.equal(beacon.context?.meta, '{"plan":"pro"}');
    assert.ok(!JSON.stringify(beacon).includes('x@y.example'));
    assert.equal(stampOf(only(await post({ client_id: '1.2', events: [{ name: 'page_view' }] })))?.kind, 'page');
  });

  it('a bad event leaves its neighbours alone', async () => {
    const events = [
      { name: 'ok' },
      { name: '1bad' },
      { name: 'x'.repeat(41) },
      7,
      {},
      { name: 'ok2', params: [] },
      { name: 'fine', params: { a: 1 } },
    ];
    const beacons = await post({ client_id: 'c', events: [...events, ...Array.from({ length: 20 }, () => ({ name: 'more' }))] });
    assert.equal(beacons.flatMap((beacon) => beacon.events).length, 20);
    assert.deepEqual(
      beacons.flatMap((beacon) => beacon.rejects.map(({ index }) => index)).sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 25, 26],
    );
  });

  it('a dead letter names no queries of pages', async () => {
    const params = { page_location: 'https://a.example/p?mail=x@y.example', page_referrer: 'https://b.example/#who', plan: 'pro' };
    const payload = only(await post({ client_id: 'c', events: [{ name: '1bad', params }] })).rejects[0]?.payload ?? '';
    assert.ok(payload.includes('https://a.example/p') && payload.includes('pro'), payload);
    assert.ok(!payload.includes('mail') && !payload.includes('who'), payload);
  });

  it('times older than three days are not believed', async () => {
    const old = only(await post({ client_id: 'c', events: [{ name: 'e', timestamp_micros: (Date.now() - 73 * 3_600_000) * 1_000 }] }));
    assert.equal(old.baseAt, old.receivedAt);
    const late = only(await post({ client_id: 'c', events: [{ name: 'e', timestamp_micros: (Date.now() - 71 * 3_600_000) * 1_000 }] }));
    assert.ok(late.baseAt < late.receivedAt - 70 * 3_600_000);
  });

  it('videos of enhanced measurement', async () => {
    const params = { video_url: 'https://www.youtube.com/watch?v=abc123&t=4', video_duration: 200, video_percent: 25, video_title: 'Film' };
    const beacons = await post({
      client_id: 'c',
      events: [
        { name: 'video_start', params: { ...params, video_current_time: 0 } },
        { name: 'video_progress', params },
      ],
    });
    const playback = beacons.filter(({ video }) => video === 'abc123');
    assert.deepEqual(
      playback.flatMap(({ events }) => events.map(({ type, positionMs }) => [type, positionMs])),
      [
        ['playing', 0],
        ['heartbeat', 50_000],
      ],
    );
    assert.deepEqual([playback[0]?.context?.durationMs, playback[0]?.context?.title], [200_000, 'Film']);
  });

  it('who was asked and said no has no viewer key', async () => {
    const event = { client_id: 'c', events: [{ name: 'e' }] };
    assert.notEqual(only(await post(event)).context?.viewer, '');
    assert.equal(only(await post({ ...event, consent: { ad_user_data: 'DENIED' } })).context?.viewer, '');
  });

  it('204 for anything; what is refused is counted', async () => {
    assert.deepEqual(await post('{'), []);
    assert.deepEqual(await post({ client_id: 'c', events: [{ name: 'e' }] }, 'measurement_id=G-0'), []);
    assert.deepEqual(await post({ client_id: 'c', events: [{ name: 'e' }] }, 'measurement_id=G-secret&api_secret=wrong'), []);
    assert.equal(await gateway.metric('playhead_ingest_beacons_total', { outcome: 'dropped', reason: 'wrong_secret' }), 1);
    assert.equal(only(await post({ client_id: 'c', events: [{ name: 'e' }] }, 'measurement_id=G-secret&api_secret=hush')).events.length, 1);
  });

  it('the debugging path tells what is wrong', async () => {
    const ask = async (body: unknown) =>
      (await gateway.post(body, { path: '/debug/mp/collect?measurement_id=G-plain' })).body as {
        validationMessages: { fieldPath: string; validationCode: string }[];
      };
    assert.deepEqual(await ask({ client_id: 'c', events: [{ name: 'e' }] }), { validationMessages: [] });
    const { validationMessages } = await ask({ client_id: 'c', events: [{ name: '1' }] });
    assert.deepEqual(
      validationMessages.map(({ fieldPath, validationCode }) => [fieldPath, validationCode]),
      [['events[0].name', 'NAME_INVALID']],
    );
  });
});
