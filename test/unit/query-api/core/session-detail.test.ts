import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PART_FLAGS, PART_SUMS, type PartLike, sessionDetails, unionMs } from '../../../../query-api/core/session-detail.ts';

const part = (change: Partial<PartLike>): PartLike => ({
  ...(Object.fromEntries([...PART_SUMS, ...PART_FLAGS].map((name) => [name, 0])) as Record<
    (typeof PART_SUMS)[number] | (typeof PART_FLAGS)[number],
    number
  >),
  part: 0,
  open: false,
  video: 'v',
  started_at: 0,
  ended_at: 10,
  unique_watch_ms: 0,
  startup_ms: null,
  errors: [],
  sections: [],
  ...change,
});

describe('session detail', () => {
  it('measures a union by its milliseconds', () => {
    const section = fc
      .tuple(fc.nat(60), fc.integer({ min: 1, max: 30 }))
      .map(([from, length]) => [0, from, from + length, 0, 1_000] as const);
    fc.assert(
      fc.property(fc.array(section, { maxLength: 8 }), (sections) => {
        const covered = new Set(sections.flatMap(([, from, to]) => Array.from({ length: to - from }, (_, i) => from + i)));
        assert.equal(unionMs(sections), covered.size);
      }),
    );
  });

  it('puts the parts of a session together: sums add up, unique is the union, flags count once', () => {
    const [whole, other] = sessionDetails([
      part({
        plays: 1,
        total_watch_ms: 10,
        unique_watch_ms: 10,
        startup_ms: 300,
        sections: [[0, 0, 10, 0, 1_000]],
        completions: 1,
        errors: [{ code: 'E', fatal: true, count: 1 }],
      }),
      part({
        part: 1,
        open: true,
        ended_at: 30,
        total_watch_ms: 10,
        unique_watch_ms: 10,
        sections: [[0, 5, 15, 0, 1_000]],
        completions: 1,
        errors: [{ code: 'E', fatal: true, count: 2 }],
      }),
      part({ video: 'w', plays: 1 }),
    ]);
    assert.equal(whole?.parts, 2);
    assert.equal(whole?.open, true);
    assert.equal(whole?.uniqueWatchMs, 15);
    assert.equal(whole?.sums.total_watch_ms, 20);
    assert.equal(whole?.sums.completions, 1);
    assert.equal(whole?.startupMs, 300);
    assert.equal(whole?.endedAtMs, 30);
    assert.deepEqual(whole?.errors, [{ code: 'E', fatal: true, count: 3 }]);
    assert.equal(other?.parts, 1);
  });
});
