// When a part counts as a view of PeerTube's public counter, and how often.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { VIEW_RULE_DEFAULT as RULE, type ViewedPart, viewsOf, viewThresholdMs } from '../../../schemas/views.ts';

const HOUR_MS = 3_600_000;

type Played = readonly [startedAt: number, lengthMs: number];

function partOf(played: readonly Played[], more: Partial<ViewedPart> = {}): ViewedPart {
  const sections = played.map(([startedAt, lengthMs], run) => ({ run, fromMs: 0, toMs: lengthMs, startedAt, rateMilli: 1_000 }));
  const [lastAt = 0, lastMs = 0] = played.at(-1) ?? [];
  return {
    part: 0,
    startedAt: played[0]?.[0] ?? 0,
    endedAt: lastAt + lastMs,
    sections,
    context: { protocol: 'peertube', durationMs: -1, live: -1 },
    ...more,
  };
}
const views = (...played: Played[]): number => viewsOf(partOf(played), RULE);

describe('views', () => {
  it('need the watch time, or more than half of a video that is shorter', () => {
    assert.equal(viewThresholdMs(RULE, 60_000, 0), 10_000);
    assert.equal(viewThresholdMs(RULE, -1, -1), 10_000);
    assert.equal(viewThresholdMs(RULE, 6_000, 0), 3_001);
    assert.equal(viewThresholdMs(RULE, 6_000, 1), 10_000);
    assert.equal(views([0, 9_999]), 0);
    assert.equal(views([0, 10_000]), 1);
    assert.equal(views([0, 6_000], [60_000, 4_000]), 1, 'in several sections');
    const short = { context: { protocol: 'peertube', durationMs: 6_000, live: 0 } };
    assert.deepEqual([viewsOf(partOf([[0, 3_000]], short), RULE), viewsOf(partOf([[0, 3_001]], short), RULE)], [0, 1]);
  });

  it('count again for each hour that is watched on', () => {
    assert.equal(views([0, HOUR_MS]), 1);
    assert.equal(views([0, HOUR_MS + 10_000]), 2, 'an hour after the first one');
    assert.equal(views([0, 3 * HOUR_MS + 10_000]), 4);
  });

  it('do not count while nothing is played', () => {
    assert.equal(views([0, 600_000], [3_900_000, 300_000]), 2, 'the hour is over when play goes on');
    assert.equal(views([0, 600_000], [3_900_000, 300_000], [7_440_000, 30_000]), 2, 'the second hour is not');
  });

  it('of a viewer of PeerTube who came back after the idle gap begin anew, a late part of another door goes on with its session', () => {
    const played: Played[] = [[1_800_000, 20_000]];
    const later = { part: 1, startedAt: 0 };
    assert.equal(viewsOf(partOf(played, later), RULE), 1);
    const native = { ...later, context: { protocol: 'native', durationMs: -1, live: -1 } };
    assert.equal(viewsOf(partOf(played, native), RULE), 0);
    assert.equal(viewsOf(partOf([[HOUR_MS - 10_000, 20_000]], native), RULE), 1, 'an hour after the session began');
  });

  it('are at most one for each hour of a session and one more, whatever rule and play', () => {
    const play = fc.array(fc.tuple(fc.integer({ min: 0, max: 10_000_000 }), fc.integer({ min: 1, max: 5_000_000 })), { maxLength: 6 });
    const rules = fc.record({
      countAfterMs: fc.integer({ min: 1_000, max: 60_000 }),
      expirationMs: fc.integer({ min: 1_000, max: HOUR_MS }),
    });
    fc.assert(
      fc.property(play, rules, (moves, rule) => {
        let at = 0;
        const played = moves.map(([pauseMs, lengthMs]): Played => {
          const startedAt = at + pauseMs;
          at = startedAt + lengthMs;
          return [startedAt, lengthMs];
        });
        const part = partOf(played);
        const watchedMs = played.reduce((sum, [, lengthMs]) => sum + lengthMs, 0);
        const counted = viewsOf(part, rule);
        assert.equal(counted > 0, watchedMs >= rule.countAfterMs);
        assert.ok(counted <= Math.floor((part.endedAt - part.startedAt) / rule.expirationMs) + 1);
      }),
    );
  });
});
