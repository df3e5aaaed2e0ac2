// Settings of the processor that results depend on: what they are without any, what surfaces take from all, and the hash over them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { foldSettingsOf, loadProcessorConfig, resultSettingsOf } from '../../../processor/config.ts';
import { configHashOf } from '../../../processor/config-hash.ts';
import { CONTROLLED_SETTINGS, FOLD_SETTINGS_DEFAULT, type FoldSettings, settingOf } from '../../../processor/core/settings.ts';
import { PROTOCOLS } from '../../../schemas/beacon.ts';
import { SURFACES } from '../../../schemas/surfaces.ts';

const read = (env: Record<string, string> = {}): FoldSettings => foldSettingsOf(loadProcessorConfig(env));
const hash = (settings: FoldSettings): string => configHashOf(settings, 4).toString('hex');
const of = (settings: FoldSettings, protocol: string): Record<string, number> =>
  Object.fromEntries(CONTROLLED_SETTINGS.map((name) => [name, settingOf({ settings, overrides: new Map() }, name, 'demo', protocol)]));

describe('fold settings of the environment', () => {
  it('are the defaults of the fold where nothing is set, and have their hash', () => {
    for (const protocol of PROTOCOLS) assert.deepEqual(of(read(), protocol), of(FOLD_SETTINGS_DEFAULT, protocol), protocol);
    assert.equal(hash(read()), hash(FOLD_SETTINGS_DEFAULT));
  });

  it('are those of protocols.md for the surfaces that differ', () => {
    const settings = read();
    const differing = SURFACES.filter((surface) => JSON.stringify(of(settings, surface)) !== JSON.stringify(of(settings, 'native')));
    assert.deepEqual(differing, ['mave', 'mave_socket', 'peertube', 'ga4']);
    assert.equal(of(settings, 'native')['idleGapMs'], 1_800_000);
    assert.equal(of(settings, 'native')['backdateMaxMs'], 86_400_000);
    assert.equal(of(settings, 'mave_socket')['leaveLingerMs'], 60_000);
    assert.equal(of(settings, 'peertube')['idleGapMs'], 3_600_000);
    assert.equal(of(settings, 'ga4')['backdateMaxMs'], 259_200_000);
  });

  it('are those of docs/doors/README.md', () => {
    const page = readFileSync(new URL('../../../docs/doors/README.md', import.meta.url), 'utf8');
    const units: Record<string, number> = { s: 1_000, min: 60_000, h: 3_600_000 };
    const rows = [...page.matchAll(/^\| [^|]+ \| `([A-Z0-9_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)];
    assert.deepEqual(rows.map(([, name]) => name?.toLowerCase()).sort(), [...SURFACES].sort());
    for (const [, name = '', ...cells] of rows) {
      const times = of(read(), name.toLowerCase());
      const told = cells
        .map((cell) => /^(\d+) (s|min|h)$/.exec(cell))
        .map((found) => Number(found?.[1]) * (units[found?.[2] ?? ''] ?? Number.NaN));
      const [idleGapMs, leaveLingerMs, backdateMaxMs] = told;
      assert.deepEqual([idleGapMs, leaveLingerMs], [times['idleGapMs'], times['leaveLingerMs']], name);
      if (name === 'ANALYTICS_ENGINE') assert.equal(cells[2], 'any age');
      else assert.equal(backdateMaxMs, times['backdateMaxMs'], name);
    }
  });

  it('of a surface change that surface alone, and the hash (D26)', () => {
    const names = { IDLE_GAP_MS: 'idleGapMs', LINGER_MS: 'leaveLingerMs', BACKDATE_MAX_MS: 'backdateMaxMs' };
    const seen = new Set([hash(read())]);
    for (const surface of SURFACES) {
      for (const [name, field] of Object.entries(names)) {
        const settings = read({ [`PLAYHEAD_${surface.toUpperCase()}_${name}`]: '1234' });
        seen.add(hash(settings));
        for (const protocol of PROTOCOLS) {
          const wanted = of(read(), protocol);
          if (protocol === surface) wanted[field] = 1234;
          // A viewer of PeerTube that has reached the end is gone after the same silence as any other.
          if (protocol === surface && surface === 'peertube' && field === 'idleGapMs') wanted['endedLingerMs'] = 1234;
          assert.deepEqual(of(settings, protocol), wanted, `${surface} ${name}: ${protocol}`);
        }
      }
    }
    assert.equal(seen.size, 1 + SURFACES.length * 3, 'every one has a hash of its own');
  });

  it('of all surfaces are taken by those without one of their own', () => {
    const settings = read({ PLAYHEAD_FOLD_IDLE_GAP_MS: '5000', PLAYHEAD_MAVE_IDLE_GAP_MS: '6000' });
    assert.deepEqual(
      ['native', 'mave', 'peertube', 'ga'].map((protocol) => of(settings, protocol)['idleGapMs']),
      [5_000, 6_000, 3_600_000, 5_000],
    );
  });

  it('go into the hash with what counts as a view (D26)', () => {
    const of = (env: Record<string, string>): string => resultSettingsOf(loadProcessorConfig(env)).configHash.toString('hex');
    assert.equal(of({}), configHashOf(FOLD_SETTINGS_DEFAULT, 16).toString('hex'));
    assert.equal(of({ PLAYHEAD_PEERTUBE_VIEW_AFTER_MS: '10000' }), of({}));
    assert.notEqual(of({ PLAYHEAD_PEERTUBE_VIEW_AFTER_MS: '9000' }), of({}));
    assert.notEqual(of({ PLAYHEAD_PEERTUBE_VIEW_EXPIRATION_MS: '9000' }), of({}));
  });

  it('have the same hash in whatever order they are written', () => {
    const reversed = Object.fromEntries(Object.entries(FOLD_SETTINGS_DEFAULT).reverse()) as FoldSettings;
    const surfaces = Object.fromEntries(Object.entries(reversed.surfaces).reverse());
    assert.equal(hash({ ...reversed, surfaces }), hash(FOLD_SETTINGS_DEFAULT));
  });

  it('are refused by name when they are no number of milliseconds', () => {
    for (const [name, text] of [
      ['PLAYHEAD_PEERTUBE_IDLE_GAP_MS', '0'],
      ['PLAYHEAD_GA_LINGER_MS', '-1'],
      ['PLAYHEAD_GA4_BACKDATE_MAX_MS', 'long'],
      ['PLAYHEAD_MAVE_SOCKET_LINGER_MS', '604800001'],
      ['PLAYHEAD_MAVE_SOCKET_LINGR_MS', '1'],
    ] as const)
      assert.throws(() => read({ [name]: text }), new RegExp(name));
  });
});
