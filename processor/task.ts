// The owner of one partition in this process: claims it, restores it, folds it, flushes it, and stops when it must not go on.
import { messageOf } from '../infra/runtime/errors.ts';
import type { Cancel, LogRecord } from '../infra/runtime/ports.ts';
import { claimPartition } from './claim.ts';
import { Cutter } from './cutter.ts';
import { FlushReport } from './flush-report.ts';
import { type FlushEnd, flushBatch, retryPauseMs } from './flusher.ts';
import type { Folding } from './folding.ts';
import { askBounds, askOperator, askRegistry, type Gap } from './patience.ts';
import type { Claim } from './progress.ts';
import { readRecord } from './reader.ts';
import { goOnWarm, type HaltReason, logCut, PASSING_REFUSALS, type Refusal, recover, STATE_STAYS, warmState } from './recovery.ts';
import type { FlushBatch, Owner } from './sink.ts';
import type { Ownership, TaskDeps } from './task-deps.ts';
import { type TaskMode, type TaskView, viewOf } from './task-view.ts';

/** `stop`: leave the rest of the batch, it will come again. */
export type Accepted = 'next' | 'stop';
const RECHECK_MS = 30_000;
const MEMBERSHIP_POLL_MS = 250;
/**
 * Modes:
 * - claiming: assigned, paused; taking the progress row. From every mode but stopping, with a new assignment.
 * - restoring: claimed; loading a snapshot, then folding [S, P) again with its outputs dropped. To running at P, to halted by a refusal.
 * - running: folds and flushes. The only mode in which rows are written.
 * - fenced: taken away, or a newer claim was found. The state is kept warm (D28); to claiming with the next assignment or a heartbeat (D6).
 * - stopping: no new records; last flush with a snapshot at S = P (D27). Final.
 * - halted(reason): would have to guess. Paused; to claiming when an operator has accepted the gap, or on a new assignment.
 */
export class PartitionTask {
  readonly partition: number;
  readonly #deps: TaskDeps;
  readonly #cutter: Cutter;
  #report: FlushReport;
  #mode: TaskMode = 'fenced';
  #halt: TaskView['halt'];
  #own: Ownership = { held: false };
  #claim: Claim | undefined;
  #folding: Folding | undefined;
  /** Claims and checks run one after the other. */
  #work: Promise<void> = Promise.resolve();
  #flushing: Promise<void> | undefined;
  #armed: Cancel | undefined;
  #recheck: Cancel | undefined;
  #choked = false;
  #unknownSchemaId: number | undefined;
  /** Fencings since the last flush that went through: two clusters on one database must not chase each other at full speed (F36). */
  #fencings = 0;
  #soughtAt = -1;
  #high: number | undefined;
  #lastFlushMs = -1;

  constructor(partition: number, deps: TaskDeps) {
    this.partition = partition;
    this.#deps = deps;
    this.#cutter = new Cutter(deps);
    this.#report = new FlushReport(deps.metrics);
  }

  /** The ownership in force, for checks around awaits elsewhere. */
  get ownership(): Ownership {
    return this.#own;
  }

  /** The group gave us the partition (again). Synchronous; the claim follows. The partition must be paused (K5). */
  assign(): void {
    const own = this.#release('claiming');
    own.held = true;
    this.#run(() => this.#takeOver(own));
  }

  /** The group took the partition away. Nothing is written from here on; the state stays warm until the task is dropped (D28). */
  lose(): void {
    this.#release('fenced');
  }

  #release(mode: TaskMode): Ownership {
    this.#own.held = false;
    this.#own = { held: false };
    this.#mode = mode;
    this.#halt = undefined;
    this.#choked = false;
    this.#unknownSchemaId = undefined;
    this.#disarm();
    return this.#own;
  }

  #disarm(): void {
    this.#armed?.();
    this.#armed = undefined;
    this.#recheck?.();
    this.#recheck = undefined;
  }

  /** Runs work after all earlier work; what it throws is a bug and halts the partition. */
  #run(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch((thrown: unknown) => {
      this.#stopWith(this.#own, 'internal', messageOf(thrown), undefined, thrown);
    });
  }

  /** Claim, restore, seek, resume (K5); every failure of a port is tried again for as long as the partition is ours. */
  async #takeOver(own: Ownership): Promise<void> {
    const { scheduler, logger } = this.#deps;
    const startedMs = scheduler.monotonicMs();
    for (let attempt = 0; own.held; attempt++) {
      try {
        await this.#flushing;
        if (!own.held) return;
        this.#mode = 'claiming';
        this.#halt = undefined;
        if ((await this.#claimAndRestore(own)) && own.held) this.#deps.metrics.restored((scheduler.monotonicMs() - startedMs) / 1000);
        return;
      } catch (thrown) {
        logger.warn({ partition: this.partition, err: thrown }, 'taking over failed: trying again');
        await scheduler.sleep(retryPauseMs(scheduler, attempt));
      }
    }
  }

  async #claimAndRestore(own: Ownership): Promise<boolean> {
    const before = this.#claim;
    const claim = await claimPartition(this.#deps, this.partition);
    this.#claim = claim;
    const warm = warmState(this.#folding, before, claim);
    if (!own.held) {
      if (warm === undefined) this.#folding = undefined;
      return false;
    }
    this.#folding = warm;
    if (!(await this.#restore(own, claim, warm)) || !own.held) return false;
    const folding = this.#folding as unknown as Folding;
    const { epoch, nextOffset: position } = claim;
    const from = folding.nextOffset;
    this.#deps.logger.info({ partition: this.partition, epoch, from, position, warm: folding === warm }, 'claimed');
    this.#begin(folding);
    return true;
  }

  async #restore(own: Ownership, claim: Claim, warm: Folding | undefined): Promise<boolean> {
    this.#mode = 'restoring';
    const found = await (warm === undefined
      ? recover(this.#deps, this.partition, claim, () => own.held)
      : goOnWarm(this.#deps, this.partition, claim, warm, () => own.held));
    if (!own.held || found === undefined) return false;
    if (!found.ok) {
      this.#refuse(own, found);
      return false;
    }
    for (const note of found.notes) this.#deps.logger.warn({ partition: this.partition, epoch: claim.epoch }, note);
    this.#folding = found.folding;
    if (found.folding !== warm) this.#report = new FlushReport(this.#deps.metrics);
    if (found.folding !== warm || found.snapshotNow) this.#cutter.reset(found.snapshotNow);
    return true;
  }

  /** Same turn as the last ownership check: never seek or resume what is not ours (K7). */
  #begin(folding: Folding): void {
    const { consumer } = this.#deps;
    this.#mode = folding.replaying ? 'restoring' : 'running';
    this.#soughtAt = -1;
    this.#choked = false;
    this.#unknownSchemaId = undefined;
    this.#cutter.begin();
    consumer.seek(this.partition, folding.nextOffset);
    consumer.resume([this.partition]);
    if (this.#cutter.snapshotNow || folding.unflushed !== undefined) this.#startFlush();
    else this.#arm();
  }

  /** Folds one record of a batch. Synchronous and never throws; `own` is the ownership under which the batch arrived. */
  accept(raw: LogRecord, own: Ownership): Accepted {
    const folding = this.#folding;
    if (!own.held || folding === undefined || (this.#mode !== 'running' && this.#mode !== 'restoring')) return 'stop';
    if (this.#choked || this.#unknownSchemaId !== undefined) return 'stop';
    if (this.#cutter.holdsBack()) return this.#pauseReading(); // Comes again after the snapshot.
    if (raw.offset < folding.nextOffset) return folding.contradicts(raw) ? this.#doubt(own) : 'next';
    if (raw.offset > folding.nextOffset) return this.#atHole(own, folding, raw.offset);
    try {
      const read = readRecord(this.#deps.codec, { partition: this.partition, partitions: this.#deps.partitions }, raw);
      if (!read.ok) return this.#atUnknownSchema(own, read.unknownSchemaId);
      const folded = folding.fold(read.record, raw);
      if (!folded.ok) return this.#stopWith(own, 'divergence', folded.detail);
    } catch (thrown) {
      return this.#stopWith(own, 'internal', `folding offset ${raw.offset}: ${messageOf(thrown)}`, undefined, thrown);
    }
    if (folding.strayed) return this.#doubt(own, 'drop');
    if (this.#mode === 'restoring' && !folding.replaying) this.#mode = 'running';
    return this.#afterFold(folding);
  }

  #afterFold(folding: Folding): Accepted {
    const { task } = this.#deps;
    if (folding.outputCount >= task.flushOutputsMax) this.#startFlush();
    else this.#arm();
    if (folding.outputCount < task.bufferOutputsMax && folding.bufferedBytes < task.bufferBytesMax) return 'next';
    // Back-pressure: the rest comes again when the database has caught up (D34).
    this.#choked = true;
    this.#startFlush();
    return this.#pauseReading();
  }

  /** Log end as the last fetch saw it. If it lies before what was folded, it is another log's. */
  sawHigh(high: number, own: Ownership): void {
    this.#high = high;
    if (own.held && this.#mode === 'running' && high < (this.#folding?.nextOffset ?? 0)) this.#doubt(own);
  }

  /** The log may not be the one that was folded (D23, K21): to claim anew is to look closely, and to refuse if it is so. */
  #doubt(own: Ownership, state: 'keep' | 'drop' = 'keep'): 'stop' {
    if (state === 'drop') this.#folding = undefined;
    this.#mode = 'claiming';
    this.#run(() => this.#takeOver(own));
    return this.#pauseReading();
  }

  /** A record later than the expected one: the client may have jumped (K9). Ask the log, seek back once, then stop. */
  #atHole(own: Ownership, folding: Folding, found: number): Accepted {
    const expected = folding.nextOffset;
    this.#run(async () => {
      if (!own.held || this.#mode === 'stopping' || this.#folding !== folding || folding.nextOffset !== expected) return;
      this.#startFlush();
      await this.#flushing;
      const bounds = await askBounds(this.#deps, this.partition, () => own.held);
      if (!own.held || bounds === undefined || this.#folding !== folding) return;
      if (bounds.low > expected) this.#refuse(own, logCut(this.partition, expected, bounds.low));
      else if (this.#soughtAt === expected) {
        this.#stopWith(own, 'log_gap', `twice the log went on at ${found} where ${expected} was expected, and nothing explains it (K9)`);
      } else {
        this.#soughtAt = expected;
        this.#readOn(folding);
      }
    });
    return this.#pauseReading();
  }

  #refuse = (own: Ownership, { reason, detail, gap }: Refusal): 'stop' => this.#stopWith(own, reason, detail, gap);

  /** Not poison: the registry is asked until it answers, while the partition waits (P17, D32). */
  #atUnknownSchema(own: Ownership, id: number): Accepted {
    this.#unknownSchemaId = id;
    void askRegistry(this.#deps, this.partition, id, () => own.held && this.#unknownSchemaId === id).then((known) => {
      if (known) this.#unknownSchemaId = undefined;
      if (known && this.#folding !== undefined) this.#readOn(this.#folding);
    });
    return this.#pauseReading();
  }

  #arm(): void {
    if (this.#armed !== undefined || this.#flushing !== undefined || this.#mode !== 'running') return;
    this.#armed = this.#deps.scheduler.after(this.#deps.task.flushIntervalMs, () => {
      this.#armed = undefined;
      this.#startFlush();
    });
  }

  #startFlush(): void {
    const folding = this.#folding;
    if (this.#flushing !== undefined || this.#mode !== 'running' || folding === undefined || !this.#own.held) return;
    if (folding.unflushed === undefined && !folding.hasNews && !this.#cutter.snapshotNow && !this.#cutter.moreToPublish) return;
    this.#armed?.();
    this.#armed = undefined;
    const own = this.#own;
    this.#flushing = this.#flush(own, folding, false)
      .catch((thrown: unknown) => void this.#flushFailed(own, thrown))
      .finally(() => {
        this.#flushing = undefined;
        if (own.held && this.#cutter.snapshotNow) this.#startFlush();
        else if (own.held && (folding.hasNews || this.#cutter.moreToPublish)) this.#arm();
      });
  }

  #flushFailed = (own: Ownership, thrown: unknown): 'stop' =>
    this.#stopWith(own, 'internal', `flush: ${messageOf(thrown)}`, undefined, thrown);

  async #flush(own: Ownership, folding: Folding, final: boolean): Promise<void> {
    const { scheduler, instance, configHash } = this.#deps;
    const { epoch, claimToken } = this.#claim as Claim;
    const owner: Owner = { partition: this.partition, epoch, claimToken, writer: instance, configHash };
    const batch = folding.unflushed ?? (await this.#cut(own, folding, final));
    if (batch === undefined) return;
    const startedMs = scheduler.monotonicMs();
    const end = await flushBatch(this.#deps, batch, owner, () => own.held);
    if (end.outcome === 'done') this.#flushed(own, folding, end.batch, scheduler.monotonicMs() - startedMs);
    else this.#notFlushed(own, end);
  }

  /** What is to be flushed; undefined = the partition was lost while a snapshot was made. */
  async #cut(own: Ownership, folding: Folding, final: boolean): Promise<FlushBatch | undefined> {
    const wanted = (): boolean => own.held && this.#folding === folding;
    const batch = await this.#cutter.next(folding, final, wanted);
    if (this.#cutter.takeHeldBack() && wanted()) this.#readOn(folding);
    return batch;
  }

  #pauseReading(): 'stop' {
    this.#deps.consumer.pause([this.partition]);
    return 'stop';
  }

  /** Reads again from where folding stopped; only while nothing else keeps the partition paused. */
  #readOn(folding: Folding): void {
    if ((this.#mode !== 'running' && this.#mode !== 'restoring') || this.#choked || this.#unknownSchemaId !== undefined) return;
    this.#deps.consumer.seek(this.partition, folding.nextOffset);
    this.#deps.consumer.resume([this.partition]);
  }

  #flushed(own: Ownership, folding: Folding, batch: FlushBatch, tookMs: number): void {
    folding.settle();
    this.#fencings = 0;
    this.#lastFlushMs = this.#deps.clock.now();
    this.#report.done(batch, folding.state, tookMs);
    if (!own.held) return;
    this.#deps.consumer.reportPosition(this.partition, batch.to.nextOffset);
    if (!this.#choked) return;
    this.#choked = false;
    this.#readOn(folding);
  }

  #notFlushed(own: Ownership, end: Exclude<FlushEnd, { outcome: 'done' }>): void {
    const { consumer, heartbeats, logger, metrics } = this.#deps;
    if (end.outcome === 'refused') this.#stopWith(own, 'row_refused', `the database refuses a row that could not be found: ${end.detail}`);
    if (end.outcome === 'duplicate') this.#stopWith(own, 'duplicate_emission', `an emission number was met twice (D8): ${end.detail}`);
    if (end.outcome !== 'fenced' && end.outcome !== 'moved') return;
    // The database went back behind what we know (D7), or somebody else may have written: the state is of no use.
    if (end.outcome === 'moved') this.#folding = undefined;
    else metrics.fenced();
    logger.warn({ partition: this.partition, epoch: this.#claim?.epoch, outcome: end.outcome }, 'the partition is no longer ours to write');
    if (!own.held || this.#mode === 'stopping') return;
    this.#mode = 'fenced';
    consumer.pause([this.partition]);
    const seen = heartbeats();
    this.#run(() => this.#reclaim(own, seen));
  }

  /** A fenced task claims again once a heartbeat has proved that the group still counts it as the owner (D6). */
  async #reclaim(own: Ownership, seen: number): Promise<void> {
    const { heartbeats, scheduler } = this.#deps;
    await scheduler.sleep(retryPauseMs(scheduler, this.#fencings++));
    while (own.held && heartbeats() === seen) await scheduler.sleep(MEMBERSHIP_POLL_MS * (0.5 + scheduler.random()));
    await this.#takeOver(own);
  }

  /** Stands still and says why. */
  #stopWith(own: Ownership, reason: HaltReason, detail: string, gap?: Gap, thrown?: unknown): 'stop' {
    if (!own.held) return 'stop';
    this.#disarm();
    if (this.#mode !== 'stopping') this.#mode = 'halted';
    this.#halt = { reason, detail };
    if (!STATE_STAYS.includes(reason)) this.#folding = undefined;
    this.#deps.consumer.pause([this.partition]);
    this.#deps.logger.error({ partition: this.partition, epoch: this.#claim?.epoch, reason, gap, err: thrown }, `halted: ${detail}`);
    if (gap !== undefined) this.#awaitOperator(own, gap);
    else if (PASSING_REFUSALS.includes(reason))
      this.#recheck = this.#deps.scheduler.after(RECHECK_MS, () => this.#run(() => this.#takeOver(own)));
    return 'stop';
  }

  /** Goes on once an operator has accepted the gap in data_gaps (D25). */
  #awaitOperator(own: Ownership, gap: Gap): void {
    void askOperator(this.#deps, this.partition, gap, () => own.held && this.#mode === 'halted').then((accepted) => {
      if (accepted) this.#run(() => this.#takeOver(own));
    });
  }

  /** Writes what was folded, with a snapshot at S = P, and lets go (D27). Call after the last batch has been handled. */
  async stop(): Promise<void> {
    const own = this.#own;
    const folding = this.#folding;
    const wasRunning = this.#mode === 'running';
    this.#mode = 'stopping';
    this.#disarm();
    if (own.held) this.#deps.consumer.pause([this.partition]);
    if (wasRunning && folding !== undefined) {
      try {
        await this.#flushing;
        if (own.held && folding.unflushed !== undefined) await this.#flush(own, folding, true);
        if (own.held && this.#folding === folding) await this.#flush(own, folding, true);
      } catch (thrown) {
        this.#flushFailed(own, thrown);
      }
    }
    own.held = false;
    await this.#work;
  }

  view(): TaskView {
    return viewOf({
      partition: this.partition,
      mode: this.#mode,
      halt: this.#halt,
      epoch: this.#claim?.epoch ?? 0,
      folding: this.#folding,
      high: this.#high,
      snapshotBytes: this.#cutter.snapshotBytes,
      lastFlushMs: this.#lastFlushMs,
      unknownSchemaId: this.#unknownSchemaId,
    });
  }
}
