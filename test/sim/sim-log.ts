// A simulated Kafka: partitions with append times, writers whose answers may lie, a group coordinator that may lie too, and members
// that keep the real client's habits (K5-K9, K15-K17).
import type {
  AppendResult,
  LogAdmin,
  LogConsumer,
  LogConsumerHandlers,
  LogRecord,
  LogWriter,
  RecordToAppend,
} from '../../infra/runtime/ports.ts';
import type { FaultName } from './faults.ts';
import type { SimProcess, World } from './world.ts';

const HOUR_MS = 3_600_000;
const BATCH_RECORDS_MAX = 40;
/** Between two fetches that brought records. */
const FETCH_MS = 90;
/** A fetch that finds nothing waits this long for an append (K17). */
const FETCH_WAIT_MS = 300;
const HEARTBEAT_MS = 1_000;
const SESSION_TIMEOUT_MS = 3_000;

export type SimLog = ReturnType<typeof createSimLog>;

/** `fault(name)` says whether the fault strikes now, and counts it. */
export function createSimLog(world: World, partitions: number, fault: (name: FaultName) => boolean) {
  const logs: LogRecord[][] = Array.from({ length: partitions }, () => []);
  /** World time of each append, beside the broker's: what really was, for the checks only. */
  const truth: { appendedMs: number[]; leaps: number }[] = Array.from({ length: partitions }, () => ({ appendedMs: [], leaps: 0 }));
  const skewMs: number[] = Array.from({ length: partitions }, () => 0);
  let downUntil = 0;
  const isDown = (): boolean => world.now() < downUntil;
  const members: SimMember[] = [];
  let generation = 0;

  const append = (partition: number, records: readonly RecordToAppend[]): { baseOffset: number; appendAt: number } => {
    const log = logs[partition] as LogRecord[];
    if (fault('clockStepsBack')) skewMs[partition] = (skewMs[partition] as number) - world.random.integer(1, HOUR_MS);
    const real = truth[partition] as (typeof truth)[number];
    if (fault('clockLeaps')) {
      skewMs[partition] = (skewMs[partition] as number) + world.random.integer(1, HOUR_MS);
      real.leaps += 1;
    }
    const appendAt = world.now() + (skewMs[partition] as number);
    const baseOffset = log.length;
    for (const record of records) {
      log.push({ offset: log.length, appendAt, key: record.key, value: Buffer.from(record.value) });
      real.appendedMs.push(world.now());
    }
    for (const member of members) member.appended(partition);
    return { baseOffset, appendAt };
  };

  const writer = (process: SimProcess): LogWriter => ({
    append: (batches) =>
      new Promise((resolve) => {
        const delayMs = fault('appendSlow') ? world.random.integer(500, 8_000) : world.random.integer(1, 20);
        // The broker appends on its own time: killing or freezing the sender afterwards does not take it back.
        world.schedule(undefined, delayMs, 'append', () => {
          const results = new Map<number, AppendResult>();
          for (const [partition, records] of batches) results.set(partition, appendOne(partition, records));
          world.schedule(process, world.random.integer(1, 10), `${process.name} ack`, () => resolve(results));
        });
      }),
    ready: () => true,
    close: async () => {},
  });

  const unknown = (why: string): AppendResult => ({ outcome: 'unknown', error: new Error(why) });
  const appendOne = (partition: number, records: readonly RecordToAppend[]): AppendResult => {
    if (isDown()) return unknown('no broker');
    if (fault('appendLost')) return unknown('lost');
    // What the checked adapter makes of an answer that leaves the partition out (K1).
    if (fault('partitionOmitted')) return unknown('omitted');
    const done = append(partition, records);
    return fault('ackLost') ? unknown('reply lost') : { outcome: 'appended', ...done };
  };

  const admin = (process: SimProcess): LogAdmin => {
    const answer = <T>(give: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        world.schedule(process, world.random.integer(1, 15), `${process.name} log answer`, () =>
          isDown() ? reject(new Error('no broker')) : resolve(give()),
        );
      });
    return {
      partitionCount: () => answer(() => partitions),
      bounds: (partition) => answer(() => ({ low: 0, high: (logs[partition] as LogRecord[]).length })),
      fetchOne: (partition, offset) => answer(() => (logs[partition] as LogRecord[])[offset]),
      close: async () => {},
    };
  };

  /** Eager rebalance: assignments by rank, every live member is told synchronously before its first fetch (K5). */
  const rebalance = (why: string): void => {
    generation += 1;
    world.note('rebalance', why);
    const live = members.filter((member) => member.inGroup);
    const rotated = world.random.integer(0, 3);
    live.forEach((member, index) => {
      const mine =
        live.length === 0
          ? []
          : Array.from({ length: partitions }, (_, partition) => partition).filter(
              (partition) => (partition + rotated) % live.length === index,
            );
      if (live.length > 1 && fault('twoOwners')) mine.push((mine[0] ?? 0) === 0 ? partitions - 1 : 0);
      member.assign(
        [...new Set(mine)].sort((a, b) => a - b),
        generation,
      );
    });
  };

  const consumer = (process: SimProcess): LogConsumer => {
    const member = new SimMember({ world, process, logs, fault, isDown, leave: () => leave(member, 'left') });
    members.push(member);
    process.onKill.push(() => {
      world.schedule(undefined, SESSION_TIMEOUT_MS, 'session timeout', () => leave(member, 'timed out'));
    });
    const join = (): void => {
      member.inGroup = true;
      rebalance(`${process.name} joined`);
    };
    member.rejoin = join;
    return {
      async start(handlers) {
        member.handlers = handlers;
        world.schedule(process, world.random.integer(50, 500), `${process.name} joins`, join);
        member.loop();
      },
      pause: (list) => member.pause(list),
      resume: (list) => member.resume(list),
      resumeAll: () => member.resumeAll(),
      seek: (partition, offset) => member.seek(partition, offset),
      reportPosition: () => {},
      async stop() {
        member.stopped = true;
        leave(member, 'left');
      },
    };
  };
  const leave = (member: SimMember, why: string): void => {
    if (!member.inGroup) return;
    member.inGroup = false;
    rebalance(`${member.process.name} ${why}`);
  };

  /** A frozen member misses its heartbeats: the group goes on without it, and it finds out when it wakes. */
  world.schedule(undefined, HEARTBEAT_MS, 'group check', function check() {
    for (const member of members) {
      if (member.inGroup && member.process.alive && world.now() - member.lastHeartbeatAt > SESSION_TIMEOUT_MS) {
        member.evicted = true;
        leave(member, 'evicted');
      }
    }
    if (members.some((member) => member.inGroup) && fault('rejoin')) rebalance('without a change');
    world.schedule(undefined, HEARTBEAT_MS, 'group check', check);
  });

  return {
    writer,
    admin,
    consumer,
    /** Appends past every writer: poison records, operator's orders. */
    appendRaw: (partition: number, record: RecordToAppend) => append(partition, [record]),
    records: (partition: number): readonly LogRecord[] => logs[partition] as LogRecord[],
    truth: (partition: number) => truth[partition] as (typeof truth)[number],
    high: (partition: number): number => (logs[partition] as LogRecord[]).length,
    /** One rebalance, as a broker that has become honest again would do it. */
    rebalance: () => rebalance('after the faults'),
    takeDown(ms: number): void {
      downUntil = world.now() + ms;
    },
    owners: (partition: number): string[] =>
      members
        .filter((member) => member.inGroup && member.process.alive && member.assigned.includes(partition))
        .map((member) => member.process.name),
  };
}

type MemberDeps = {
  world: World;
  process: SimProcess;
  logs: LogRecord[][];
  fault: (name: FaultName) => boolean;
  isDown: () => boolean;
  leave: () => void;
};

/** One member of the group. Positions, pauses and seeks survive a rebalance, as they do in the real client. */
class SimMember {
  readonly process: SimProcess;
  readonly #deps: MemberDeps;
  readonly #positions = new Map<number, number>();
  #paused = new Set<number>();
  assigned: readonly number[] = [];
  handlers: LogConsumerHandlers | undefined;
  inGroup = false;
  stopped = false;
  evicted = false;
  lastHeartbeatAt = 0;
  rejoin: () => void = () => {};
  #wake: (() => void) | undefined;

  constructor(deps: MemberDeps) {
    this.#deps = deps;
    this.process = deps.process;
    this.lastHeartbeatAt = deps.world.now();
  }

  /** What the coordinator decided; the listener runs when this process's turn comes (a frozen one later). */
  assign(partitions: readonly number[], generation: number): void {
    const { world, fault, process } = this.#deps;
    const before = this.assigned;
    this.assigned = partitions;
    this.lastHeartbeatAt = world.now();
    world.schedule(process, world.random.integer(0, 30), `${process.name} assigned ${partitions.join(',')} g${generation}`, () => {
      if (this.stopped || this.assigned !== partitions) return;
      if (!fault('stickyPause')) for (const partition of before) if (!partitions.includes(partition)) this.#paused.delete(partition);
      this.handlers?.onAssigned(partitions);
    });
  }

  pause(list: readonly number[]): void {
    for (const partition of list) this.#paused.add(partition);
  }

  resume(list: readonly number[]): void {
    for (const partition of list) this.#paused.delete(partition);
  }

  resumeAll(): void {
    this.#paused = new Set();
  }

  seek(partition: number, offset: number): void {
    this.#positions.set(partition, offset);
  }

  /** Fetch, deliver, heartbeat, again. A fetch waits at the broker until there is something to bring, up to a limit. */
  loop(waitMs = FETCH_MS): void {
    const { world, process } = this.#deps;
    let begun = false;
    const fetch = (): void => {
      if (begun) return;
      begun = true;
      cancel();
      this.#wake = undefined;
      this.#fetch();
    };
    const cancel = world.schedule(process, waitMs, `${process.name} fetch`, fetch);
    if (waitMs > FETCH_MS) this.#wake = () => world.schedule(process, world.random.integer(1, 10), `${process.name} fetch`, fetch);
  }

  /** A record came to a partition: a waiting fetch is answered. */
  appended(partition: number): void {
    const wake = this.#wake;
    if (wake === undefined || !this.assigned.includes(partition) || this.#paused.has(partition)) return;
    this.#wake = undefined;
    wake();
  }

  #fetch(): void {
    const { world } = this.#deps;
    if (this.stopped) return;
    this.#turn().then(
      (delivered) => this.loop(delivered ? FETCH_MS : FETCH_WAIT_MS),
      (thrown: unknown) => {
        world.note('memberError', thrown instanceof Error ? thrown.message : String(thrown));
        if (thrown instanceof TypeError || thrown instanceof RangeError || thrown instanceof ReferenceError) {
          this.handlers?.onCrash(thrown, false);
          world.failure ??= thrown;
          return;
        }
        this.loop();
      },
    );
  }

  /** True if it brought anything. */
  async #turn(): Promise<boolean> {
    const { world, isDown, fault, logs } = this.#deps;
    if (isDown()) return false;
    if (this.evicted && !this.inGroup) {
      this.evicted = false;
      this.rejoin();
      return false;
    }
    if (!this.inGroup) return false;
    this.#beat();
    let delivered = false;
    for (const partition of [...this.assigned]) {
      if (this.#paused.has(partition)) continue;
      if (fault('outOfRangeJump')) this.#positions.set(partition, 0);
      const log = logs[partition] as LogRecord[];
      const from = this.#positions.get(partition) ?? 0;
      const records = log.slice(from, from + world.random.integer(1, BATCH_RECORDS_MAX));
      if (records.length === 0) continue;
      const still = this.assigned.includes(partition);
      if (!still && !fault('staleBatch')) continue;
      delivered = true;
      await this.#deliver(partition, records, log.length);
    }
    const lost = logs.findIndex(
      (log, partition) =>
        !this.assigned.includes(partition) && this.#positions.has(partition) && log.length > (this.#positions.get(partition) as number),
    );
    if (lost >= 0 && fault('staleBatch'))
      await this.#deliver(lost, (logs[lost] as LogRecord[]).slice(this.#positions.get(lost)), (logs[lost] as LogRecord[]).length);
    return delivered;
  }

  async #deliver(partition: number, records: readonly LogRecord[], high: number): Promise<void> {
    const position = this.#positions.get(partition) ?? 0;
    await this.handlers?.onBatch({
      partition,
      high,
      records,
      heartbeat: async () => this.#beat(),
      resolve: (offset) => {
        if (this.#positions.get(partition) === undefined || (this.#positions.get(partition) as number) <= offset)
          this.#positions.set(partition, offset + 1);
      },
    });
    // A seek during the batch decides where reading goes on; else the resolved offset does.
    if (!this.#positions.has(partition)) this.#positions.set(partition, position);
  }

  #beat(): void {
    this.lastHeartbeatAt = this.#deps.world.now();
    this.handlers?.onHeartbeat();
  }
}
