import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  civilFromDays,
  DAY_MS,
  daysFromCivil,
  isoDayOf,
  isoOf,
  isTimezone,
  localDayAt,
  offsetMsAt,
  parseDay,
  parseInstant,
  startOfDay,
} from '../../../../query-api/core/civil.ts';

const ZONES = [
  'UTC',
  'Europe/Amsterdam',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'Asia/Beirut',
  'Pacific/Apia',
];
const instant = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2040, 0) });

describe('civil', () => {
  it('agrees with the calendar of the runtime, back and forth', () => {
    fc.assert(
      fc.property(fc.integer({ min: -700_000, max: 2_000_000 }), (days) => {
        assert.equal(daysFromCivil(civilFromDays(days)), days);
        const date = new Date(days * DAY_MS);
        assert.deepEqual(civilFromDays(days), { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() });
      }),
    );
  });

  it('writes and reads ISO 8601', () => {
    fc.assert(
      fc.property(instant, (ms) => {
        assert.equal(isoOf(ms), new Date(ms).toISOString().replace('.000Z', 'Z'));
        assert.equal(parseInstant(isoOf(ms)), ms);
      }),
    );
    assert.equal(parseInstant('2026-11-22T10:00:00+02:00'), Date.UTC(2026, 10, 22, 8));
    assert.equal(parseInstant('2026-11-22T10:00-0330'), Date.UTC(2026, 10, 22, 13, 30));
    for (const wrong of [
      '2026-11-22T10:00:00',
      '2026-11-22',
      'now',
      '2026-13-01T00:00:00Z',
      '2026-11-22T24:00:00Z',
      '2026-11-22T10:60:00Z',
    ])
      assert.equal(parseInstant(wrong), undefined, wrong);
    for (const wrong of ['2026-02-30', '2026-1-1', '', '2026-00-01']) assert.equal(parseDay(wrong), undefined, wrong);
    assert.equal(isoDayOf(parseDay('2024-02-29') as number), '2024-02-29');
  });

  it('knows zones by IANA name only', () => {
    for (const zone of ZONES) assert.ok(isTimezone(zone), zone);
    for (const wrong of ['+02:00', 'Mars/Olympus', '', '../etc', 'x'.repeat(80)]) assert.ok(!isTimezone(wrong), wrong);
    assert.equal(offsetMsAt('Asia/Kolkata', 0), 19_800_000);
  });

  it('starts a local day at its first instant: one earlier it is another date, also across clock changes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), instant, (zone, ms) => {
        const day = localDayAt(zone, ms);
        const start = startOfDay(zone, day);
        assert.ok(start <= ms);
        assert.equal(localDayAt(zone, start), day);
        assert.notEqual(localDayAt(zone, start - 1), day);
      }),
      { numRuns: 500 },
    );
  });

  it('gives days of 23 and 25 hours where clocks change', () => {
    const hours = (from: string, to: string, zone: string): number =>
      (startOfDay(zone, parseDay(to) as number) - startOfDay(zone, parseDay(from) as number)) / 3_600_000;
    assert.equal(hours('2026-03-29', '2026-03-30', 'Europe/Amsterdam'), 23);
    assert.equal(hours('2026-10-25', '2026-10-26', 'Europe/Amsterdam'), 25);
    assert.equal(hours('2018-11-04', '2018-11-05', 'America/Sao_Paulo'), 23);
  });
});
