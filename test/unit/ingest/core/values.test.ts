// Units of other protocols: seconds, numeric text, instants, client clocks; forms; identifiers.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { normaliseForeignId } from '../../../../ingest/core/aliases.ts';
import { FORM_FIELDS_MAX, readForm } from '../../../../ingest/core/form.ts';
import {
  countOf,
  deltasOf,
  durationOfSeconds,
  instantOfIso,
  instantOfMicros,
  instantOfMs,
  instantOfSeconds,
  isClamped,
  numberOf,
  positionOfMs,
  positionOfSeconds,
} from '../../../../ingest/core/values.ts';

describe('values (protocols.md 0.3)', () => {
  const table = <T>(name: string, read: (value: unknown) => T, cases: readonly [unknown, T][]): void => {
    it(name, () => {
      for (const [given, wanted] of cases) assert.deepEqual(read(given), wanted, JSON.stringify(given));
    });
  };
  table('numbers', numberOf, [
    [1.5, 1.5],
    ['1.5', 1.5],
    [' -2 ', -2],
    ['1e3', 1000],
    ['0x10', Number.NaN],
    ['', Number.NaN],
    ['1.2.3', Number.NaN],
    ['Infinity', Number.NaN],
    [Number.POSITIVE_INFINITY, Number.NaN],
    [null, Number.NaN],
    [true, Number.NaN],
    [[1], Number.NaN],
    ['1'.repeat(65), Number.NaN],
  ]);
  table('positions in seconds: unknown is -1, never 0', positionOfSeconds, [
    [0, 0],
    ['5.25', 5250],
    [20.1604, 20160],
    [null, -1],
    [undefined, -1],
    [Number.NaN, -1],
    [-1, -1],
    ['x', -1],
    [1e300, 2_147_483_647],
  ]);
  table('positions in ms', positionOfMs, [
    ['1500.4', 1500],
    [-0.4, -1],
  ]);
  table('durations: 0 is unknown too', durationOfSeconds, [
    [120.5, 120500],
    [0, -1],
    ['0', -1],
    [null, -1],
  ]);
  table('counts', countOf, [
    ['3', 3],
    [2.6, 3],
    [-1, -1],
    [1e12, 2_147_483_647],
  ]);
  table('instants in ms', instantOfMs, [
    [1795313455827, 1795313455827],
    ['1795313455827.4', 1795313455827],
    [-1, -1],
    [1e20, -1],
    ['soon', -1],
  ]);
  table('instants in seconds', instantOfSeconds, [[1795313455.827, 1795313455827]]);
  table('instants in microseconds', instantOfMicros, [['1795313455827000', 1795313455827]]);
  table('instants in ISO 8601, UTC where no zone is named', instantOfIso, [
    ['2026-05-02T00:00:00Z', 1777680000000],
    ['2026-05-02T02:00:00.500+02:00', 1777680000500],
    ['2026-05-02 00:00:00', 1777680000000],
    ['2026-05-02', 1777680000000],
    ['2 May 2026', -1],
    ['2026-13-02', -1],
    [1777680000000, -1],
  ]);

  it('client times that the fold will not believe', () => {
    const now = 1_800_000_000_000;
    const day = { backdateMaxMs: 86_400_000 };
    assert.equal(isClamped(now + 600_000, now, day), false);
    assert.equal(isClamped(now + 600_001, now, day), true);
    assert.equal(isClamped(now - 86_400_000, now, day), false);
    assert.equal(isClamped(now - 86_400_001, now, day), true);
    assert.equal(isClamped(now - 200_000_000, now, { backdateMaxMs: 259_200_000 }), false);
    assert.equal(isClamped(5_000, now, { ...day, sentAt: 6_000 }), false, 'a clock that is wrong by decades but names when it sent');
  });

  it('deltas go from the first time there is', () => {
    assert.deepEqual(deltasOf([-1, 1000, 1500, -1, 900]), { baseAt: 1000, deltas: [0, 0, 500, 500, -100] });
    assert.deepEqual(deltasOf([-1, -1]), { baseAt: -1, deltas: [0, 0] });
  });

  it('forms', () => {
    assert.deepEqual({ ...readForm('a=1&b=x%20y+z&a=2&%zz=3&=4').fields }, { a: '2', b: 'x y z', '%zz': '3' });
    assert.deepEqual(Object.entries(readForm('__proto__=1').fields), [['__proto__', '1']]);
    assert.equal(readForm(Array.from({ length: FORM_FIELDS_MAX + 3 }, (_, i) => `f${i}=1`).join('&')).dropped, 3);
  });

  it('identifiers', () => {
    assert.equal(normaliseForeignId('host', ' Stats.Example.:8080'), 'stats.example');
    assert.equal(normaliseForeignId('host', 'Stats.Example:8080'), 'stats.example');
    assert.equal(normaliseForeignId('mave', ' aBcDe '), 'aBcDe');
    assert.equal(normaliseForeignId('ga', 'UA-1'), 'ua-1');
    assert.equal(normaliseForeignId('mave', 'x'.repeat(257)), '');
  });
});
