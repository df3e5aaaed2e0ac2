// A simulated Kafka: partitions with append times, a produce call whose answer may lie, retention, lost tails, topics made anew, and the
// questions an admin client asks. Consuming is in sim-group.ts.
import type { ProduceAnswer, SendRecords } from '../../infra/runtime/kafka-append.ts';
import type { LogAdmin, LogRecord, RecordToAppend } from '../../infra/runtime/ports.ts';
import type { FaultName } from './faults.ts';
import type { SimProcess, World } from './world.ts';

const HOUR_MS = 3_600_000;
/**
 * After its end was lost a partition has no leader for a while, and none as long as somebody who reads it has not looked at it since: what
 * grows back unseen past the place of a reader cannot be told from what it had read (docs/simulator.md).
 */
const LEADERLESS_MS = 700;

/** One partition: what it holds, and what really happened, which only the checks may know. */
export type SimPartition = {
  /** Everything ever appended and not lost, by offset; below `low` it can no longer be read. */
  records: LogRecord[];
  low: number;
  /** Offset of the next record. */
  high: number;
  /** World time of each record's append. */
  appendedMs: number[];
  leaps: number;
  /** As it was when its end was lost, or the topic made anew; undefined while neither happened. */
  before: LogRecord[] | undefined;
  leaderlessUntil: number;
  /** Who read it when its end was lost and has not looked since. */
  mustLook: Set<SimProcess>;
};

/** A stretch of world time in which no gateway was there; what the last one had sent may still have come in. */
export type Outage = { fromMs: number; toMs: number; strays: number };

export type SimLog = ReturnType<typeof createSimLog>;

/** `fault(name)` says whether the fault strikes now, and counts it. */
export function createSimLog(world: World, count: number, fault: (name: FaultName) => boolean) {
  const partitions: SimPartition[] = Array.from({ length: count }, () => ({
    records: [],
    low: 0,
    high: 0,
    appendedMs: [],
    leaps: 0,
    before: undefined,
    leaderlessUntil: 0,
    mustLook: new Set(),
  }));
  const skewMs: number[] = Array.from({ length: count }, () => 0);
  const at = (partition: number): SimPartition => partitions[partition] as SimPartition;
  const listeners: ((partition: number) => void)[] = [];
  const gatewaysUp = trackGateways(world);
  let downUntil = 0;
  let countNow = count;
  const isDown = (): boolean => world.now() < downUntil;
  let readersOf: (partition: number) => readonly SimProcess[] = () => [];
  const isLeaderless = (partition: number): boolean => {
    const { leaderlessUntil, mustLook } = at(partition);
    if (leaderlessUntil > world.now()) return true;
    if (mustLook.size === 0) return false;
    const readers = readersOf(partition);
    return [...mustLook].some((process) => process.alive && readers.includes(process));
  };

  const append = (partition: number, records: readonly RecordToAppend[]): { baseOffset: number; appendAt: number } => {
    const log = at(partition);
    if (fault('clockStepsBack')) skewMs[partition] = (skewMs[partition] as number) - world.random.integer(1, HOUR_MS);
    if (fault('clockLeaps')) {
      skewMs[partition] = (skewMs[partition] as number) + world.random.integer(1, HOUR_MS);
      log.leaps += 1;
    }
    const appendAt = world.now() + (skewMs[partition] as number);
    const baseOffset = log.high;
    for (const record of records) {
      log.records.push({ offset: log.high++, appendAt, key: record.key, value: Buffer.from(record.value) });
      log.appendedMs.push(world.now());
    }
    world.note('appended', `partition ${partition} at ${baseOffset}: ${records.map(({ key }) => key?.toString() ?? 'tick').join(', ')}`);
    for (const listener of listeners) listener(partition);
    return { baseOffset, appendAt };
  };

  const appendOne = (partition: number, records: readonly RecordToAppend[]): ProduceAnswer | 'omitted' | 'refused' => {
    if (fault('partitionOmitted')) return 'omitted';
    if (isLeaderless(partition) || fault('appendRefused')) return 'refused';
    const { baseOffset, appendAt } = append(partition, records);
    return { partition, errorCode: 0, baseOffset: String(baseOffset), logAppendTime: String(appendAt) };
  };

  /** One produce call as the client makes it: answers may leave partitions out, one partition's error rejects all (K1), answers get lost. */
  const produce =
    (process: SimProcess): SendRecords =>
    (batches) =>
      new Promise((resolve, reject) => {
        const fail = (ms: number, why: string): void =>
          void world.schedule(process, ms, `${process.name} ${why}`, () => reject(new Error(why)));
        const delayMs = fault('appendSlow') ? world.random.integer(500, 8_000) : world.random.integer(1, 20);
        // The broker appends on its own time: killing or freezing the sender afterwards does not take it back.
        world.schedule(undefined, delayMs, `broker appends to ${[...batches.keys()].join(',')}`, () => {
          if (!process.alive) gatewaysUp.stray();
          if (isDown()) return fail(world.random.integer(1, 500), 'no broker');
          if (fault('appendLost')) return fail(world.random.integer(10, 1_500), 'request lost');
          const answers: ProduceAnswer[] = [];
          let refused = false;
          for (const [partition, records] of batches) {
            const answer = appendOne(partition, records);
            if (answer === 'refused') refused = true;
            else if (answer !== 'omitted') answers.push(answer);
          }
          if (refused) return fail(world.random.integer(1, 10), 'partition refused');
          if (fault('ackLost')) return fail(world.random.integer(10, 1_500), 'answer lost');
          world.schedule(
            process,
            world.random.integer(1, 10),
            `${process.name} ack ${answers.map((answer) => answer.partition).join(',')}`,
            () => resolve(answers),
          );
        });
      });

  const admin = (process: SimProcess): LogAdmin => {
    const answer = <T>(give: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        world.schedule(process, world.random.integer(1, 15), `${process.name} log answer`, () =>
          isDown() ? reject(new Error('no broker')) : resolve(give()),
        );
      });
    return {
      partitionCount: () => answer(() => countNow),
      bounds: (partition) =>
        answer(() => {
          at(partition).mustLook.delete(process);
          return { low: at(partition).low, high: at(partition).high };
        }),
      fetchOne: (partition, offset) => answer(() => readFrom(at(partition), offset, 1)[0]),
      close: async () => {},
    };
  };

  return {
    count,
    produce,
    admin,
    gatewayUp: gatewaysUp.up,
    /** Stretches of world time without any gateway. */
    outages: gatewaysUp.outages,
    /** Called with the partition of every append. */
    onAppend: (listener: (partition: number) => void) => void listeners.push(listener),
    isDown,
    partition: at,
    /** Appends past every gateway: poison records, operator's orders. */
    appendRaw(partition: number, record: RecordToAppend): boolean {
      if (isLeaderless(partition)) return false;
      append(partition, [record]);
      return true;
    },
    /** Tells who reads a partition. */
    readBy(readers: typeof readersOf): void {
      readersOf = readers;
    },
    /** Brokers' clocks are right again; where they were ahead, time goes on from there. */
    correctClocks(): void {
      for (let partition = 0; partition < count; partition++) {
        const last = at(partition).records.reduce((latest, { appendAt }) => Math.max(latest, appendAt), 0);
        const right = Math.max(0, last - world.now());
        if (right > (skewMs[partition] as number)) at(partition).leaps += 1;
        skewMs[partition] = right;
      }
    },
    anyGateway: gatewaysUp.any,
    takeDown(ms: number): void {
      downUntil = world.now() + ms;
    },
    ...damages(world, at, {
      setCount(next) {
        countNow = next;
      },
      readersOf: (partition) => readersOf(partition),
    }),
  };
}

/** What retention, brokers and administrators do to a log. */
function damages(
  world: World,
  at: (partition: number) => SimPartition,
  { setCount, readersOf }: { setCount: (count: number) => void; readersOf: (partition: number) => readonly SimProcess[] },
) {
  const lose = (partition: number, keep: number): void => {
    const log = at(partition);
    log.mustLook = new Set(readersOf(partition));
    log.before = log.records.slice();
    log.records = log.records.slice(0, keep);
    log.appendedMs = log.appendedMs.slice(0, keep);
    log.high = (log.records.at(-1)?.offset ?? -1) + 1;
    log.low = Math.min(log.low, log.high);
    log.leaderlessUntil = world.now() + LEADERLESS_MS;
  };
  return {
    /** Records below this offset can no longer be read. */
    truncate(partition: number, low: number): void {
      const log = at(partition);
      log.low = Math.max(log.low, Math.min(low, log.high));
    },
    /** True while the partition holds anything and was not damaged before. */
    canLose: (partition: number): boolean =>
      at(partition).before === undefined && at(partition).low === 0 && at(partition).records.length > 0,
    /** The last records are gone, as after an election of a replica that lagged behind. */
    loseTail: (partition: number, records: number): void => lose(partition, Math.max(0, at(partition).records.length - records)),
    /** The topic was deleted and made anew. */
    recreate: (partition: number): void => lose(partition, 0),
    /** What metadata says from now on. */
    sayCount: setCount,
  };
}

/** Records from this offset on, at most `max`, none below `low`. */
export function readFrom({ records, low }: SimPartition, offset: number, max: number): LogRecord[] {
  let first = 0;
  let last = records.length;
  const from = Math.max(offset, low);
  while (first < last) {
    const middle = (first + last) >>> 1;
    if ((records[middle] as LogRecord).offset < from) first = middle + 1;
    else last = middle;
  }
  return records.slice(first, first + max);
}

function trackGateways(world: World) {
  const outages: Outage[] = [];
  let up = 0;
  return {
    outages,
    any: () => up > 0,
    stray(): void {
      const open = outages.at(-1);
      if (up === 0 && open !== undefined) open.strays += 1;
    },
    /** A gateway is there until the returned function is called. */
    up(_process: SimProcess): () => void {
      const open = outages.at(-1);
      if (up === 0 && open !== undefined) open.toMs = world.now();
      up += 1;
      return () => {
        up -= 1;
        if (up === 0) outages.push({ fromMs: world.now(), toMs: Number.POSITIVE_INFINITY, strays: 0 });
      };
    },
  };
}
