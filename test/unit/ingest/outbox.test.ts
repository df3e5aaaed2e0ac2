// What a connection has sent on its way into the log: in order, tried again unchanged, bounded, and given up in the end.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CollectOutcome } from '../../../ingest/collect.ts';
import { createOutbox, type Outgoing } from '../../../ingest/outbox.ts';

const ACCEPTED: CollectOutcome = { kind: 'accepted', accepted: 1, rejected: [] };
const AWAY: CollectOutcome = { kind: 'overloaded', retryAfterSeconds: 2 };
const outgoing = (receivedAt: number): Outgoing => ({ owned: {} as never, receivedAt });
const turns = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

function start(outcomeOf: (receivedAt: number) => CollectOutcome, queueMax = 3) {
  const seen: number[] = [];
  const lost: string[] = [];
  const timers: { ms: number; run: () => void }[] = [];
  let now = 0;
  const outbox = createOutbox({
    collect: async ({ receivedAt }) => {
      seen.push(receivedAt);
      return outcomeOf(receivedAt);
    },
    scheduler: {
      monotonicMs: () => now,
      after: (ms, run) => {
        timers.push({ ms, run });
        return () => {};
      },
    },
    queueMax,
    closeTimeoutMs: 5_000,
    onLost: (why) => void lost.push(why),
  });
  const pass = async () => {
    for (const { ms, run } of timers.splice(0)) {
      now += ms;
      run();
    }
    await turns();
  };
  return { outbox, seen, lost, timers, pass };
}

describe('outbox', () => {
  it('sends in order, one at a time', async () => {
    const { outbox, seen, lost } = start(() => ACCEPTED);
    for (const at of [1, 2, 3]) outbox.push(outgoing(at));
    await outbox.close();
    assert.deepEqual([seen, lost], [[1, 2, 3], []]);
  });

  it('tries the same one again until it is taken, and only then the next', async () => {
    let away = true;
    const { outbox, seen, timers, pass } = start(() => (away ? AWAY : ACCEPTED));
    outbox.push(outgoing(1));
    outbox.push(outgoing(2));
    await turns();
    assert.deepEqual([seen, timers.map(({ ms }) => ms)], [[1], [2_000]]);
    await pass();
    away = false;
    await pass();
    assert.deepEqual(seen, [1, 1, 1, 2]);
  });

  it('is bounded: what does not fit is lost and told', async () => {
    const { outbox, lost } = start(() => AWAY, 2);
    for (const at of [1, 2, 3]) outbox.push(outgoing(at));
    await turns();
    assert.deepEqual(lost, ['queue']);
  });

  it('one that is too large is lost, the others are not', async () => {
    const { outbox, seen, lost } = start((at) => (at === 1 ? { kind: 'too_large', detail: '' } : ACCEPTED));
    outbox.push(outgoing(1));
    outbox.push(outgoing(2));
    await outbox.close();
    assert.deepEqual([seen, lost], [[1, 2], ['too_large']]);
  });

  it('one over which the gateway itself stumbles is lost and told, once, and the next one goes on', async () => {
    const { outbox, seen, lost } = start((at) => {
      if (at === 1) throw new Error('cannot be encoded');
      return ACCEPTED;
    });
    outbox.push(outgoing(1));
    outbox.push(outgoing(2));
    await outbox.close();
    assert.deepEqual([seen, lost], [[1, 2], ['fault']]);
  });

  it('after close it goes on for a while, then gives up', async () => {
    const { outbox, lost, pass, timers } = start(() => AWAY);
    outbox.push(outgoing(1));
    outbox.push(outgoing(2));
    await turns();
    const closed = outbox.close();
    while (timers.length > 0) await pass();
    await closed;
    assert.deepEqual(lost, ['closed', 'closed']);
  });
});
