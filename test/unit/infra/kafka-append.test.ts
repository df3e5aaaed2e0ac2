// The rule of K1 without a broker: answers that leave partitions out, calls that fail, calls that never come back.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { acknowledgedBy, createCheckedAppender, type ProduceAnswer, type SendRecords } from '../../../infra/runtime/kafka-append.ts';
import type { AppendResult, LogWriter, RecordToAppend, Scheduler } from '../../../infra/runtime/ports.ts';

const record = (value: string): RecordToAppend => ({ key: null, value: Buffer.from(value) });

/** Virtual time: sleeping and waiting move it on. */
function virtualScheduler(): Scheduler & { now: number } {
  const timers: Array<{ at: number; run: () => void }> = [];
  const scheduler = {
    now: 0,
    monotonicMs: () => scheduler.now,
    after(ms: number, run: () => void) {
      const timer = { at: scheduler.now + ms, run };
      timers.push(timer);
      const due = () => {
        if (!timers.includes(timer)) return;
        // Everything that is ready goes first; then time jumps to the earliest timer.
        if (timers.some((other) => other.at < timer.at)) return void setImmediate(due);
        timers.splice(timers.indexOf(timer), 1);
        scheduler.now = Math.max(scheduler.now, timer.at);
        run();
      };
      setImmediate(() => setImmediate(due));
      return () => {
        if (timers.includes(timer)) timers.splice(timers.indexOf(timer), 1);
      };
    },
    every: () => () => {},
    sleep: (ms: number) => new Promise<void>((resolve) => void scheduler.after(ms, resolve)),
    yield: () => new Promise<void>((resolve) => setImmediate(resolve)),
    random: () => 0.5,
    uuid: () => '00000000-0000-4000-8000-000000000000',
  };
  return scheduler;
}

/** A broker of one topic whose answers and failures are scripted. */
class ScriptedBroker {
  readonly logs = new Map<number, string[]>();
  readonly calls: number[][] = [];
  inFlight = new Map<number, number>();
  overlaps = 0;
  script: (partitions: number[], call: number) => 'answer' | 'omit' | 'omit_lost' | 'reject' | 'reject_appended' | 'hang' = () => 'answer';

  readonly send: SendRecords = async (batches) => {
    const partitions = [...batches.keys()];
    this.calls.push(partitions);
    for (const partition of partitions) this.enter(partition, 1);
    try {
      return await this.play(batches, this.script(partitions, this.calls.length - 1));
    } finally {
      for (const partition of partitions) this.enter(partition, -1);
    }
  };

  private enter(partition: number, by: number): void {
    const count = (this.inFlight.get(partition) ?? 0) + by;
    if (count > 1) this.overlaps += 1;
    this.inFlight.set(partition, count);
  }

  private async play(batches: Parameters<SendRecords>[0], act: ReturnType<ScriptedBroker['script']>): Promise<ProduceAnswer[]> {
    await new Promise((resolve) => setImmediate(resolve));
    if (act === 'hang') return new Promise(() => {});
    if (act === 'reject') throw new Error('leader moved');
    // A lost partition is the trap: the call succeeds, its last partition was never appended, and the answer does not name it.
    const entries = [...batches];
    const appended = act === 'omit_lost' ? entries.slice(0, -1) : entries;
    const answers = appended.map(([partition, records]) => this.append(partition, records));
    if (act === 'reject_appended') throw new Error('one partition failed');
    return act === 'omit' ? answers.slice(0, -1) : answers;
  }

  private append(partition: number, records: readonly RecordToAppend[]): ProduceAnswer {
    const log = this.logs.get(partition) ?? [];
    this.logs.set(partition, log);
    const baseOffset = log.length;
    log.push(...records.map(({ value }) => String(value)));
    return { partition, errorCode: 0, baseOffset: String(baseOffset), logAppendTime: '1000' };
  }
}

function appender(broker: ScriptedBroker, scheduler: Scheduler = virtualScheduler()) {
  const counts = { acknowledged: 0, called: 0, failed: new Map<string, number>() };
  const append = createCheckedAppender({
    send: broker.send,
    scheduler,
    partitions: 8,
    appendTimeoutMs: 1000,
    resendPauseMs: 10,
    batchBytesMax: 10_000,
    hooks: {
      acknowledged() {
        counts.acknowledged += 1;
      },
      failed(reason) {
        counts.failed.set(reason, (counts.failed.get(reason) ?? 0) + 1);
      },
      called() {
        counts.called += 1;
      },
    },
  });
  return { append, counts };
}

/** The obvious writer, as the negative control of K1: what did not throw was appended. */
const uncheckedAppend =
  (send: SendRecords): LogWriter['append'] =>
  async (batches) => {
    await send(batches);
    return new Map(
      [...batches.keys()].map((partition): [number, AppendResult] => [partition, { outcome: 'appended', baseOffset: 0, appendAt: 0 }]),
    );
  };

const batchesOf = (partitions: readonly number[], value: string) => new Map(partitions.map((partition) => [partition, [record(value)]]));

/** Values reported appended that are not in the log. */
function missing(broker: ScriptedBroker, results: ReadonlyMap<number, AppendResult>, value: string): number[] {
  return [...results].flatMap(([partition, result]) =>
    result.outcome === 'appended' && !broker.logs.get(partition)?.includes(value) ? [partition] : [],
  );
}

describe('checked append (K1)', () => {
  it('one call carries all partitions', async () => {
    const broker = new ScriptedBroker();
    const { append, counts } = appender(broker);
    const results = await append(batchesOf([0, 3, 5], 'a'));
    assert.deepEqual(broker.calls, [[0, 3, 5]]);
    assert.deepEqual([...results.values()], Array(3).fill({ outcome: 'appended', baseOffset: 0, appendAt: 1000 }));
    assert.deepEqual([counts.acknowledged, counts.called, counts.failed.size], [3, 1, 0]);
  });

  it('an answer is believed only with error code 0, a base offset and an append time', () => {
    const good = { partition: 2, errorCode: 0, baseOffset: '7', logAppendTime: '1000' };
    assert.deepEqual(acknowledgedBy([{ ...good, partition: 1 }, good], 2), { outcome: 'appended', baseOffset: 7, appendAt: 1000 });
    for (const bad of [
      { partition: 1 },
      { errorCode: 6 },
      { baseOffset: undefined },
      { baseOffset: '-1' },
      { logAppendTime: undefined },
      { logAppendTime: '-1' },
    ]) {
      assert.equal(acknowledgedBy([{ ...good, ...bad }], 2), undefined, JSON.stringify(bad));
    }
  });

  it('what an answer leaves out is sent again, alone', async () => {
    const broker = new ScriptedBroker();
    broker.script = (_, call) => (call === 0 ? 'omit_lost' : 'answer');
    const { append, counts } = appender(broker);
    const results = await append(batchesOf([0, 1, 2], 'a'));
    assert.deepEqual(broker.calls, [[0, 1, 2], [2]]);
    assert.deepEqual(missing(broker, results, 'a'), []);
    assert.equal(counts.failed.get('unnamed'), 1);
  });

  it('negative control: a writer that does not check the answer reports a lost record as appended', async () => {
    const broker = new ScriptedBroker();
    broker.script = () => 'omit_lost';
    const results = await uncheckedAppend(broker.send)(batchesOf([0, 1, 2], 'a'));
    assert.deepEqual(missing(broker, results, 'a'), [2]);
  });

  it('a failed call over several partitions is repeated for each of them, whether or not it was appended', async () => {
    const broker = new ScriptedBroker();
    broker.script = (_, call) => (call === 0 ? 'reject_appended' : 'answer');
    const { append } = appender(broker);
    const results = await append(batchesOf([0, 1], 'a'));
    assert.deepEqual(broker.calls, [[0, 1], [0], [1]]);
    assert.deepEqual(
      [...results.values()].map(({ outcome }) => outcome),
      ['appended', 'appended'],
    );
    assert.deepEqual(broker.logs.get(0), ['a', 'a'], 'a duplicate is harmless (D17)');
  });

  it('a partition that stays unnamed is unknown at the deadline, the others are not held up by it', async () => {
    const broker = new ScriptedBroker();
    broker.script = (partitions) => (partitions.includes(1) ? 'omit_lost' : 'answer');
    const scheduler = virtualScheduler();
    const { append } = appender(broker, scheduler);
    const results = await append(batchesOf([0, 1], 'a'));
    assert.equal(results.get(0)?.outcome, 'appended');
    assert.equal(results.get(1)?.outcome, 'unknown');
    assert.ok(scheduler.now <= 1000, `answered by ${scheduler.now}`);
  });

  it('K4: a call that never ends is unknown at the deadline, and its partition stays taken', async () => {
    const broker = new ScriptedBroker();
    broker.script = (partitions) => (partitions.includes(1) ? 'hang' : 'answer');
    const { append, counts } = appender(broker);
    assert.equal((await append(batchesOf([1], 'a'))).get(1)?.outcome, 'unknown');
    const results = await append(batchesOf([0, 1], 'b'));
    assert.equal(results.get(0)?.outcome, 'appended');
    assert.equal(results.get(1)?.outcome, 'unknown');
    assert.deepEqual(broker.calls, [[1], [0]], 'no second call for the partition under way');
    assert.equal(counts.failed.get('timeout'), 2);
  });

  it('an error that sending again cannot cure ends at the first call that shows whose it is', async () => {
    const tooLarge = Object.assign(new Error('too large'), { type: 'MESSAGE_TOO_LARGE' });
    const calls: number[][] = [];
    const { append } = appender(
      Object.assign(new ScriptedBroker(), {
        send: (async (batches) => {
          calls.push([...batches.keys()]);
          if (batches.has(1)) throw new Error('retries exceeded', { cause: tooLarge });
          return [...batches.keys()].map((partition) => ({ partition, errorCode: 0, baseOffset: '0', logAppendTime: '1' }));
        }) satisfies SendRecords,
      }),
    );
    const results = await append(batchesOf([0, 1], 'a'));
    assert.equal(results.get(0)?.outcome, 'appended');
    assert.equal(results.get(1)?.outcome, 'unknown');
    assert.deepEqual(calls, [[0, 1], [0], [1]]);
  });

  it('partitions out of range and oversized batches are never sent', async () => {
    const broker = new ScriptedBroker();
    const { append } = appender(broker);
    const results = await append(
      new Map([
        [8, [record('a')]],
        [-1, [record('a')]],
        [0.5, [record('a')]],
        [2, [record('x'.repeat(10_000))]],
        [3, []],
      ]),
    );
    assert.deepEqual(
      [...results.values()].map(({ outcome }) => outcome),
      Array(4).fill('unknown'),
    );
    assert.deepEqual(broker.calls, []);
  });

  it('under any faults: nothing reported appended is missing, calls to a partition never overlap, order is kept', async () => {
    const acts = fc.constantFrom('answer', 'answer', 'omit', 'omit_lost', 'reject', 'reject_appended', 'hang' as const);
    const appends = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(appends, fc.array(acts, { maxLength: 20 }), async (plan, script) => {
        const broker = new ScriptedBroker();
        broker.script = (_, call) => script[call] ?? 'answer';
        const { append } = appender(broker);
        const all = await Promise.all(plan.map((partitions, index) => append(batchesOf(partitions, `v${index}`))));
        all.forEach((results, index) => {
          assert.deepEqual([...results.keys()].sort(), [...(plan[index] ?? [])].sort(), 'a result for each partition');
          assert.deepEqual(missing(broker, results, `v${index}`), []);
        });
        assert.equal(broker.overlaps, 0);
        for (const values of broker.logs.values()) {
          assert.deepEqual([...values].sort(), values, 'a later append never comes before an earlier one');
        }
      }),
      { numRuns: 200 },
    );
  });
});
