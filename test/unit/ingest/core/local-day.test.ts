// Dates of sites: what clocks on their walls show, over changes of daylight saving time and in odd zones, and when visitors' keys change.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { keyInstantOf, localDayOf } from '../../../../ingest/core/local-day.ts';

const HOUR = 3_600_000;
/** Whole, half and quarter hours; changes at midnight (Cairo, Santiago), of half an hour (Lord Howe), over the date line (Apia). */
const ZONES = [
  'UTC',
  'Europe/Amsterdam',
  'America/New_York',
  'America/Santiago',
  'Africa/Cairo',
  'Asia/Kathmandu',
  'Asia/Beirut',
  'Australia/Lord_Howe',
  'Pacific/Chatham',
  'Pacific/Apia',
  'Pacific/Kiritimati',
  'Etc/GMT+12',
];
/** What a clock on the wall shows, by another formatter: `2026-11-22 03:59:00`. */
const wall = (at: number, timeZone: string): string => new Date(at).toLocaleString('sv-SE', { timeZone });

describe('dates of sites', () => {
  it('any instant, any zone: the date on the wall', () => {
    const instant = fc.integer({ min: Date.UTC(2010, 0), max: Date.UTC(2035, 0) });
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), instant, (zone, at) => {
        assert.equal(localDayOf(at, zone), wall(at, zone).slice(0, 10));
      }),
      { numRuns: 2_000 },
    );
  });

  it('a date ends at midnight of the wall, on days of 23 and of 25 hours too', () => {
    const midnights: [zone: string, at: string, before: string, after: string][] = [
      ['Europe/Amsterdam', '2026-03-28T23:00:00Z', '2026-03-28', '2026-03-29'],
      ['Europe/Amsterdam', '2026-03-29T22:00:00Z', '2026-03-29', '2026-03-30'],
      ['Europe/Amsterdam', '2026-10-24T22:00:00Z', '2026-10-24', '2026-10-25'],
      ['Europe/Amsterdam', '2026-10-25T23:00:00Z', '2026-10-25', '2026-10-26'],
      ['Asia/Kathmandu', '2026-05-01T18:15:00Z', '2026-05-01', '2026-05-02'],
      ['Pacific/Apia', '2011-12-30T10:00:00Z', '2011-12-29', '2011-12-31'],
    ];
    for (const [zone, at, before, after] of midnights) {
      assert.deepEqual([localDayOf(Date.parse(at) - 1, zone), localDayOf(Date.parse(at), zone)], [before, after], `${zone} ${at}`);
    }
  });

  it('a zone that does not exist is UTC', () => {
    assert.equal(localDayOf(Date.UTC(2026, 0, 1, 23, 59), 'Mars/Olympus'), '2026-01-01');
  });

  it('a visitor’s key changes when clocks show four, whatever the day is long; at midnight it does not', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), fc.integer({ min: Date.UTC(2015, 0), max: Date.UTC(2030, 0) }), (zone, at) => {
        const shown = wall(at, zone);
        const dayBefore = new Date(Date.parse(`${shown.slice(0, 10)}T12:00:00Z`) - 24 * HOUR).toISOString().slice(0, 10);
        const day = Number(shown.slice(11, 13)) < 4 ? dayBefore : shown.slice(0, 10);
        assert.equal(new Date(keyInstantOf(at, zone)).toISOString(), `${day}T12:00:00.000Z`, `${zone} ${shown}`);
      }),
      { numRuns: 2_000 },
    );
    for (const [at, day] of [
      ['2026-03-29T01:59:59Z', '2026-03-28'],
      ['2026-03-29T02:00:00Z', '2026-03-29'],
      ['2026-10-25T02:59:59Z', '2026-10-24'],
      ['2026-10-25T03:00:00Z', '2026-10-25'],
    ] as const)
      assert.equal(new Date(keyInstantOf(Date.parse(at), 'Europe/Amsterdam')).toISOString().slice(0, 10), day, at);
  });
});
