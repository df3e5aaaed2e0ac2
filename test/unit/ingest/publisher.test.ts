// The micro-batcher and the ticks under a scheduler of our own: who goes when, with whom, and what callers are told.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AppendResult, Cancel, LogWriter, RecordToAppend, Scheduler } from '../../../infra/runtime/ports.ts';
import { Publisher, type PublisherSettings } from '../../../ingest/publisher.ts';
import { createRateLimiter } from '../../../ingest/rate-limit.ts';
import { startTicks } from '../../../ingest/ticks.ts';

/** Time that passes only when told to. */
function virtualTime(): Pick<Scheduler, 'monotonicMs' | 'after' | 'every'> & { advance(ms: number): Promise<void> } {
  let now = 0;
  const timers = new Set<{ at: number; every: number | undefined; run: () => void }>();
  const add = (ms: number, every: number | undefined, run: () => void): Cancel => {
    const timer = { at: now + ms, every, run };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    monotonicMs: () => now,
    after: (ms, run) => add(ms, undefined, run),
    every: (ms, run) => add(ms, ms, run),
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
        const next = [...timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = next.at;
        if (next.every === undefined) timers.delete(next);
        else next.at += next.every;
        next.run();
      }
      now = end;
      await settle();
    },
  };
}

type Send = { partitions: number[]; records: number[]; answer(broken?: readonly number[]): void };

function world(settings: Partial<PublisherSettings> = {}) {
  const time = virtualTime();
  const sends: Send[] = [];
  const writer: LogWriter = {
    append: (batches) =>
      new Promise((resolve) => {
        sends.push({
          partitions: [...batches.keys()],
          records: [...batches.values()].map((records) => records.length),
          answer: (broken = []) =>
            resolve(
              new Map(
                [...batches.keys()].map((partition): [number, AppendResult] => [
                  partition,
                  broken.includes(partition)
                    ? { outcome: 'unknown', error: new Error('no') }
                    : { outcome: 'appended', baseOffset: 0, appendAt: 0 },
                ]),
              ),
            ),
        });
      }),
    ready: () => true,
    close: async () => {},
  };
  let deadlines = 0;
  const publisher = new Publisher({
    writer,
    scheduler: time as unknown as Scheduler,
    settings: { lingerMs: 10, deadlineMs: 1000, sendsInFlightMax: 2, recordsMax: 10, bytesMax: 10_000, batchBytesMax: 1000, ...settings },
    hooks: { sent: () => {}, deadlinePassed: () => deadlines++ },
  });
  const record = (bytes = 10): RecordToAppend => ({ key: Buffer.from('k'), value: Buffer.alloc(bytes) });
  const publish = (...partitions: number[]) => publisher.publish(partitions.map((partition) => ({ partition, record: record() })));
  return { time, sends, writer, publisher, publish, record, deadlines: () => deadlines };
}

describe('the publisher', () => {
  it('lingers, then sends all waiting partitions in one call, the fullest first', async () => {
    const { time, sends, publish } = world();
    const outcomes = [publish(1), publish(2), publish(2)];
    await time.advance(9);
    assert.equal(sends.length, 0);
    await time.advance(2);
    assert.deepEqual(
      sends.map((send) => [send.partitions, send.records]),
      [
        [
          [2, 1],
          [2, 1],
        ],
      ],
    );
    sends[0]?.answer();
    assert.deepEqual(await Promise.all(outcomes), ['appended', 'appended', 'appended']);
  });

  it('keeps one batch of a partition under way (K2) and few sends', async () => {
    const { time, sends, publish } = world();
    void publish(1);
    await time.advance(11);
    void publish(1);
    void publish(2);
    void publish(3);
    await time.advance(11);
    assert.deepEqual(
      sends.map((send) => send.partitions),
      [[1], [2, 3]],
    );
    void publish(4);
    await time.advance(50);
    assert.equal(sends.length, 2, 'two sends are the most');
    sends[0]?.answer();
    await time.advance(1);
    assert.deepEqual(sends[2]?.partitions, [1, 4]);
  });

  it('takes all records of a request or none: full by count, by bytes, and while draining', async () => {
    const { publisher, publish, record, time, sends } = world({ recordsMax: 2, bytesMax: 500 });
    assert.equal(await publish(1, 2, 3), 'full');
    assert.equal(await publisher.publish([{ partition: 1, record: record(600) }]), 'full');
    const taken = publish(1, 2);
    assert.deepEqual(publisher.load().records, 2);
    assert.equal(await publish(1), 'full');
    const drained = publisher.drain();
    assert.equal(sends.length, 1, 'a drain does not linger');
    assert.equal(await publish(1), 'full');
    sends[0]?.answer();
    await drained;
    assert.equal(await taken, 'appended');
    assert.deepEqual(publisher.load(), { records: 0, bytes: 0 });
    await time.advance(1);
  });

  it('cuts a lane at the size of a batch', async () => {
    const { publisher, record, sends, time } = world();
    const all = publisher.publish(Array.from({ length: 3 }, () => ({ partition: 1, record: record(400) })));
    await time.advance(0);
    assert.deepEqual(
      sends.map((send) => send.records),
      [[2]],
    );
    sends[0]?.answer();
    await time.advance(11);
    assert.deepEqual(sends[1]?.records, [1]);
    sends[1]?.answer();
    assert.equal(await all, 'appended');
  });

  it('says unknown when one partition fails, sends that partition alone from then on, until it works', async () => {
    const { time, sends, publish } = world();
    const outcome = publish(1, 2);
    await time.advance(11);
    sends[0]?.answer([2]);
    assert.equal(await outcome, 'unknown');
    void publish(1);
    void publish(2);
    void publish(3);
    await time.advance(11);
    assert.deepEqual(
      sends.slice(1).map((send) => send.partitions),
      [[1, 3], [2]],
    );
    sends[1]?.answer();
    sends[2]?.answer();
    await time.advance(1);
    void publish(1);
    void publish(2);
    await time.advance(11);
    assert.deepEqual(sends[3]?.partitions, [1, 2]);
  });

  it('says unknown at the deadline (K4) and does not send what nobody waits for', async () => {
    const { time, sends, publish, publisher, deadlines } = world({ sendsInFlightMax: 1 });
    const first = publish(1);
    await time.advance(11);
    const second = publish(1);
    await time.advance(1100);
    assert.deepEqual(await Promise.all([first, second]), ['unknown', 'unknown']);
    assert.equal(deadlines(), 2);
    sends[0]?.answer();
    await time.advance(20);
    assert.equal(sends.length, 1);
    assert.equal(publisher.load().records, 0);
  });
});

describe('ticks (D14)', () => {
  it('go to every partition, never overlap, and a failed partition goes alone', async () => {
    const { time, sends, writer } = world();
    const outcomes: string[] = [];
    const ticks = startTicks({
      writer,
      scheduler: time as unknown as Scheduler,
      partitions: 3,
      intervalMs: 5000,
      encodeTick: () => Buffer.from('tick'),
      onOutcome: (outcome, count) => outcomes.push(`${outcome} ${count}`),
    });
    await time.advance(5001);
    assert.deepEqual(
      sends.map((send) => send.partitions),
      [[0, 1, 2]],
      'still under way: skipped',
    );
    assert.deepEqual(outcomes, ['skipped 3']);
    sends[0]?.answer([1]);
    await time.advance(5000);
    assert.deepEqual(
      sends.slice(1).map((send) => send.partitions),
      [[0, 2], [1]],
    );
    const stopped = ticks.stop();
    sends[1]?.answer();
    sends[2]?.answer();
    await stopped;
    await time.advance(20_000);
    assert.equal(sends.length, 3);
  });
});

describe('rate limits (G9)', () => {
  it('refill, say when to come back, and forget the longest unseen', async () => {
    const { time } = world();
    let forgotten = 0;
    const limiter = createRateLimiter({ scheduler: time, bucketsMax: 2, onForgotten: () => forgotten++ });
    const rate = { perSecond: 2, burst: 2 };
    assert.deepEqual(
      [1, 2, 3].map(() => limiter.take('a', rate).allowed),
      [true, true, false],
    );
    assert.equal(limiter.take('a', rate).retryAfterMs, 500);
    await time.advance(500);
    assert.ok(limiter.take('a', rate).allowed);
    limiter.take('b', rate);
    limiter.take('c', rate);
    assert.deepEqual([forgotten, limiter.size()], [1, 2]);
    assert.ok(limiter.take('a', rate).allowed, 'forgotten is full again');
  });
});
