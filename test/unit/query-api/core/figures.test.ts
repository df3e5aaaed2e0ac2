import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addFigures, compareGroups, figureBlock, noFigures, qualityBlock } from '../../../../query-api/core/figures.ts';
import { startupCellOf } from '../../../../schemas/rollup.ts';

describe('figures', () => {
  it('has no quotients of nothing', () => {
    const block = qualityBlock(noFigures());
    assert.deepEqual(
      [block.averageWatchMs, block.rebufferRatio, block.startupMs, block.bitrateBps],
      [null, null, { median: null, p95: null }, null],
    );
  });

  it('adds sums in any order and divides once, at the end', () => {
    const startupCounts = new Array<number>(startupCellOf(400) + 1).fill(0);
    startupCounts[startupCellOf(400)] = 1;
    const a = { plays: 2, totalWatchMs: 9_000, stallMs: 1_000, bitrateKbpsMs: 800 * 9_000, bitrateKnownMs: 9_000, startupCounts };
    const b = { plays: 1, totalWatchMs: 0, stallMs: 0 };
    const sums = addFigures(addFigures(noFigures(), a), b);
    assert.deepEqual(sums, addFigures(addFigures(noFigures(), b), a));
    assert.equal(figureBlock(sums).averageWatchMs, 3_000);
    assert.equal(figureBlock(sums).rebufferRatio, 0.1);
    assert.equal(qualityBlock(sums).bitrateBps, 800_000);
    const median = figureBlock(sums).startupMs.median as number;
    assert.ok(Math.abs(median - 400) <= 400 * 0.125);
  });

  it('orders groups without ties', () => {
    const group = (value: string, plays: number, attempts: number) => ({ value, sums: addFigures(noFigures(), { plays, attempts }) });
    const sorted = [group('b', 1, 1), group('a', 1, 1), group('c', 1, 2), group('d', 3, 3)].sort(compareGroups);
    assert.equal(sorted.map(({ value }) => value).join(''), 'dcab');
  });
});
