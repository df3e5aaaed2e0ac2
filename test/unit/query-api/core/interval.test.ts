import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DAY_MS, isoOf, localDayAt } from '../../../../query-api/core/civil.ts';
import {
  alignmentOfAll,
  bucketsOf,
  completeRange,
  defaultRange,
  GRANULARITIES,
  parseBoundary,
} from '../../../../query-api/core/interval.ts';

const zone = fc.constantFrom('UTC', 'Europe/Amsterdam', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia');

describe('interval', () => {
  it('cuts a range into buckets that touch, cover it, and keep to the limit', () => {
    fc.assert(
      fc.property(
        zone,
        fc.constantFrom(...GRANULARITIES.filter((each) => each !== 'minute')),
        fc.integer({ min: Date.UTC(2000, 0), max: Date.UTC(2035, 0) }),
        fc.integer({ min: 1, max: 60 * DAY_MS }),
        (timezone, granularity, fromMs, length) => {
          const range = { fromMs, toMs: fromMs + length };
          const buckets = bucketsOf(range, granularity, timezone) ?? [];
          assert.equal(buckets[0]?.fromMs, range.fromMs);
          assert.equal(buckets.at(-1)?.toMs, range.toMs);
          for (const [i, bucket] of buckets.entries()) {
            assert.ok(bucket.fromMs < bucket.toMs);
            if (i > 0) assert.equal(bucket.fromMs, buckets[i - 1]?.toMs);
          }
          if (granularity === 'day')
            for (const bucket of buckets) assert.equal(localDayAt(timezone, bucket.fromMs), localDayAt(timezone, bucket.toMs - 1));
        },
      ),
    );
  });

  it('begins weeks on Monday and months on the first', () => {
    const from = Date.UTC(2026, 10, 19);
    const weeks = bucketsOf({ fromMs: from, toMs: from + 14 * DAY_MS }, 'week', 'UTC');
    assert.deepEqual(
      weeks?.map((bucket) => isoOf(bucket.fromMs).slice(0, 10)),
      ['2026-11-19', '2026-11-23', '2026-11-30'],
    );
    const months = bucketsOf({ fromMs: from, toMs: Date.UTC(2027, 1, 1) }, 'month', 'UTC');
    assert.deepEqual(
      months?.map((bucket) => isoOf(bucket.fromMs).slice(0, 10)),
      ['2026-11-19', '2026-12-01', '2027-01-01'],
    );
  });

  it('refuses more buckets than the limit', () => {
    assert.equal(bucketsOf({ fromMs: 0, toMs: 11 * 60_000 }, 'minute', 'UTC', 10), undefined);
    assert.equal(bucketsOf({ fromMs: 0, toMs: 10 * 60_000 }, 'minute', 'UTC', 10)?.length, 10);
  });

  it('defaults to 30 local days that end with today', () => {
    const now = Date.UTC(2026, 10, 22, 23, 30);
    assert.deepEqual(defaultRange(now, 'UTC'), { fromMs: Date.UTC(2026, 9, 24), toMs: Date.UTC(2026, 10, 23) });
    assert.equal(isoOf(defaultRange(now, 'Europe/Amsterdam').toMs), '2026-11-23T23:00:00Z');
    assert.deepEqual(completeRange({ fromMs: undefined, toMs: Date.UTC(2026, 0, 31) }, now, 'UTC'), {
      fromMs: Date.UTC(2026, 0, 1),
      toMs: Date.UTC(2026, 0, 31),
    });
  });

  it('takes a date as the start of that day in the zone', () => {
    assert.equal(parseBoundary('2026-07-01', 'Europe/Amsterdam'), Date.UTC(2026, 5, 30, 22));
    assert.equal(parseBoundary('2026-07-01T00:00:00Z', 'Europe/Amsterdam'), Date.UTC(2026, 6, 1));
    assert.equal(parseBoundary('tomorrow', 'UTC'), undefined);
  });

  it('tells which rollups a set of boundaries fits', () => {
    assert.equal(alignmentOfAll([0, DAY_MS]), 'day');
    assert.equal(alignmentOfAll([0, 3_600_000]), 'hour');
    assert.equal(alignmentOfAll([0, 1]), 'none');
  });
});
