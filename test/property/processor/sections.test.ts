// Section algebra against a model that marks every millisecond (SPEC.md, V1 to V3).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  mergeNearest,
  SECTION_WIDTH,
  sectionCount,
  totalMs,
  toWatchSections,
  unionOf,
  uniqueMs,
} from '../../../processor/core/sections.ts';

const END_MS = 60;
const stretch = fc
  .tuple(fc.nat(END_MS - 1), fc.integer({ min: 1, max: 20 }))
  .map(([fromMs, length]) => ({ fromMs, toMs: Math.min(END_MS, fromMs + length) }));
const stretches = fc.array(stretch, { maxLength: 12 });
const flat = stretches.map((list) => list.flatMap(({ fromMs, toMs }, run) => [run, fromMs, toMs, 1_000 + run, 1_000]));

/** How often each millisecond was played. */
function playedPerMs(list: readonly { fromMs: number; toMs: number }[]): number[] {
  const played = new Array<number>(END_MS).fill(0);
  for (const { fromMs, toMs } of list) for (let ms = fromMs; ms < toMs; ms++) played[ms] = (played[ms] as number) + 1;
  return played;
}
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

describe('sections against one mark per millisecond', () => {
  it('total and unique watch time are what was marked (V3)', () => {
    fc.assert(
      fc.property(stretches, (list) => {
        const played = playedPerMs(list);
        assert.equal(totalMs(list), sum(played));
        assert.equal(uniqueMs(list), played.filter((times) => times > 0).length);
      }),
    );
  });

  it('the union is sorted, disjoint and covers exactly what was marked (V2)', () => {
    fc.assert(
      fc.property(stretches, (list) => {
        const union = unionOf(list);
        union.forEach(({ fromMs, toMs }, i) => {
          assert.ok(fromMs < toMs && (i === 0 || (union[i - 1]?.toMs ?? 0) < fromMs));
        });
        assert.deepEqual(
          playedPerMs(union),
          playedPerMs(list).map((times) => Math.min(1, times)),
        );
      }),
    );
  });

  it('cutting to the duration keeps exactly what lies inside, in order (V1)', () => {
    fc.assert(
      fc.property(flat, fc.integer({ min: -1, max: END_MS }), (sections, durationMs) => {
        const cut = toWatchSections(sections, durationMs);
        const all = toWatchSections(sections, -1);
        const inside = durationMs < 0 ? END_MS : durationMs;
        assert.deepEqual(
          playedPerMs(cut),
          playedPerMs(all).map((times, ms) => (ms < inside ? times : 0)),
        );
        assert.deepEqual(
          cut.map(({ run }) => run),
          [...cut.map(({ run }) => run)].sort((a, b) => a - b),
        );
      }),
    );
  });

  it('merging keeps the total by its account, covers what was played, and bridges only as much as it must (V3, V13)', () => {
    fc.assert(
      fc.property(flat, fc.integer({ min: 1, max: 8 }), (sections, keep) => {
        const before = toWatchSections(sections, -1);
        const merged = [...sections];
        const { merges, lostMs } = mergeNearest(merged, keep);
        const after = toWatchSections(merged, -1);
        assert.equal(sectionCount(merged), Math.min(before.length, Math.max(keep, before.length - merges)));
        assert.equal(merged.length % SECTION_WIDTH, 0);
        assert.equal(totalMs(after) + lostMs, totalMs(before));
        const covered = playedPerMs(after);
        playedPerMs(before).forEach((times, ms) => {
          assert.ok(times === 0 || (covered[ms] as number) > 0, `ms ${ms} is lost`);
        });
        if (unionOf(before).length <= keep) assert.equal(uniqueMs(after), uniqueMs(before));
      }),
    );
  });
});
