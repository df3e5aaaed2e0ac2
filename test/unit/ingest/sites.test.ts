// Whose a request is: the order of sources, aliases and their settings, default site, origins.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DoorRequest } from '../../../ingest/doors/door.ts';
import type { Keys, WriteKey } from '../../../ingest/keys.ts';
import { selectAliases, selectSiteDoors, selectSites, startSites } from '../../../ingest/sites.ts';

const key = (name: string, origins: string[] = []): WriteKey => ({
  key: name,
  site: `site-of-${name}`,
  origins,
  app: false,
  requestsPerSecond: null,
  viewerKeys: false,
});
const KEYS = new Map(
  [key('pk_prefix'), key('pk_bearer'), key('pk_query'), key('pk_foreign'), key('a/b+c==')].map((each) => [each.key, each]),
);
const keys = { find: (text: string) => KEYS.get(text) } as Keys;
const ALIASES = [
  { protocol: 'mave', foreign_id: 'abcde', site: 'one', settings: {}, viewer_keys: true },
  { protocol: 'ga', foreign_id: 'ua-1', site: 'two', settings: { view: 'x', origins: ['https://ok.example'] }, viewer_keys: false },
  { protocol: 'host', foreign_id: 'stats.example', site: 'three', settings: {}, viewer_keys: false },
];

async function sitesWith(changes: { defaultSite?: string; trustedHops?: number; fails?: boolean } = {}) {
  const warned: string[] = [];
  const sites = startSites({
    query: async (statement) => {
      if (changes.fails) throw new Error('away');
      const rows: Record<string, unknown[]> = {
        [selectAliases.name]: ALIASES,
        [selectSiteDoors.name]: [
          { site: 'one', protocol: 'mave', settings: { videoField: 'vid' } },
          { site: 'two', protocol: 'ga', settings: { view: 'y', other: 1 } },
        ],
        [selectSites.name]: [{ site: 'fallback', viewer_keys: true }],
      };
      return rows[statement.name] as never[];
    },
    keys,
    scheduler: { every: () => () => {} } as never,
    refreshIntervalMs: 1_000,
    defaultSite: changes.defaultSite ?? '',
    trustedHops: changes.trustedHops ?? 0,
    logger: { warn: (_fields, message) => void warned.push(message) },
  });
  await sites.refresh();
  return { sites, warned };
}

const request = (changes: Partial<DoorRequest> & { query?: URLSearchParams } = {}): DoorRequest =>
  ({ prefixKey: '', headers: {}, query: new URLSearchParams(), origin: '', ...changes }) as DoorRequest;

describe('siteOf (protocols.md 0.4)', () => {
  it('takes the first of prefix, Bearer, query, own identifier, host name, default site', async () => {
    const { sites } = await sitesWith({ defaultSite: 'fallback' });
    const all = {
      prefixKey: 'pk_prefix',
      headers: { authorization: 'Bearer pk_bearer', host: 'Stats.Example:8080' },
      query: new URLSearchParams('key=pk_query'),
    };
    const found = (changes: Partial<DoorRequest>, ids = ['abcde']) => {
      const decision = sites.siteOf(request({ ...all, ...changes }), 'mave', ids);
      return decision.ok ? [decision.key.site, decision.by] : decision.reason;
    };
    assert.deepEqual(found({}), ['site-of-pk_prefix', 'key']);
    assert.deepEqual(found({ prefixKey: '' }), ['site-of-pk_bearer', 'key']);
    const noBearer = { prefixKey: '', headers: { authorization: 'Bearer something-else', host: 'stats.example' } };
    assert.deepEqual(found(noBearer), ['site-of-pk_query', 'key']);
    const noKey = { ...noBearer, query: new URLSearchParams('key=unknown') };
    assert.deepEqual(found(noKey), ['one', 'alias']);
    assert.deepEqual(found(noKey, ['', 'nobody', 'pk_foreign']), ['site-of-pk_foreign', 'key']);
    assert.deepEqual(found(noKey, []), ['three', 'host']);
    assert.deepEqual(found({ prefixKey: '', headers: { host: 'other.example' }, query: new URLSearchParams() }, []), [
      'fallback',
      'default',
    ]);
  });

  it('a prefix that is no key is refused, whatever else the request names', async () => {
    const { sites } = await sitesWith({ defaultSite: 'fallback' });
    const decision = sites.siteOf(request({ prefixKey: 'pk_wrong', query: new URLSearchParams('key=pk_query') }), 'mave', ['abcde']);
    assert.deepEqual(decision, { ok: false, reason: 'unknown-key' });
  });

  it('where a protocol demands its own identifier, host name and default site do not count', async () => {
    const { sites } = await sitesWith({ defaultSite: 'fallback' });
    const decision = sites.siteOf(request({ headers: { host: 'stats.example' } }), 'microticks', ['unknown'], { ownIdOnly: true });
    assert.deepEqual(decision, { ok: false, reason: 'unknown-key' });
  });

  it('an identifier belongs to its protocol, and case counts where it matters', async () => {
    const { sites } = await sitesWith();
    assert.equal(sites.siteOf(request(), 'microticks', ['abcde']).ok, false);
    assert.equal(sites.siteOf(request(), 'mave', ['ABCDE']).ok, false);
    assert.equal(sites.siteOf(request({ origin: 'https://ok.example' }), 'ga', [' UA-1 ']).ok, true);
  });

  it('settings of an identifier stand over those of the site, and may list origins', async () => {
    const { sites } = await sitesWith();
    const decision = sites.siteOf(request({ origin: 'https://ok.example' }), 'ga', ['UA-1']);
    assert.ok(decision.ok);
    assert.deepEqual([decision.settings['view'], decision.settings['other']], ['x', 1]);
    assert.deepEqual(sites.siteOf(request({ origin: 'https://evil.example' }), 'ga', ['UA-1']), {
      ok: false,
      reason: 'origin-not-allowed',
    });
    assert.deepEqual(sites.settingsOf('one', 'mave'), { videoField: 'vid' });
    assert.deepEqual(sites.settingsOf('one', 'ga'), {});
  });

  it('X-Forwarded-Host counts only behind a proxy of ours', async () => {
    const headers = { host: 'inner', 'x-forwarded-host': 'stats.example, inner' };
    assert.equal((await sitesWith()).sites.siteOf(request({ headers }), 'mave', []).ok, false);
    assert.equal((await sitesWith({ trustedHops: 1 })).sites.siteOf(request({ headers }), 'mave', []).ok, true);
  });

  it('without the database nothing is known, and a default site that does not exist is told', async () => {
    const away = await sitesWith({ fails: true });
    assert.deepEqual([away.sites.loaded(), away.warned.length > 0], [false, true]);
    const wrong = await sitesWith({ defaultSite: 'nowhere' });
    assert.match(wrong.warned.join(), /PLAYHEAD_DEFAULT_SITE/);
    assert.equal(wrong.sites.siteOf(request(), 'mave', []).ok, false);
  });
});
