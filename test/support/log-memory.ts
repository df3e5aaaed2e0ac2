// An in-process log behind the ports of infra/runtime/ports.ts: writer, admin, and consumers with a group coordinator. For unit
// tests only. It keeps the habits of the real client that the processor must live with: pauses and seeks outlive a
// rebalance (K6, K7), a position out of range jumps to the first record (K9), a TypeError in a handler ends the member (K12).

import type {
  AppendResult,
  Clock,
  LogAdmin,
  LogConsumer,
  LogConsumerHandlers,
  LogRecord,
  LogWriter,
  RecordToAppend,
} from '../../infra/runtime/ports.ts';
import { assignSticky } from '../../infra/runtime/sticky-assignor.ts';

type Options = {
  partitions: number;
  clock: Clock;
  /** Records in one delivered batch. */
  batchRecordsMax?: number;
  /** How often an idle member gets a heartbeat answered. */
  heartbeatIntervalMs?: number;
  /** After kill(), until the group takes its partitions away. */
  sessionTimeoutMs?: number;
};

type PartitionLog = { low: number; records: LogRecord[] };

/** A member of a group that can also die without leaving. */
export type MemoryConsumer = LogConsumer & {
  /** Stops reading at once without leaving; the group notices after the session timeout. */
  kill(): void;
  /** Partitions now assigned. */
  assigned(): readonly number[];
};

export type MemoryLog = {
  writer: LogWriter;
  admin: LogAdmin;
  consumer(groupId: string, instance: string): MemoryConsumer;
  records(partition: number): readonly LogRecord[];
  /** Appends past the writer; append time from the clock unless given. Returns the offset. */
  appendRaw(partition: number, record: { key: Buffer | null; value: Buffer | null; appendAt?: number }): number;
  /** Cuts the records below this offset, as retention does. */
  truncate(partition: number, low: number): void;
  /** Position last reported by a group, undefined if none was. */
  reportedPosition(groupId: string, partition: number): number | undefined;
};

export function createMemoryLog(options: Options): MemoryLog {
  const logs: PartitionLog[] = Array.from({ length: options.partitions }, () => ({ low: 0, records: [] }));
  const groups = new Map<string, Group>();
  const wakeAll = () => {
    for (const group of groups.values()) for (const member of group.members) member.wake();
  };
  const logOf = (partition: number): PartitionLog => {
    const log = logs[partition];
    if (log === undefined) throw new RangeError(`partition ${partition} of ${options.partitions}`);
    return log;
  };
  const appendRaw: MemoryLog['appendRaw'] = (partition, record) => {
    const log = logOf(partition);
    const offset = log.low + log.records.length;
    log.records.push({ offset, appendAt: record.appendAt ?? options.clock.now(), key: record.key, value: record.value });
    wakeAll();
    return offset;
  };
  return {
    writer: createWriter(options, appendRaw),
    admin: createAdmin(options, logOf),
    appendRaw,
    records: (partition) => logOf(partition).records,
    truncate(partition, low) {
      const log = logOf(partition);
      const cut = Math.max(0, Math.min(low - log.low, log.records.length));
      log.records.splice(0, cut);
      log.low += cut;
    },
    reportedPosition: (groupId, partition) => groups.get(groupId)?.positions.get(partition),
    consumer(groupId, instance) {
      const group = groups.get(groupId) ?? new Group(options.partitions);
      groups.set(groupId, group);
      return createConsumer({ options, group, instance, logOf });
    },
  };
}

function createWriter(options: Options, appendRaw: MemoryLog['appendRaw']): LogWriter {
  let open = true;
  const appendOne = (partition: number, records: readonly RecordToAppend[]): AppendResult => {
    if (!open) return { outcome: 'unknown', error: new Error('writer is closed') };
    if (!Number.isInteger(partition) || partition < 0 || partition >= options.partitions) {
      return { outcome: 'unknown', error: new Error(`partition ${partition} is not one of ${options.partitions}`) };
    }
    const appendAt = options.clock.now();
    const offsets = records.map((record) => appendRaw(partition, { ...record, appendAt }));
    return { outcome: 'appended', baseOffset: offsets[0] ?? -1, appendAt };
  };
  return {
    async append(batches) {
      const filled = [...batches].filter(([, records]) => records.length > 0);
      return new Map(filled.map(([partition, records]) => [partition, appendOne(partition, records)]));
    },
    ready: () => open,
    async close() {
      open = false;
    },
  };
}

function createAdmin(options: Options, logOf: (partition: number) => PartitionLog): LogAdmin {
  return {
    partitionCount: async () => options.partitions,
    async bounds(partition) {
      const log = logOf(partition);
      return { low: log.low, high: log.low + log.records.length };
    },
    async fetchOne(partition, offset) {
      const log = logOf(partition);
      return log.records[offset - log.low];
    },
    close: async () => {},
  };
}

/** The coordinator of one group: who is in it, and who reads what. */
class Group {
  readonly members = new Set<Member>();
  readonly positions = new Map<number, number>();
  readonly partitions: readonly number[];
  generation = 0;

  constructor(partitions: number) {
    this.partitions = Array.from({ length: partitions }, (_, index) => index);
  }

  join(member: Member): void {
    this.members.add(member);
    this.rebalance();
  }

  leave(member: Member): void {
    if (this.members.delete(member)) this.rebalance();
  }

  private rebalance(): void {
    const before = this.generation;
    this.generation += 1;
    const known = [...this.members].map((member) => ({ id: member.instance, held: { generation: before, partitions: member.assigned } }));
    const shares = assignSticky(known, this.partitions);
    for (const member of this.members) member.take(shares.get(member.instance) ?? []);
  }
}

type MemberDeps = { options: Options; group: Group; instance: string; logOf: (partition: number) => PartitionLog };

/** One consumer's client state. Its loop is the only place that calls onBatch. */
class Member {
  readonly instance: string;
  assigned: readonly number[] = [];
  private readonly deps: MemberDeps;
  private readonly handlers: LogConsumerHandlers;
  private readonly paused = new Set<number>();
  private readonly seeks = new Map<number, number>();
  private positions = new Map<number, number>();
  private running = true;
  private frozen = false;
  private awake = false;
  private wakeUp: (() => void) | undefined;
  private loopDone: Promise<void> = Promise.resolve();
  private readonly heartbeats: NodeJS.Timeout;

  constructor(deps: MemberDeps, handlers: LogConsumerHandlers) {
    this.deps = deps;
    this.instance = deps.instance;
    this.handlers = handlers;
    this.heartbeats = setInterval(() => this.heartbeat(), deps.options.heartbeatIntervalMs ?? 20);
    this.heartbeats.unref();
  }

  start(): void {
    this.deps.group.join(this);
    this.loopDone = this.loop();
  }

  take(partitions: readonly number[]): void {
    if (this.frozen) return;
    this.assigned = partitions;
    this.positions = new Map(
      partitions.map((partition) => [partition, this.deps.group.positions.get(partition) ?? this.deps.logOf(partition).low]),
    );
    this.handlers.onAssigned([...partitions]);
    this.wake();
  }

  pause(partitions: readonly number[]): void {
    for (const partition of this.owned(partitions)) this.paused.add(partition);
  }

  resume(partitions: readonly number[]): void {
    for (const partition of this.owned(partitions)) this.paused.delete(partition);
    this.wake();
  }

  resumeAll(): void {
    this.paused.clear();
    this.wake();
  }

  seek(partition: number, offset: number): void {
    if (!this.assigned.includes(partition)) return;
    this.seeks.set(partition, offset);
    this.wake();
  }

  wake(): void {
    this.awake = true;
    this.wakeUp?.();
  }

  async stop(): Promise<void> {
    this.end();
    await this.loopDone;
    this.deps.group.leave(this);
    this.assigned = [];
  }

  kill(): void {
    this.frozen = true;
    this.end();
    setTimeout(() => this.deps.group.leave(this), this.deps.options.sessionTimeoutMs ?? 100).unref();
  }

  private end(): void {
    this.running = false;
    clearInterval(this.heartbeats);
    this.wake();
  }

  private owned(partitions: readonly number[]): readonly number[] {
    return partitions.filter((partition) => this.assigned.includes(partition));
  }

  private heartbeat(): void {
    if (this.running) this.handlers.onHeartbeat();
  }

  private async loop(): Promise<void> {
    while (this.running) {
      this.awake = false;
      const delivered = await this.round();
      if (!this.running) return;
      if (delivered || this.awake) {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      await new Promise<void>((resolve) => {
        this.wakeUp = resolve;
      });
      this.wakeUp = undefined;
    }
  }

  private async round(): Promise<boolean> {
    let delivered = false;
    for (const partition of [...this.assigned]) {
      if (!this.running) return delivered;
      const records = this.fetch(partition);
      if (records.length === 0) continue;
      delivered = true;
      if (!(await this.deliver(partition, records))) return false;
    }
    return delivered;
  }

  private fetch(partition: number): readonly LogRecord[] {
    if (this.paused.has(partition) || !this.assigned.includes(partition)) return [];
    const log = this.deps.logOf(partition);
    const sought = this.seeks.get(partition);
    this.seeks.delete(partition);
    if (sought !== undefined) this.positions.set(partition, sought);
    const position = this.positions.get(partition) ?? log.low;
    const inRange = position >= log.low && position <= log.low + log.records.length;
    const from = inRange ? position : log.low;
    this.positions.set(partition, from);
    return log.records.slice(from - log.low, from - log.low + (this.deps.options.batchRecordsMax ?? 100));
  }

  /** False if the handler's error ended this member. */
  private async deliver(partition: number, records: readonly LogRecord[]): Promise<boolean> {
    const log = this.deps.logOf(partition);
    try {
      await this.handlers.onBatch({
        partition,
        high: log.low + log.records.length,
        records,
        heartbeat: async () => this.heartbeat(),
        resolve: (offset) => {
          if (this.assigned.includes(partition)) this.positions.set(partition, offset + 1);
        },
      });
      return true;
    } catch (error) {
      this.crash(error instanceof Error ? error : new Error(String(error)));
      return this.running;
    }
  }

  private crash(error: Error): void {
    const willRestart = !(
      error instanceof TypeError ||
      error instanceof RangeError ||
      error instanceof ReferenceError ||
      error instanceof SyntaxError
    );
    if (!willRestart) {
      this.end();
      this.deps.group.leave(this);
      this.assigned = [];
    }
    this.handlers.onCrash(error, willRestart);
  }
}

function createConsumer(deps: MemberDeps): MemoryConsumer {
  let member: Member | undefined;
  return {
    async start(handlers) {
      if (member !== undefined) throw new Error('consumer is already started');
      member = new Member(deps, handlers);
      member.start();
    },
    pause: (partitions) => member?.pause(partitions),
    resume: (partitions) => member?.resume(partitions),
    resumeAll: () => member?.resumeAll(),
    seek: (partition, offset) => member?.seek(partition, offset),
    reportPosition(partition, nextOffset) {
      if (member?.assigned.includes(partition)) deps.group.positions.set(partition, nextOffset);
    },
    stop: async () => member?.stop(),
    kill: () => member?.kill(),
    assigned: () => member?.assigned ?? [],
  };
}
