// The consumer group of a simulated Kafka: a coordinator that may lie, and members that keep the real client's habits (K5-K9, K15-K17).
import type { LogConsumer, LogConsumerHandlers, LogRecord } from '../../infra/runtime/ports.ts';
import type { FaultName } from './faults.ts';
import { readFrom, type SimLog } from './sim-log.ts';
import type { SimProcess, World } from './world.ts';

const BATCH_RECORDS_MAX = 40;
/** Between two fetches that brought records. */
const FETCH_MS = 90;
/** A fetch that finds nothing waits this long for an append (K17). */
const FETCH_WAIT_MS = 300;
const HEARTBEAT_MS = 1_000;
const SESSION_TIMEOUT_MS = 3_000;

export type SimGroup = ReturnType<typeof createSimGroup>;

/** `fault(name)` says whether the fault strikes now, and counts it. */
export function createSimGroup(world: World, log: SimLog, fault: (name: FaultName) => boolean) {
  const members: SimMember[] = [];
  let generation = 0;
  log.onAppend((partition) => {
    for (const member of members) member.appended(partition);
  });

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
          : Array.from({ length: log.count }, (_, partition) => partition).filter(
              (partition) => (partition + rotated) % live.length === index,
            );
      if (live.length > 1 && fault('twoOwners')) mine.push((mine[0] ?? 0) === 0 ? log.count - 1 : 0);
      member.assign(
        [...new Set(mine)].sort((a, b) => a - b),
        generation,
      );
    });
  };

  const consumer = (process: SimProcess): LogConsumer => {
    const member = new SimMember({ world, process, log, fault, leave: () => leave(member, 'left') });
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

  log.readBy((partition) =>
    members.filter(({ stopped, assigned }) => !stopped && assigned.includes(partition)).map(({ process }) => process),
  );
  return {
    consumer,
    /** One rebalance, as a coordinator that has become honest again would do it. */
    rebalance: () => rebalance('after the faults'),
    owners: (partition: number): string[] =>
      members
        .filter((member) => member.inGroup && member.process.alive && member.assigned.includes(partition))
        .map((member) => member.process.name),
  };
}

type MemberDeps = {
  world: World;
  process: SimProcess;
  log: SimLog;
  fault: (name: FaultName) => boolean;
  leave: () => void;
};

/** One member of the group. Positions, pauses and seeks survive a rebalance, as they do in the real client. */
class SimMember {
  readonly process: SimProcess;
  readonly #deps: MemberDeps;
  readonly #positions = new Map<number, number>();
  /** Where reading stood when a partition was lost. */
  readonly #kept = new Map<number, number>();
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
    // A position from the time before may come back and win over the owner's seek (K7).
    for (const partition of partitions) {
      const position = this.#positions.get(partition);
      if (!before.includes(partition) && position !== undefined) this.#kept.set(partition, position);
    }
    this.lastHeartbeatAt = world.now();
    world.schedule(process, world.random.integer(0, 30), `${process.name} assigned ${partitions.join(',')} g${generation}`, () => {
      if (this.stopped || this.assigned !== partitions) return;
      if (!fault('stickyPause')) for (const partition of before) if (!partitions.includes(partition)) this.#paused.delete(partition);
      world.note('assigned', `${process.name} ${partitions.length > 0 ? partitions.join(',') : 'nothing'}`);
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
    const { log, fault } = this.#deps;
    if (log.isDown()) return false;
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
      const records = this.#fetchFrom(partition);
      if (records.length === 0) continue;
      const still = this.assigned.includes(partition);
      if (!still && !fault('staleBatch')) continue;
      delivered = true;
      await this.#deliver(partition, records, log.partition(partition).high);
    }
    for (let lost = 0; lost < log.count; lost++) {
      const position = this.#positions.get(lost);
      if (position === undefined || this.assigned.includes(lost) || log.partition(lost).high <= position) continue;
      if (fault('staleBatch'))
        await this.#deliver(lost, readFrom(log.partition(lost), position, BATCH_RECORDS_MAX), log.partition(lost).high);
      break;
    }
    return delivered;
  }

  /** The next records of a partition. Out of range jumps to the first record there is, without a word (K9). */
  #fetchFrom(partition: number): LogRecord[] {
    const { world, log, fault } = this.#deps;
    const { low, high, mustLook } = log.partition(partition);
    mustLook.delete(this.process);
    const stale = this.#kept.get(partition);
    if (stale !== undefined) {
      this.#kept.delete(partition);
      if (fault('staleSeek')) this.#positions.set(partition, stale);
    }
    const position = this.#positions.get(partition) ?? low;
    if (position < low || position > high) {
      world.note('outOfRange', `${this.process.name} partition ${partition} at ${position}, the log holds [${low}, ${high})`);
      this.#positions.set(partition, low);
    } else if (fault('outOfRangeJump')) this.#positions.set(partition, low);
    return readFrom(log.partition(partition), this.#positions.get(partition) ?? low, world.random.integer(1, BATCH_RECORDS_MAX));
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
