// What every log behind the ports must do, run over the in-process log and over the adapter for Kafka: the fake is worth
// something only as long as both pass (reliability rule L2).
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogAdmin, LogConsumer, LogWriter } from '../../infra/runtime/ports.ts';
import { Reader, record, until } from './log-reader.ts';

export type LogUnderTest = {
  writer: LogWriter;
  admin: LogAdmin;
  consumer(groupId: string, instance: string): LogConsumer;
  /** A member that joins, and later dies without leaving. */
  mortalMember(groupId: string, instance: string): Promise<{ kill(): Promise<void> }>;
  /** Cuts the records below `low`, as retention does. */
  truncate(partition: number, low: number): Promise<void>;
  reportedPosition(groupId: string, partition: number): Promise<number | undefined>;
  close(): Promise<void>;
};

export type OpenLog = (options: { partitions: number }) => Promise<LogUnderTest>;

/** Long enough for a fetch that should not happen to happen. */
const QUIET_MS = 700;
const GROUP = 'conformance';

/** Registers the whole suite under `name`. */
export function describeLogConformance(name: string, openLog: OpenLog): void {
  describe(name, () => {
    const opened: LogUnderTest[] = [];
    const readers: Reader[] = [];
    const world: World = {
      async open(partitions) {
        const log = await openLog({ partitions });
        opened.push(log);
        return log;
      },
      async join(log, instance, prepare) {
        const reader = new Reader(log.consumer(GROUP, instance));
        prepare?.(reader);
        readers.push(reader);
        await reader.consumer.start(reader);
        return reader;
      },
    };
    afterEach(async () => {
      for (const reader of readers.splice(0)) await reader.consumer.stop();
      for (const log of opened.splice(0)) await log.close();
    });
    writing(world);
    questions(world);
    reading(world);
    positions(world);
    membership(world);
  });
}

type World = {
  open(partitions: number): Promise<LogUnderTest>;
  join(log: LogUnderTest, instance: string, prepare?: (reader: Reader) => void): Promise<Reader>;
};

async function fill(log: LogUnderTest, partition: number, count: number, from = 0): Promise<void> {
  const values = Array.from({ length: count }, (_, index) => record(`${partition}:${from + index}`));
  const result = (await log.writer.append(new Map([[partition, values]]))).get(partition);
  assert.equal(result?.outcome, 'appended');
}

function writing(world: World): void {
  it('append reports the base offset and append time of each partition', async () => {
    const log = await world.open(3);
    await fill(log, 2, 2);
    const results = await log.writer.append(
      new Map([
        [0, [record('a', null)]],
        [1, []],
        [2, [record('b'), record('c')]],
      ]),
    );
    assert.deepEqual([...results.keys()].sort(), [0, 2], 'an empty batch has no result');
    const [first, third] = [results.get(0), results.get(2)];
    assert.ok(first?.outcome === 'appended' && third?.outcome === 'appended');
    assert.equal(first.baseOffset, 0);
    assert.equal(third.baseOffset, 2);
    assert.deepEqual(await log.admin.fetchOne(0, 0), { offset: 0, appendAt: first.appendAt, key: null, value: Buffer.from('a') });
    assert.deepEqual(await log.admin.fetchOne(2, 3), {
      offset: 3,
      appendAt: third.appendAt,
      key: Buffer.from('k'),
      value: Buffer.from('c'),
    });
  });

  it('K1: a partition that does not exist is refused, the others of the call are appended', async () => {
    const log = await world.open(2);
    const results = await log.writer.append(new Map([-1, 0, 2].map((partition) => [partition, [record('x')]])));
    assert.deepEqual(
      [-1, 0, 2].map((partition) => results.get(partition)?.outcome),
      ['unknown', 'appended', 'unknown'],
    );
  });

  it('K2: appends to one partition are appended in the order of the calls', async () => {
    const log = await world.open(1);
    const calls = Array.from({ length: 12 }, (_, index) => log.writer.append(new Map([[0, [record(String(index))]]])));
    const bases = (await Promise.all(calls))
      .map((results) => results.get(0))
      .map((result) => result?.outcome === 'appended' && result.baseOffset);
    assert.deepEqual(bases, [...bases.keys()]);
  });

  it('after close nothing is appended and nothing throws', async () => {
    const log = await world.open(1);
    await log.writer.close();
    assert.equal(log.writer.ready(), false);
    assert.equal((await log.writer.append(new Map([[0, [record('x')]]]))).get(0)?.outcome, 'unknown');
    assert.deepEqual(await log.admin.bounds(0), { low: 0, high: 0 });
  });
}

function questions(world: World): void {
  it('D29: the partition count is the topic own', async () => {
    const log = await world.open(5);
    assert.equal(await log.admin.partitionCount(), 5);
  });

  it('bounds follow appends and retention', async () => {
    const log = await world.open(2);
    await fill(log, 1, 5);
    assert.deepEqual(await log.admin.bounds(0), { low: 0, high: 0 });
    assert.deepEqual(await log.admin.bounds(1), { low: 0, high: 5 });
    await log.truncate(1, 3);
    assert.deepEqual(await log.admin.bounds(1), { low: 3, high: 5 });
  });

  it('D23: fetchOne gives exactly the record asked for, or undefined where there is none', async () => {
    const log = await world.open(2);
    await fill(log, 1, 5);
    assert.equal(String((await log.admin.fetchOne(1, 3))?.value), '1:3');
    assert.equal(await log.admin.fetchOne(1, 5), undefined, 'not yet there');
    assert.equal(await log.admin.fetchOne(1, 500), undefined, 'far beyond the end');
    await log.truncate(1, 3);
    assert.equal(await log.admin.fetchOne(1, 2), undefined, 'no longer there');
    assert.equal(String((await log.admin.fetchOne(1, 3))?.value), '1:3');
  });

  it('a question about a partition that does not exist is an error', async () => {
    const log = await world.open(2);
    await assert.rejects(log.admin.bounds(2));
    await assert.rejects(log.admin.fetchOne(2, 0));
  });
}

function reading(world: World): void {
  it('reads everything from 0, in order, with append times, and names the end of the log', async () => {
    const log = await world.open(2);
    await fill(log, 0, 3);
    await fill(log, 1, 2);
    const highs = new Map<number, number>();
    const reader = await world.join(log, 'a', (each) => {
      each.visit = (batch) => void highs.set(batch.partition, batch.high);
    });
    assert.deepEqual(reader.assigned(), [0, 1], 'assigned before start() returns');
    await until('five records', () => reader.seen.length >= 5);
    await fill(log, 0, 1, 3);
    await until('one more', () => reader.seen.length >= 6);
    assert.deepEqual(reader.values(0), ['0:0', '0:1', '0:2', '0:3']);
    assert.deepEqual(reader.values(1), ['1:0', '1:1']);
    assert.deepEqual([...highs].sort(), [
      [0, 4],
      [1, 2],
    ]);
    assert.equal(
      reader.seen.find((each) => each.partition === 0 && each.offset === 3)?.appendAt,
      (await log.admin.fetchOne(0, 3))?.appendAt,
    );
  });

  it('seek moves one partition, forward and back', async () => {
    const log = await world.open(1);
    await fill(log, 0, 6);
    const reader = await world.join(log, 'a', (each) => {
      each.assign = () => each.consumer.seek(0, 4);
    });
    await until('the last two', () => reader.seen.length >= 2);
    assert.deepEqual(reader.offsets(0), [4, 5]);
    reader.consumer.seek(0, 1);
    await until('five more', () => reader.seen.length >= 7);
    assert.deepEqual(reader.offsets(0), [4, 5, 1, 2, 3, 4, 5]);
  });

  it('what was not resolved is delivered again', async () => {
    const log = await world.open(1);
    await fill(log, 0, 2);
    let refused = 0;
    const reader = await world.join(log, 'a', (each) => {
      each.visit = (batch) => {
        if (refused > 0) return;
        refused += 1;
        batch.resolve = () => {};
      };
    });
    await until('twice', () => reader.seen.length >= 4);
    assert.deepEqual(reader.offsets(0), [0, 1, 0, 1]);
  });

  it('a paused partition is not read, the others are, heartbeats go on, and resume loses nothing', async () => {
    const log = await world.open(2);
    const reader = await world.join(log, 'a');
    reader.consumer.pause([0]);
    await fill(log, 0, 2);
    await fill(log, 1, 2);
    await until('the other partition', () => reader.values(1).length === 2);
    reader.consumer.pause([1]);
    const { heartbeats } = reader;
    await until('heartbeats while all is paused', () => reader.heartbeats > heartbeats);
    assert.deepEqual(reader.values(0), []);
    reader.consumer.resume([0]);
    await until('the paused partition', () => reader.values(0).length === 2);
    assert.deepEqual(reader.offsets(0), [0, 1]);
  });

  it('K12: a TypeError in a handler ends the member for good and says so', async () => {
    const log = await world.open(1);
    await fill(log, 0, 1);
    const reader = await world.join(log, 'a', (each) => {
      each.visit = () => {
        throw new TypeError('armed');
      };
    });
    await until('the crash', () => reader.crashes.length > 0);
    assert.equal(reader.crashes[0]?.willRestart, false);
    const heir = await world.join(log, 'b');
    await until('the heir reads', () => heir.values(0).length === 1);
  });
}

function positions(world: World): void {
  it('K9: a position beyond the end jumps to the first record, and the batch shows it', async () => {
    const log = await world.open(1);
    await fill(log, 0, 3);
    const reader = await world.join(log, 'a', (each) => {
      each.assign = () => each.consumer.seek(0, 50);
    });
    await until('a jump', () => reader.seen.length >= 3);
    assert.deepEqual(reader.offsets(0), [0, 1, 2]);
  });

  it('K9: a position below retention jumps to the first record left', async () => {
    const log = await world.open(1);
    await fill(log, 0, 6);
    await log.truncate(0, 4);
    const reader = await world.join(log, 'a', (each) => {
      each.assign = () => each.consumer.seek(0, 1);
    });
    await until('a jump', () => reader.seen.length >= 2);
    assert.deepEqual(reader.offsets(0), [4, 5]);
  });

  it('D1: a reported position shows in the group, and only the owner reports', async () => {
    const log = await world.open(2);
    await fill(log, 1, 3);
    const reader = await world.join(log, 'a');
    reader.consumer.reportPosition(1, 2);
    reader.consumer.reportPosition(7, 2);
    await until('the report', async () => (await log.reportedPosition(GROUP, 1)) === 2);
    assert.equal(await log.reportedPosition(GROUP, 0), undefined);
  });
}

/** Waits until the members share all partitions between them, each with exactly one owner. */
async function settled(partitions: number, members: readonly Reader[]): Promise<void> {
  const shares = () => members.map((member) => member.assigned());
  await until('an even share', () => {
    const all = shares().flat();
    const sizes = shares().map((share) => share.length);
    return all.length === partitions && new Set(all).size === partitions && Math.max(...sizes) - Math.min(...sizes) <= 1;
  });
}

const subset = (part: readonly number[], whole: readonly number[]) => part.every((partition) => whole.includes(partition));

function membership(world: World): void {
  it('K14: joins and leaves move the fewest partitions', async () => {
    const log = await world.open(6);
    const a = await world.join(log, 'a');
    const b = await world.join(log, 'b');
    await settled(6, [a, b]);
    const [a2, b2] = [a.assigned(), b.assigned()];
    const c = await world.join(log, 'c');
    await settled(6, [a, b, c]);
    const [a3, b3] = [a.assigned(), b.assigned()];
    assert.ok(subset(a3, a2) && subset(b3, b2), `a ${a2} -> ${a3}, b ${b2} -> ${b3}: only the newcomer gets partitions`);
    await c.consumer.stop();
    await settled(6, [a, b]);
    assert.ok(subset(a3, a.assigned()) && subset(b3, b.assigned()), 'nobody loses a partition when a member leaves');
  });

  it('a member that dies without leaving is replaced after the session timeout', async () => {
    const log = await world.open(4);
    const mortal = await log.mortalMember(GROUP, 'mortal');
    const heir = await world.join(log, 'heir');
    await until('a share of the partitions', () => heir.assigned().length === 2);
    await mortal.kill();
    await until('all partitions', () => heir.assigned().length === 4);
    await fill(log, 3, 1);
    await until('the inherited partition is read', () => heir.values(3).length === 1);
  });

  it('K6: a pause outlives a rebalance, and resumeAll in the assignment cures it', async () => {
    const log = await world.open(2);
    const a = await world.join(log, 'a', (each) => {
      each.assign = () => {};
    });
    const lost = await pausedLostAndRegained(world, log, a);
    await fill(log, lost, 1);
    await sleep(QUIET_MS);
    assert.deepEqual(a.values(lost), [], 'the pause outlived the rebalance');
    a.assign = () => a.consumer.resumeAll();
    await pausedLostAndRegained(world, log, a);
    await until('the regained partition', () => a.values(lost).length === 1);
  });

  it('K7: a seek on a partition that is not owned does nothing, then or later', async () => {
    const log = await world.open(2);
    await fill(log, 0, 6);
    await fill(log, 1, 6);
    const a = await world.join(log, 'a', (each) => {
      each.assign = (partitions) => each.consumer.pause(partitions);
    });
    const b = await world.join(log, 'b', (each) => {
      each.assign = (partitions) => each.consumer.pause(partitions);
    });
    await settled(2, [a, b]);
    const foreign = b.assigned()[0] as number;
    a.consumer.seek(foreign, 5);
    a.assign = () => a.consumer.resumeAll();
    await b.consumer.stop();
    await until('the regained partition', () => a.values(foreign).length === 6);
    assert.deepEqual(a.offsets(foreign), [0, 1, 2, 3, 4, 5]);
  });

  it('a member that stopped reads nothing more', async () => {
    const log = await world.open(1);
    const reader = await world.join(log, 'a');
    await fill(log, 0, 1);
    await until('the first', () => reader.seen.length === 1);
    await reader.consumer.stop();
    await fill(log, 0, 1, 1);
    await sleep(QUIET_MS);
    assert.equal(reader.seen.length, 1);
  });
}

/** Pauses everything of `a`, lets a second member take one partition and give it back. Returns that partition. */
async function pausedLostAndRegained(world: World, log: LogUnderTest, a: Reader): Promise<number> {
  await settled(2, [a]);
  a.consumer.pause([0, 1]);
  const b = await world.join(log, 'b');
  await settled(2, [a, b]);
  const lost = b.assigned()[0] as number;
  await b.consumer.stop();
  await settled(2, [a]);
  return lost;
}
