// Place, device, bot, page, referrer, campaign and viewer: tables of what is made of what browsers and proxies send.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isBot } from '../../../../ingest/core/bot.ts';
import { pageOf } from '../../../../ingest/core/campaign.ts';
import { clientOf } from '../../../../ingest/core/device.ts';
import { addressPrefix, cleanAddress, clientAddress, placeOf } from '../../../../ingest/core/place.ts';
import { referrerOf } from '../../../../ingest/core/referrer.ts';
import { dayOf, dayText, viewerText } from '../../../../ingest/core/viewer.ts';
import { openPlaces, openReferrers } from '../../../../ingest/enrichment.ts';
import { mmdbOf } from '../../../support/mmdb.ts';

const logger = { warn: (_fields: object, message: string) => assert.fail(message) };

describe('addresses', () => {
  const clean: [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:8080', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['[2001:DB8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['999.1.1.1', ''],
    ['unknown', ''],
    ['1:2:3', ''],
    ['1::2::3', ''],
    ['', ''],
  ];
  for (const [given, expected] of clean) it(`'${given}' is '${expected}'`, () => assert.equal(cleanAddress(given), expected));

  const hops: [number, string, string][] = [
    [0, '1.1.1.1', '10.0.0.1'],
    [1, '1.1.1.1', '1.1.1.1'],
    [1, '6.6.6.6, 1.1.1.1', '1.1.1.1'],
    [2, '6.6.6.6, 1.1.1.1, 10.9.9.9', '1.1.1.1'],
    [3, '1.1.1.1', '1.1.1.1'],
    [1, 'nonsense', '10.0.0.1'],
    [1, '', '10.0.0.1'],
  ];
  for (const [trustedHops, forwardedFor, expected] of hops) {
    it(`${trustedHops} hops of '${forwardedFor}'`, () => {
      assert.equal(clientAddress({ socketAddress: '::ffff:10.0.0.1', forwardedFor, trustedHops }), expected);
    });
  }

  it('shortens to the network', () => {
    assert.equal(addressPrefix('192.0.2.77'), '192.0.2');
    assert.equal(addressPrefix('2001:db8:1:2::9'), '2001:db8:1');
    assert.equal(addressPrefix('2001:db8::9'), '2001:db8:0');
    assert.equal(addressPrefix(''), 'unknown');
  });

  it('finds countries in the shipped file and reads both forms of record', () => {
    const places = openPlaces({ path: '', logger });
    assert.deepEqual(places('8.8.8.8'), { country: 'US', region: '' });
    assert.deepEqual(places('2001:4860:4860::8888'), { country: 'US', region: '' });
    assert.deepEqual(places('127.0.0.1'), { country: '', region: '' });
    const place = (record: unknown) => placeOf(record).place;
    assert.deepEqual(place({ country: { iso_code: 'DE' }, subdivisions: [{ iso_code: 'BE' }] }), { country: 'DE', region: 'DE-BE' });
    assert.deepEqual(place({ country_code: 'fr', state1: 'Brittany' }), { country: 'FR', region: 'Brittany' });
    assert.deepEqual(place('x'), { country: '', region: '' });
  });

  it('takes the finest region of a mounted city file, by its code if it has one, and tells its English name', () => {
    const directory = mkdtempSync(join(tmpdir(), 'playhead-places-'));
    const path = join(directory, 'city.mmdb');
    const [england, westminster] = [
      { iso_code: 'ENG', names: { en: 'England', de: 'England' } },
      { iso_code: 'WSM', names: { en: 'Westminster' } },
    ];
    writeFileSync(
      path,
      mmdbOf({
        '192.0.2.0/24': { country: { iso_code: 'GB' }, subdivisions: [england, westminster] },
        '198.51.100.0/24': { country: { iso_code: 'FR' }, subdivisions: [{ names: { en: 'Brittany' } }] },
        '203.0.113.0/25': { country: { iso_code: 'NL' }, subdivisions: [{ iso_code: 'NH', names: { nl: 'Noord-Holland' } }] },
      }),
    );
    const named: [string, string][] = [];
    const places = openPlaces({ path, logger, onRegion: (region, name) => named.push([region, name]) });
    rmSync(directory, { recursive: true });
    assert.deepEqual(places('192.0.2.9'), { country: 'GB', region: 'GB-WSM' });
    assert.deepEqual(places('::ffff:192.0.2.9'), { country: '', region: '' }, 'addresses are cleaned before');
    assert.deepEqual(places('198.51.100.7'), { country: 'FR', region: 'Brittany' });
    assert.deepEqual(places('203.0.113.1'), { country: 'NL', region: 'NL-NH' });
    assert.deepEqual(places('203.0.113.200'), { country: '', region: '' });
    assert.deepEqual(named, [['GB-WSM', 'Westminster']], 'a name that is the region itself, or in another language, is none');
  });

  it('goes on without a place file', () => {
    let warned = 0;
    const places = openPlaces({ path: '/nowhere.mmdb', logger: { warn: () => warned++ } });
    assert.deepEqual(places('8.8.8.8'), { country: '', region: '' });
    assert.equal(warned, 1);
  });
});

describe('clients', () => {
  const agents: [string, string, string, string, boolean][] = [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0', 'Firefox', 'Linux', 'desktop', false],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15',
      'Safari',
      'macOS',
      'desktop',
      false,
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1',
      'Safari',
      'iOS',
      'mobile',
      false,
    ],
    [
      'Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36',
      'Chrome',
      'Android',
      'mobile',
      false,
    ],
    ['Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15', 'WebKit', 'PlayStation', 'console', false],
    ['Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0 Safari/537.36', 'Chrome', 'webOS', 'tv', false],
    ['AppleTV11,1/11.1', '', '', 'tv', false],
    ['Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', '', '', '', true],
    ['', '', '', '', false],
  ];
  for (const [agent, browser, platform, device, bot] of agents) {
    it(agent.slice(0, 70) || '(none)', () => assert.deepEqual(clientOf(agent), { browser, platform, device, bot }));
  }
  it('knows programs', () =>
    assert.ok(isBot('curl/8.0') && !isBot('Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36')));
});

describe('pages and sources', () => {
  it('splits a page, reads the campaign first and drops query and fragment', () => {
    assert.deepEqual(pageOf('https://example.org:8443/watch/intro?utm_source=news&utm_medium=email&utm_campaign=May&email=a@b.c#t=3'), {
      host: 'example.org',
      path: '/watch/intro',
      source: 'news',
      medium: 'email',
      campaign: 'May',
    });
    for (const url of ['', 'nonsense', 'javascript:alert(1)', 'data:text/html,x', '/relative']) assert.equal(pageOf(url).host, '', url);
  });

  const table = openReferrers({ logger });
  const referrers: [string, string, string][] = [
    ['https://www.google.com/search?q=secret', 'Google', 'search'],
    ['https://duckduckgo.com/', 'DuckDuckGo', 'search'],
    ['https://t.co/abc', 'X', 'social'],
    ['https://t.company.example/', 't.company.example', 'referral'],
    ['https://m.facebook.com/', 'Facebook', 'social'],
    ['https://www.youtube.com/watch?v=1', 'YouTube', 'social'],
    ['https://chatgpt.com/c/1', 'ChatGPT', 'assistant'],
    ['https://mail.google.com/', 'Gmail', 'email'],
    ['https://news.example/today', 'news.example', 'referral'],
    ['https://www.example.org/other', '', ''],
    ['nonsense', '', ''],
  ];
  for (const [url, source, medium] of referrers) {
    it(url, () => {
      const found = referrerOf(url, 'example.org', table);
      assert.deepEqual([found.source, found.medium], [source, medium]);
      assert.ok(!found.host.includes('/'));
    });
  }
});

describe('viewer keys', () => {
  it('keep their parts apart and need something to go by', () => {
    const base = { site: 's', person: '', address: '192.0.2.1', userAgent: 'A' };
    assert.notEqual(viewerText(base), viewerText({ ...base, userAgent: '1A', address: '192.0.2.' }));
    assert.equal(viewerText({ ...base, address: '' }), '');
    assert.equal(viewerText({ ...base, person: 'p' }), viewerText({ ...base, person: 'p', address: 'x' }));
    assert.equal(dayText(dayOf(1764000000000)), '2025-11-24');
  });
});
