// Long work in slices: one piece after the other, one slice a turn, and none of it once nobody wants it (D21).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemScheduler } from '../../../infra/runtime/clock.ts';
import { Slices } from '../../../processor/slices.ts';

/** Time goes on by `stepMs` with every look at it. */
function ticking(stepMs: number) {
  let now = 0;
  const seen = { yields: 0 };
  const scheduler = {
    ...systemScheduler,
    monotonicMs: () => {
      now += stepMs;
      return now;
    },
    yield: () => {
      seen.yields++;
      return systemScheduler.yield();
    },
  };
  return { scheduler, seen };
}

function* counting(name: string, steps: number, into: string[]): Generator<void, string> {
  for (let step = 0; step < steps; step++) {
    into.push(`${name}${step}`);
    yield;
  }
  return name;
}

const always = (): boolean => true;

describe('slices (D21)', () => {
  it('pieces of work do not mix, and come out in the order of asking', async () => {
    const { scheduler } = ticking(1);
    const slices = new Slices(scheduler, 0);
    const done: string[] = [];
    const results = await Promise.all(['a', 'b', 'c'].map((name) => slices.run(counting(name, 3, done), always)));
    assert.deepEqual(results, ['a', 'b', 'c']);
    assert.deepEqual(done, ['a0', 'a1', 'a2', 'b0', 'b1', 'b2', 'c0', 'c1', 'c2']);
    assert.equal(slices.busy, false);
  });

  it('a turn of the event loop is given after each slice, not after each step', async () => {
    const each = ticking(1);
    await new Slices(each.scheduler, 0).run(counting('a', 40, []), always);
    assert.equal(each.seen.yields, 40);
    const some = ticking(1);
    await new Slices(some.scheduler, 10).run(counting('a', 40, []), always);
    assert.ok(some.seen.yields >= 3 && some.seen.yields <= 4, `${some.seen.yields} turns`);
  });

  it('work that nobody wants any more is left where it stands, and the next goes on', async () => {
    const { scheduler } = ticking(1);
    const slices = new Slices(scheduler, 0);
    const done: string[] = [];
    const first = slices.run(counting('a', 100, done), () => done.length < 3);
    const second = slices.run(counting('b', 2, done), always);
    assert.equal(slices.busy, true);
    assert.equal(await first, undefined);
    assert.equal(await second, 'b');
    assert.deepEqual(done, ['a0', 'a1', 'a2', 'b0', 'b1']);
  });

  it('what the work throws is thrown, and the next goes on', async () => {
    const { scheduler } = ticking(1);
    const slices = new Slices(scheduler, 0);
    const failing = (function* (): Generator<void, never> {
      yield;
      throw new RangeError('no');
    })();
    const first = slices.run(failing, always);
    const second = slices.run(counting('b', 2, []), always);
    await assert.rejects(first, RangeError);
    assert.equal(await second, 'b');
  });
});
