// Rollup additions: additive in any cut, by the definitions of schemas/rollup.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SealedOutput } from '../../../processor/core/outputs.ts';
import { dimensionValue, type RollupRows, rollupRows, rollupStatements } from '../../../processor/rollups.ts';
import { ENGAGEMENT_RANGES, ROLLUP_DIMENSIONS, rangesOf, startupCellOf, watchClassOf } from '../../../schemas/rollup.ts';
import { sealedOutput } from '../../support/session-examples.ts';

const DAY_MS = 86_400_000;

test('one session adds to its hour, its day, every dimension, for its site and its video', () => {
  const output = sealedOutput({ startedAt: 20_000 * DAY_MS + 5_400_000, startupMs: 300, totalWatchMs: 12_000, uniqueWatchMs: 11_000 });
  const { daily, hourly, engagement } = rollupRows([output]);
  assert.equal(daily.length, 2 * (1 + ROLLUP_DIMENSIONS.length));
  assert.equal(hourly.length, 2);
  assert.equal(engagement.length, 1);
  for (const row of daily) {
    assert.equal(row.day, 20_000);
    assert.equal(row.watchClass, watchClassOf(12_000));
    assert.equal(row.counts.sessions, 1);
    assert.equal(row.counts.unique_watch_ms, 11_000);
    assert.equal(row.startup.length, startupCellOf(300) + 1);
    assert.equal(row.video, row.scope === 'site' ? '' : 'intro');
  }
  assert.equal(hourly[0]?.hour, 20_000 * DAY_MS + 3_600_000);
});

test('a session without a video counts for its site only', () => {
  const { daily, hourly, engagement } = rollupRows([sealedOutput({ video: '' })]);
  assert.deepEqual(new Set([...daily, ...hourly].map((row) => row.scope)), new Set(['site']));
  assert.deepEqual(engagement, []);
});

test('a supplement adds figures and itself, not another session', () => {
  const [row] = rollupRows([sealedOutput({ part: 1, plays: 0, attempts: 0, totalWatchMs: 2_000 })]).hourly;
  assert.deepEqual([row?.counts.sessions, row?.counts.supplements, row?.counts.total_watch_ms], [0, 1, 2_000]);
});

test('the engagement arrays give back who covered each range, and how often', () => {
  const sections = [
    { run: 0, fromMs: 0, toMs: 10_000, startedAt: 0, rateMilli: 1000 },
    { run: 0, fromMs: 10_000, toMs: 20_000, startedAt: 0, rateMilli: 2000 },
    { run: 1, fromMs: 5_000, toMs: 15_000, startedAt: 0, rateMilli: 1000 },
    { run: 2, fromMs: 90_000, toMs: 100_000, startedAt: 0, rateMilli: 1000 },
  ];
  const [row] = rollupRows([sealedOutput({ sections, context: { durationMs: 100_000 } })]).engagement;
  const at = (steps: readonly number[], range: number): number => steps.slice(0, range + 1).reduce((sum, step) => sum + step, 0);
  const plays = row?.playSteps as number[];
  const watches = row?.watchSteps as number[];
  assert.equal(plays.length, ENGAGEMENT_RANGES + 1);
  assert.deepEqual(
    [at(plays, 0), at(plays, 7), at(plays, 19), at(plays, 20), at(plays, 89), at(plays, 95), at(plays, 100)],
    [1, 1, 1, 0, 0, 1, 0],
  );
  assert.deepEqual([at(watches, 0), at(watches, 7), at(watches, 14), at(watches, 15), at(watches, 95)], [1, 2, 2, 1, 1]);
});

test('a session whose duration is not known is counted under duration 0 with empty arrays', () => {
  const [row] = rollupRows([sealedOutput({ context: { durationMs: -1 } })]).engagement;
  assert.equal(row?.durationMs, 0);
  assert.equal(row?.plays, 1);
  assert.ok(row?.playSteps.every((step) => step === 0));
});

test('page is host and path, traffic joins source, medium and campaign', () => {
  const { context } = sealedOutput({ context: { pageHost: 'a.example', pagePath: '/b', source: 's', medium: 'm', campaign: 'c' } }).part;
  assert.equal(dimensionValue(context, 'page'), 'a.example/b');
  assert.equal(dimensionValue(context, 'traffic'), 's\u001fm\u001fc');
});

const outputs = fc.array(
  fc.record({
    startedAt: fc.integer({ min: 0, max: 3 * DAY_MS }),
    video: fc.constantFrom('', 'intro', 'b'),
    site: fc.constantFrom('x', 'y'),
    part: fc.constantFrom(0, 0, 1),
    totalWatchMs: fc.integer({ min: 0, max: 700_000 }),
    startupMs: fc.integer({ min: -1, max: 70_000 }),
    sections: fc.array(
      fc
        .record({ from: fc.integer({ min: 0, max: 59_000 }), length: fc.integer({ min: 1, max: 1_000 }) })
        .map(({ from, length }) => ({ fromMs: from, toMs: from + length })),
      { maxLength: 4 },
    ),
  }),
  { maxLength: 12 },
);

const toOutput = (each: { sections: { fromMs: number; toMs: number }[] } & Record<string, unknown>): SealedOutput =>
  sealedOutput({ ...each, sections: each.sections.map((section, run) => ({ ...section, run, startedAt: 0, rateMilli: 1000 })) });

/** Rows by key, with their figures as flat lists that can be added. */
function figures(rows: RollupRows): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const pad = (values: readonly number[], length: number): number[] => [...values, ...new Array<number>(length - values.length).fill(0)];
  for (const row of rows.daily)
    found.set(`d ${row.site} ${row.scope} ${row.video} ${row.dimension} ${row.day} ${row.value} ${row.watchClass}`, [
      ...Object.values(row.counts),
      ...pad(row.startup, 120),
    ]);
  for (const row of rows.hourly)
    found.set(`h ${row.site} ${row.scope} ${row.video} ${row.hour} ${row.watchClass}`, [
      ...Object.values(row.counts),
      ...pad(row.startup, 120),
    ]);
  for (const row of rows.engagement)
    found.set(`e ${row.site} ${row.video} ${row.day} ${row.durationMs}`, [row.plays, row.supplements, ...row.playSteps, ...row.watchSteps]);
  return found;
}

test('additions of two flushes equal those of one: no cut changes a figure (D9, V6)', () => {
  fc.assert(
    fc.property(outputs, fc.nat(12), (items, cut) => {
      const all = items.map(toOutput);
      const sum = figures(rollupRows(all.slice(0, cut)));
      for (const [key, values] of figures(rollupRows(all.slice(cut)))) {
        const before = sum.get(key);
        sum.set(key, before === undefined ? values : before.map((value, index) => value + (values[index] as number)));
      }
      assert.deepEqual(new Map([...sum].sort()), new Map([...figures(rollupRows(all))].sort()));
    }),
    { numRuns: 60 },
  );
});

test('play steps equal a count range by range', () => {
  fc.assert(
    fc.property(outputs, (items) => {
      const all = items.map(toOutput).filter(({ part }) => part.video === 'intro' && part.site === 'x');
      const counted = new Map<string, number[]>();
      for (const { part } of all) {
        const day = Math.floor(part.startedAt / DAY_MS);
        const counts = counted.get(`${day}`) ?? new Array<number>(ENGAGEMENT_RANGES).fill(0);
        counted.set(`${day}`, counts);
        const covered = new Set<number>();
        for (const section of part.sections) {
          const { first, last } = rangesOf(section.fromMs, section.toMs, part.context.durationMs, ENGAGEMENT_RANGES);
          for (let range = first; range <= last; range++) covered.add(range);
        }
        for (const range of covered) counts[range] = (counts[range] as number) + 1;
      }
      for (const row of rollupRows(all).engagement) {
        let running = 0;
        const counts = row.playSteps.slice(0, ENGAGEMENT_RANGES).map((step) => (running += step));
        assert.deepEqual(counts, counted.get(`${row.day}`));
      }
    }),
    { numRuns: 60 },
  );
});

test('rows come in key order, and statements take one array per column of equal length', () => {
  const rows = rollupRows([sealedOutput({ site: 'b' }), sealedOutput({ site: 'a' }), sealedOutput({ site: 'a', video: 'z' })]);
  assert.deepEqual(
    rows.daily.map((row) => row.site),
    rows.daily.map((row) => row.site).sort(),
  );
  const statements = rollupStatements(rows, 3);
  assert.equal(statements.length, 3);
  for (const { statement, params } of statements) {
    const highest = Math.max(...[...statement.text.matchAll(/\$(\d+)/g)].map((match) => Number(match[1])));
    assert.equal(params.length, highest, statement.name);
    const lengths = new Set(params.slice(1).map((column) => (column as unknown[]).length));
    assert.equal(lengths.size, 1, statement.name);
  }
  assert.deepEqual(rollupStatements(rollupRows([]), 3), []);
});
