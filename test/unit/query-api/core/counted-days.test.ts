// Where counted events are cut: no stretch mixes what is shown apart, in any zone, over changes of the clock too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DAY_MS, isoDayOf, localDayAt } from '../../../../query-api/core/civil.ts';
import { countedBoundaries, sundayOf } from '../../../../query-api/core/counted-days.ts';
import { planEventCounts } from '../../../../query-api/core/event-plan.ts';

const HOUR_MS = 3_600_000;
/** Zones with changes at midnight, half and three quarter hours, and a date that never was (Apia, 2011-12-30). */
const ZONES = ['UTC', 'Europe/Amsterdam', 'America/New_York', 'Asia/Kolkata', 'Asia/Kathmandu', 'America/Sao_Paulo', 'Pacific/Apia'];
const NOW = Date.UTC(2012, 2, 20, 11, 37, 5, 123);

/** The local date of an instant, from the runtime's calendar alone. */
const dateIn = (timezone: string, at: number): string =>
  new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' }).format(at);

function sundayBefore(date: string): string {
  const at = new Date(`${date}T12:00:00Z`);
  while (at.getUTCDay() !== 0) at.setUTCDate(at.getUTCDate() - 1);
  return at.toISOString().slice(0, 10);
}

test('every instant behind a cut-off is in the day, week or month of its stretch', () => {
  const asked = fc.record({
    timezone: fc.constantFrom(...ZONES),
    lookback: fc.integer({ min: 1, max: 9 }),
    oldestDays: fc.integer({ min: 0, max: 400 }),
    ages: fc.array(fc.integer({ min: -600_000, max: 280 * DAY_MS }), { minLength: 20, maxLength: 20 }),
  });
  fc.assert(
    fc.property(asked, ({ timezone, lookback, oldestDays, ages }) => {
      const cuts = { daily: NOW - lookback * DAY_MS, weekly: NOW - 7 * lookback * DAY_MS, monthly: NOW - 30 * lookback * DAY_MS };
      const oldestMs = Math.floor((NOW - oldestDays * DAY_MS) / DAY_MS) * DAY_MS;
      const boundaries = countedBoundaries({ timezone, cuts, oldestMs, nowMs: NOW });
      assert.deepEqual(
        boundaries,
        [...new Set(boundaries)].sort((a, b) => a - b),
      );
      for (const age of ages) {
        const at = NOW - age;
        if (at < Math.max(cuts.monthly, oldestMs)) continue;
        const from = boundaries.findLast((boundary) => boundary <= at) as number;
        const [shown, truth] = [isoDayOf(localDayAt(timezone, from)), dateIn(timezone, at)];
        for (const [cut, of] of [
          [cuts.daily, (date: string) => date],
          [cuts.weekly, sundayBefore],
          [cuts.monthly, (date: string) => date.slice(0, 7)],
        ] as const) {
          assert.equal(at >= cut, from >= cut, 'a stretch lies on one side of a cut-off');
          if (at >= cut) assert.equal(of(shown), of(truth), `${timezone} ${new Date(at).toISOString()}`);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('the days on which clocks change have 23 and 25 hours', () => {
  const lengths = (timezone: string, noon: number): number[] => {
    const now = noon + 2 * DAY_MS;
    const cuts = { daily: now - 4 * DAY_MS, weekly: now - 4 * DAY_MS, monthly: now - 4 * DAY_MS };
    const all = countedBoundaries({ timezone, cuts, oldestMs: 0, nowMs: now });
    return all.slice(2, -1).map((at, i) => (at - (all[i + 1] as number)) / HOUR_MS);
  };
  assert.ok(lengths('Europe/Amsterdam', Date.UTC(2026, 2, 29, 12)).includes(23));
  assert.ok(lengths('Europe/Amsterdam', Date.UTC(2026, 9, 25, 12)).includes(25));
  assert.deepEqual(new Set(lengths('UTC', Date.UTC(2026, 9, 25, 12))), new Set([24]));
});

test('the number of stretches grows with the lookback, not with how old the oldest event is', () => {
  const cuts = { daily: NOW - 7 * DAY_MS, weekly: NOW - 49 * DAY_MS, monthly: NOW - 214 * DAY_MS };
  const count = (oldestMs: number): number => countedBoundaries({ timezone: 'Asia/Tokyo', cuts, oldestMs, nowMs: NOW }).length;
  assert.equal(count(0), count(NOW - 1_000 * DAY_MS));
  assert.ok(count(0) < 60);
  assert.ok(count(NOW - 2 * DAY_MS) <= 6);
});

test('a week begins on its Sunday', () => {
  for (const [day, sunday] of [
    [0, -4],
    [3, 3],
    [-5, -11],
    [20_000, 19_995],
  ] as const)
    assert.equal(sundayOf(day), sunday);
});

test('only days and hours with a boundary within are cut; hours that are nearly all cut are read from rows', () => {
  const day = 20_000 * DAY_MS;
  assert.deepEqual(planEventCounts([day, day + DAY_MS]), { path: 'rollup', cutDaysMs: [], cutHoursMs: [] });
  assert.deepEqual(planEventCounts([day + HOUR_MS, day + 3 * DAY_MS]), { path: 'rollup', cutDaysMs: [day], cutHoursMs: [] });
  const odd = day + 90 * 60_000;
  assert.deepEqual(planEventCounts([odd, day + 2 * DAY_MS]), { path: 'rollup', cutDaysMs: [day], cutHoursMs: [day + HOUR_MS] });
  assert.deepEqual(planEventCounts([odd, odd + 60_000, odd + 120_000]), { path: 'rows' });
});
