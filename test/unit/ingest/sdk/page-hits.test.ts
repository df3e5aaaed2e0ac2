// The script for pages that talked to Webalytic, as it is served, on a page made of doubles: calls before and after it loaded.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { buildPageScript } from '../../../../ingest/sdk/build.ts';

type Page = {
  sent: URLSearchParams[];
  urls: string[];
  document: { cookie: string };
  call: (...args: unknown[]) => void;
  push: (call: unknown[]) => void;
};

describe('page script', () => {
  let source = '';
  before(async () => {
    source = await buildPageScript();
  });

  /** Runs the script on a page that brought `stub` along. */
  function load(stub: unknown, cookie = '', name = 'WebAlyticSDK'): Page {
    const urls: string[] = [];
    const document = {
      cookie,
      title: 'Home',
      referrer: 'https://news.example/',
      currentScript: { src: 'https://stats.example/lc/sdk.js' },
    };
    const page: Record<string, unknown> = {
      document,
      location: { href: 'https://page.example/a?b=1' },
      screen: { width: 1920, height: 1080 },
      navigator: {
        sendBeacon(url: string, body: string) {
          assert.equal(body, '{}');
          urls.push(url);
          return true;
        },
      },
      crypto,
      URL,
      URLSearchParams,
      Uint8Array,
      [name]: stub,
      ...(name === 'WebAlyticSDK' ? {} : { WebAlyticObject: name }),
    };
    page['window'] = page;
    runInNewContext(source, page);
    const api = page[name] as Page['call'] & { push: Page['push'] };
    return {
      urls,
      document,
      get sent() {
        return urls.map((url) => new URL(url).searchParams);
      },
      call: api,
      push: api.push,
    };
  }

  it('sends what waited in the queue, in its order', () => {
    const page = load({
      q: [
        ['create', { apiUrl: 'https://own.example/lc', resourceId: 'R-1' }],
        ['send', { hitType: 'pageview', dimension1: 'gold', metric2: 4 }],
      ],
    });
    assert.equal(page.urls.length, 1);
    assert.match(page.urls[0] ?? '', /^https:\/\/own\.example\/lc\/collect\?/);
    const { cid, z, ...fields } = Object.fromEntries(page.sent[0] ?? []);
    assert.match(cid ?? '', /^[0-9a-f]{32}$/);
    assert.equal(z?.length, 8);
    assert.deepEqual(fields, {
      t: 'pageview',
      tid: 'R-1',
      ds: 'sdk',
      dl: 'https://page.example/a?b=1',
      sr: '1920x1080',
      dr: 'https://news.example/',
      dt: 'Home',
      cd1: 'gold',
      cm2: '4',
    });
  });

  it('calls after it loaded, and the older form; labels are encoded', () => {
    const page = load([['init', { resourceId: 'R-2' }], ['hit']]);
    page.call('send', {
      hitType: 'event',
      eventCategory: 'shop',
      eventAction: 'click',
      eventLabel: 'a&b=c',
      eventValue: 3,
      nonInteraction: true,
    });
    page.push(['event', 'video', 'play', 'intro', 1]);
    assert.deepEqual(
      page.sent.map((each) => each.get('t')),
      ['pageview', 'event', 'event'],
    );
    assert.deepEqual([page.sent[1]?.get('el'), page.sent[1]?.get('ni')], ['a&b=c', '1']);
    assert.deepEqual(
      ['ec', 'ea', 'el', 'ev'].map((name) => page.sent[2]?.get(name)),
      ['video', 'play', 'intro', '1'],
    );
    assert.match(page.urls[0] ?? '', /^https:\/\/stats\.example\/lc\/collect\?/);
  });

  it('the names of the original: category, action, label, value; and the page’s own name for the object', () => {
    const queued = [
      ['create', { apiUrl: 'https://own.example/lc', resourceId: 'R-1' }],
      ['send', { hitType: 'event', category: 'shop', action: 'purchase', label: 'l-1' }],
    ];
    const page = load({ q: queued }, '', 'stats');
    page.call('send', { hitType: 'event', category: 'shop', action: 'refund', value: '7' });
    const told = page.sent.map((each) => ['ec', 'ea', 'el', 'ev'].map((name) => each.get(name)));
    assert.deepEqual(told, [
      ['shop', 'purchase', 'l-1', null],
      ['shop', 'refund', null, '7'],
    ]);
  });

  it('keeps the id of the page’s cookie, for a day', () => {
    const page = load([['init', { resourceId: 'R' }], ['hit']], `x=1; _wbltc.uid=${'b'.repeat(32)}`);
    assert.equal(page.sent[0]?.get('cid'), 'b'.repeat(32));
    assert.match(page.document.cookie, /max-age=86400/);
  });

  it('sends nothing before it knows where and for whom, and leaves what it does not know alone', () => {
    const page = load([['send', { hitType: 'pageview' }], ['nonsense', 1], []]);
    page.call();
    assert.deepEqual(page.urls, []);
  });
});
