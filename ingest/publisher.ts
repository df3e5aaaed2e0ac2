// The micro-batcher in front of the log: the Kafka client has no linger of its own, and a send costs the same whatever it
// carries. Records wait a few milliseconds per partition; the fullest partitions go first, at most one batch of a partition and
// few sends are under way (K2); everything is bounded by count and bytes. A caller learns "appended" only from a checked answer.
import type { Cancel, LogWriter, RecordToAppend, Scheduler } from '../infra/runtime/ports.ts';

/** A record and where it goes. */
export type PlacedRecord = { partition: number; record: RecordToAppend };

/**
 * What became of a request's records. appended = all are in the log, acknowledged; full = none was taken; unknown = at least one
 * is not known to be there (an error, or the deadline passed: a late success is only a duplicate, K4).
 */
export type PublishOutcome = 'appended' | 'full' | 'unknown';

export type PublisherSettings = {
  lingerMs: number;
  /** From publish to its outcome. */
  deadlineMs: number;
  sendsInFlightMax: number;
  recordsMax: number;
  bytesMax: number;
  /** One batch of one partition: below the topic's max.message.bytes (K18). */
  batchBytesMax: number;
};

/** Told what happens, for metrics. */
export type PublisherHooks = { sent(records: number, bytes: number): void; deadlinePassed(): void };

export type PublisherDeps = { writer: LogWriter; scheduler: Scheduler; settings: PublisherSettings; hooks: PublisherHooks };

/** Bytes a record takes on the wire beside its key and value, rounded up. Source: Kafka message format v2. */
const RECORD_OVERHEAD_BYTES = 24;
const BATCH_OVERHEAD_BYTES = 61;
const SWEEP_INTERVAL_MS = 50;

type Ticket = { remaining: number; settled: boolean; deadline: number; settle(outcome: PublishOutcome): void };
type Waiting = { record: RecordToAppend; bytes: number; ticket: Ticket };
type Lane = { partition: number; waiting: Waiting[]; bytes: number; since: number; sending: boolean; suspect: boolean };
type Batch = { lane: Lane; taken: Waiting[]; bytes: number };

/**
 * Modes: open (takes records) until drain() is called; draining (takes none, sends what it has without linger) until the buffer
 * is empty; then done. A lane (partition) whose last append failed is suspect: it is sent alone, and suspects together may use
 * half of the sends, so that a dead partition never holds up the others.
 */
export class Publisher {
  private readonly deps: PublisherDeps;
  private readonly lanes = new Map<number, Lane>();
  private readonly tickets: Ticket[] = [];
  private stopSweep: Cancel | undefined;
  private ticketsFrom = 0;
  private records = 0;
  private bytes = 0;
  private sends = 0;
  private suspectSends = 0;
  private timer: Cancel | undefined;
  private draining = false;
  private idle: (() => void)[] = [];

  constructor(deps: PublisherDeps) {
    this.deps = deps;
  }

  /** Records not yet answered for, and their bytes. */
  load(): { records: number; bytes: number } {
    return { records: this.records, bytes: this.bytes };
  }

  /** Takes all records of a request or none of them. */
  publish(placed: readonly PlacedRecord[]): Promise<PublishOutcome> {
    const sizes = placed.map(({ record }) => RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + record.value.length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const { settings, scheduler } = this.deps;
    const full = this.records + placed.length > settings.recordsMax || this.bytes + total > settings.bytesMax;
    if (this.draining || full) return Promise.resolve('full');
    if (placed.length === 0) return Promise.resolve('appended');
    const now = scheduler.monotonicMs();
    return new Promise((resolve) => {
      const ticket: Ticket = { remaining: placed.length, settled: false, deadline: now + settings.deadlineMs, settle: resolve };
      this.tickets.push(ticket);
      this.stopSweep ??= scheduler.after(SWEEP_INTERVAL_MS, () => this.sweep());
      for (const [index, { partition, record }] of placed.entries())
        this.enqueue(partition, { record, bytes: sizes[index] as number, ticket }, now);
      this.pump();
    });
  }

  /** Sends what is waiting, takes nothing new; resolves when every record has its outcome. */
  async drain(): Promise<void> {
    this.draining = true;
    this.pump();
    if (this.records > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
    this.stopSweep?.();
    this.timer?.();
  }

  private enqueue(partition: number, waiting: Waiting, now: number): void {
    let lane = this.lanes.get(partition);
    if (lane === undefined) {
      lane = { partition, waiting: [], bytes: 0, since: now, sending: false, suspect: false };
      this.lanes.set(partition, lane);
    }
    if (lane.waiting.length === 0) lane.since = now;
    lane.waiting.push(waiting);
    lane.bytes += waiting.bytes;
    this.records += 1;
    this.bytes += waiting.bytes;
  }

  /** Starts as many sends as are due and allowed, and sets the timer for the next. */
  private pump(): void {
    const { settings, scheduler } = this.deps;
    this.timer?.();
    this.timer = undefined;
    if (this.sends >= settings.sendsInFlightMax) return;
    const now = scheduler.monotonicMs();
    const due: Lane[] = [];
    let nextAt = Number.POSITIVE_INFINITY;
    for (const lane of this.lanes.values()) {
      if (lane.sending || lane.waiting.length === 0) continue;
      const at = this.draining || lane.bytes >= settings.batchBytesMax ? now : lane.since + settings.lingerMs;
      if (at <= now) due.push(lane);
      else if (at < nextAt) nextAt = at;
    }
    due.sort((a, b) => b.bytes - a.bytes);
    this.start(due);
    if (nextAt < Number.POSITIVE_INFINITY) this.timer = scheduler.after(Math.max(1, Math.ceil(nextAt - now)), () => this.pump());
  }

  private start(due: readonly Lane[]): void {
    const healthy = due.filter((lane) => !lane.suspect);
    if (healthy.length > 0) void this.send(healthy, false);
    const suspectsMax = Math.max(1, Math.floor(this.deps.settings.sendsInFlightMax / 2));
    for (const lane of due) {
      if (!lane.suspect || this.suspectSends >= suspectsMax || this.sends >= this.deps.settings.sendsInFlightMax) continue;
      void this.send([lane], true);
    }
  }

  private async send(lanes: readonly Lane[], suspect: boolean): Promise<void> {
    const batches = lanes.map((lane) => this.take(lane)).filter((batch) => batch.taken.length > 0);
    if (batches.length === 0) return;
    this.sends += 1;
    if (suspect) this.suspectSends += 1;
    for (const { lane, taken, bytes } of batches) {
      lane.sending = true;
      this.deps.hooks.sent(taken.length, bytes);
    }
    const results = await this.deps.writer.append(
      new Map(batches.map(({ lane, taken }) => [lane.partition, taken.map(({ record }) => record)])),
    );
    this.sends -= 1;
    if (suspect) this.suspectSends -= 1;
    for (const batch of batches) {
      const appended = results.get(batch.lane.partition)?.outcome === 'appended';
      batch.lane.sending = false;
      batch.lane.suspect = !appended;
      this.conclude(batch, appended);
    }
    this.pump();
  }

  /** The beginning of a lane that fits into one batch. Records whose request has given up are not sent any more. */
  private take(lane: Lane): Batch {
    const taken: Waiting[] = [];
    let bytes = BATCH_OVERHEAD_BYTES;
    let count = 0;
    for (const waiting of lane.waiting) {
      if (waiting.ticket.settled) {
        this.release(waiting);
        lane.bytes -= waiting.bytes;
        count += 1;
        continue;
      }
      if (taken.length > 0 && bytes + waiting.bytes > this.deps.settings.batchBytesMax) break;
      bytes += waiting.bytes;
      lane.bytes -= waiting.bytes;
      taken.push(waiting);
      count += 1;
    }
    lane.waiting = count === lane.waiting.length ? [] : lane.waiting.slice(count);
    lane.since = this.deps.scheduler.monotonicMs();
    return { lane, taken, bytes };
  }

  private conclude({ taken }: Batch, appended: boolean): void {
    for (const waiting of taken) {
      this.release(waiting);
      const { ticket } = waiting;
      ticket.remaining -= 1;
      if (ticket.settled) continue;
      if (!appended) this.settle(ticket, 'unknown');
      else if (ticket.remaining === 0) this.settle(ticket, 'appended');
    }
  }

  private release(waiting: Waiting): void {
    this.records -= 1;
    this.bytes -= waiting.bytes;
    if (this.records > 0) return;
    for (const resolve of this.idle.splice(0)) resolve();
  }

  private settle(ticket: Ticket, outcome: PublishOutcome): void {
    ticket.settled = true;
    ticket.settle(outcome);
  }

  /** Deadlines pass in the order of arrival, so only the oldest tickets are looked at. */
  private sweep(): void {
    const now = this.deps.scheduler.monotonicMs();
    while (this.ticketsFrom < this.tickets.length) {
      const ticket = this.tickets[this.ticketsFrom] as Ticket;
      if (!ticket.settled) {
        if (ticket.deadline > now) break;
        this.deps.hooks.deadlinePassed();
        this.settle(ticket, 'unknown');
      }
      this.ticketsFrom += 1;
    }
    const open = this.ticketsFrom < this.tickets.length;
    this.stopSweep = open ? this.deps.scheduler.after(SWEEP_INTERVAL_MS, () => this.sweep()) : undefined;
    if (this.ticketsFrom < 1024 && this.ticketsFrom < this.tickets.length) return;
    this.tickets.splice(0, this.ticketsFrom);
    this.ticketsFrom = 0;
  }
}
