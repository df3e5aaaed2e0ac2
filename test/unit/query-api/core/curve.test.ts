import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { curveOf, defaultResolutionMs, equalRanges, RANGES_MAX, rangesBySize } from '../../../../query-api/core/curve.ts';
import { rangesOf } from '../../../../schemas/rollup.ts';

describe('curve', () => {
  it('cuts equal ranges where the rollups cut them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000_000 }),
        fc.integer({ min: 1, max: 1_000 }),
        fc.nat(),
        fc.nat(),
        (durationMs, count, a, b) => {
          const { boundaries } = equalRanges(durationMs, count);
          const ranges = boundaries.length - 1;
          assert.equal(boundaries[0], 0);
          assert.equal(boundaries.at(-1), durationMs);
          for (let i = 0; i < ranges; i++) assert.ok((boundaries[i] as number) < (boundaries[i + 1] as number), 'no empty range');
          const fromMs = a % durationMs;
          const toMs = fromMs + 1 + (b % durationMs);
          const { first, last } = rangesOf(fromMs, toMs, durationMs, ranges);
          const place = (ms: number): number =>
            Math.min(
              ranges - 1,
              boundaries.findLastIndex((start) => start <= ms),
            );
          assert.deepEqual([first, last], [place(fromMs), place(toMs - 1)]);
        },
      ),
    );
  });

  it('cuts ranges of a size, the last one shorter', () => {
    assert.deepEqual(rangesBySize(2_500, 1_000).boundaries, [0, 1_000, 2_000, 2_500]);
    assert.deepEqual(rangesBySize(2_000, 1_000).boundaries, [0, 1_000, 2_000]);
    assert.deepEqual(rangesBySize(1, 1_000).boundaries, [0, 1]);
  });

  it('keeps the default resolution within the limit', () => {
    assert.equal(defaultResolutionMs(60_000), 1_000);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_147_483_647 }), (ms) => {
        assert.ok(rangesBySize(ms, defaultResolutionMs(ms)).boundaries.length - 1 <= RANGES_MAX);
      }),
    );
  });

  it('sums steps up', () => {
    const points = curveOf({ boundaries: [0, 10, 20, 30] }, [2, -1, 0, -1], [3, 0, -2, -1], 4);
    assert.deepEqual(
      points.map(({ plays, watches, rewatches, share }) => [plays, watches, rewatches, share]),
      [
        [2, 3, 1, 0.5],
        [1, 3, 2, 0.25],
        [1, 1, 0, 0.25],
      ],
    );
    assert.equal(curveOf({ boundaries: [0, 1] }, [1], [1], 0)[0]?.share, null);
  });
});
