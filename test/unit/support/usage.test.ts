// The check of I10 itself: it must find what grows, and be quiet about what does not.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkLogs, checkMemory, metricIn, trendOf, type UsageSample } from '../../support/usage.ts';

const LIMITS = { rssMb: 512, heapMb: 256 };

/** Ten minutes of samples; the heap swings between its floor and 40 MB above it. */
function samples(floorMb: (share: number) => number): UsageSample[] {
  return Array.from({ length: 120 }, (_, n) => {
    const floor = floorMb(n / 119);
    return { atMs: n * 5_000, heapMb: floor + (n % 7) * 6, rssMb: floor + 90 + (n % 5), files: 30, sockets: 9, openSessions: 40 };
  });
}

const found = (all: readonly UsageSample[]): string[] =>
  checkMemory({ samples: new Map([['p1', all]]), stretches: [{ instance: 'p1', samples: all }] }, LIMITS).map(({ detail }) => detail);

describe('I10', () => {
  it('a saw tooth over a level floor is no trend', () => assert.deepEqual(found(samples(() => 60)), []));

  it('what fills up first and is level then is no trend', () => {
    const filling = samples((share) => (share < 0.15 ? 30 + share * 400 : 90));
    assert.deepEqual(found(filling), []);
  });

  it('a floor that rises under the saw tooth is found in heap and RSS', () => {
    const [heap, rss] = found(samples((share) => 60 + share * 90));
    assert.match(heap ?? '', /the heap of p1 rose/);
    assert.match(rss ?? '', /p1 rose/);
  });

  it('more open sessions may take more memory', () => {
    const growing = samples((share) => 60 + share * 90).map((sample, n) => ({ ...sample, openSessions: 40 + n }));
    assert.deepEqual(found(growing), []);
  });

  it('a peak above the ceiling is found however short', () => {
    const all = samples(() => 60);
    all[50] = { ...(all[50] as UsageSample), rssMb: 600, heapMb: 300 };
    assert.equal(found(all).length, 2);
  });

  it('a stretch of seconds says nothing about a trend', () =>
    assert.equal(trendOf(samples((share) => share * 500).slice(0, 10)), undefined));

  it('an error that nobody handled is found in any log', () => {
    assert.deepEqual(checkLogs(new Map([['p1', '{"level":40,"msg":"a flush failed"}']])), []);
    assert.equal(checkLogs(new Map([['p1', 'x\nTypeError: no\n']])).length, 1);
  });

  it('reads a metric with and without labels', () => {
    const text = 'a_total 3\nopen{partition="0"} 4\nopen{partition="1"} 5\nopened 9\n';
    assert.equal(metricIn(text, 'a_total'), 3);
    assert.equal(metricIn(text, 'open'), 9);
    assert.equal(metricIn(text, 'none'), -1);
  });
});
