// The arithmetic of mave's answers: intervals, their buckets, keys in headers, and shares.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DAY_MS, HOUR_MS } from '../../../../query-api/core/civil.ts';
import { bucketStart, instantBefore, isWidth, microsOf, parseInterval } from '../../../../query-api/core/mave-intervals.ts';
import { percentagesOf } from '../../../../query-api/core/percentages.ts';
import { maveSecretOf } from '../../../../query-api/dialects/mave-access.ts';

const at = (text: string): number => Date.parse(text);

describe('mave: intervals', () => {
  it('are numbers and units, short forms and several of them too', () => {
    const cases: [string, number, number][] = [
      ['1 day', 0, DAY_MS],
      ['12 months', 12, 0],
      ['2 years 1 mon', 25, 0],
      ['1 week', 0, 7 * DAY_MS],
      ['90min', 0, 1.5 * HOUR_MS],
      [' 1 H 30 m 15s ', 0, 1.5 * HOUR_MS + 15_000],
      ['1 y 2 d', 12, 2 * DAY_MS],
    ];
    for (const [text, months, ms] of cases) assert.deepEqual(parseInterval(text), { months, ms }, text);
  });

  it('are nothing else', () => {
    for (const text of [
      '',
      ' ',
      '1',
      'day',
      '0 days',
      '-1 day',
      '1.5 hours',
      '1 day;',
      "1 day' --",
      '1 day, 2 hours',
      '1 decade',
      '1e3 days',
      '200 years',
      'x'.repeat(500),
    ])
      assert.equal(parseInterval(text), undefined, text);
  });

  it('are widths of buckets unless months mix with smaller units', () => {
    assert.equal(isWidth({ months: 1, ms: 0 }), true);
    assert.equal(isWidth({ months: 0, ms: 1_000 }), true);
    assert.equal(isWidth({ months: 1, ms: 1_000 }), false);
  });

  it('begin at Monday, 2000-01-03, or in January 2000', () => {
    assert.equal(bucketStart({ months: 0, ms: 7 * DAY_MS }, 0), at('2000-01-03T00:00:00Z'));
    assert.equal(bucketStart({ months: 0, ms: 7 * DAY_MS }, -1), at('1999-12-27T00:00:00Z'));
    assert.equal(bucketStart({ months: 1, ms: 0 }, 0), at('2000-01-01T00:00:00Z'));
    assert.equal(bucketStart({ months: 5, ms: 0 }, -1), at('1999-08-01T00:00:00Z'));
    assert.equal(bucketStart({ months: 12, ms: 0 }, 26), at('2026-01-01T00:00:00Z'));
  });

  it('reach back over months of any length', () => {
    assert.equal(instantBefore(at('2026-03-31T10:00:00Z'), { months: 1, ms: 0 }), at('2026-02-28T10:00:00Z'));
    assert.equal(instantBefore(at('2024-03-31T10:00:00Z'), { months: 1, ms: 0 }), at('2024-02-29T10:00:00Z'));
    assert.equal(instantBefore(at('2026-01-15T10:00:00Z'), { months: 13, ms: DAY_MS }), at('2024-12-14T10:00:00Z'));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1, max: 400 }), (now, months) => {
        const before = instantBefore(now, { months, ms: 0 });
        assert.ok(now - before >= months * 28 * DAY_MS && now - before <= (months * 31 + 1) * DAY_MS);
      }),
    );
  });

  it('are written with microseconds', () => {
    assert.equal(microsOf(at('2026-05-02T00:00:00Z'), 'Z'), '2026-05-02T00:00:00.000000Z');
    assert.equal(microsOf(at('2026-05-02T01:02:03.045Z'), ''), '2026-05-02T01:02:03.045000');
  });
});

describe('mave: shares and keys', () => {
  it('whole percentages sum to 100 and are never off by one or more', () => {
    assert.deepEqual(percentagesOf([1, 1, 1]), [34, 33, 33]);
    assert.deepEqual(percentagesOf([]), []);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1e6 }), { minLength: 1, maxLength: 20 }), (counts) => {
        const total = counts.reduce((sum, count) => sum + count, 0);
        const shares = percentagesOf(counts);
        assert.equal(
          shares.reduce((sum, share) => sum + share, 0),
          100,
        );
        for (const [i, share] of shares.entries()) assert.ok(Math.abs(share - ((counts[i] as number) * 100) / total) < 1);
      }),
    );
  });

  it('finds the key in every header that the clients send', () => {
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const key = `sk_${'k'.repeat(20)}`;
    for (const header of [`Basic ${base64(`u:${key}`)}`, `bearer ${key}`, `Bearer ${base64(`id:${key}`)}`])
      assert.equal(maveSecretOf({ authorization: header }), key, header);
    assert.equal(maveSecretOf({ authorization: `Basic ${base64('a:b:c')}` }), 'b:c');
    for (const header of ['', 'Basic', 'Negotiate x']) assert.equal(maveSecretOf({ authorization: header }), '');
    fc.assert(fc.property(fc.string(), (header) => typeof maveSecretOf({ authorization: header }) === 'string'));
  });
});
