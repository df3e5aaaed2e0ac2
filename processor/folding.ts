// One partition's state in memory together with what it produced and nobody has written yet. Synchronous: between two calls the
// task is always at a record boundary, where a flush may cut.
import type { LogRecord } from '../infra/runtime/ports.ts';
import type { Output } from './core/outputs.ts';
import { emissionSeq, type FoldRecord, ledger, type PartitionState, step, streamTime } from './core/partition.ts';
import { type Fingerprint, fingerprintOf, type Position } from './progress.ts';
import { Publisher } from './provisional.ts';
import type { BeaconRow } from './rows.ts';
import type { FlushBatch } from './sink.ts';
import type { TakenSnapshot } from './snapshots.ts';

export type FoldResult = { ok: true } | { ok: false; detail: string };

type Start = {
  state: PartitionState;
  /** Offset to fold next: that of the snapshot. */
  nextOffset: number;
  /** What the claim found in the database: outputs up to there are made again and not written again (D16). */
  committed: Position;
  fingerprint: Fingerprint | undefined;
  /** What the claim found as the last record that was folded: where a replay must come out. */
  written?: Fingerprint | undefined;
  /** See FlushBatch.clearOpen. */
  clearOpen: boolean;
};

/** State and unwritten outputs of a partition. */
export class Folding {
  readonly state: PartitionState;
  readonly publisher = new Publisher();
  nextOffset: number;
  /** What is known to be in the database. */
  committed: Position;
  /** The batch being written, or left over by a flush whose result is not known. */
  unflushed: FlushBatch | undefined;
  /** Append time of the last tick folded, epoch ms. */
  tickAt = -1;
  readonly #replayTo: Position;
  readonly #written: Fingerprint | undefined;
  #outputs: Output[] = [];
  #beacons: BeaconRow[] = [];
  #bytes = 0;
  #last: LogRecord | undefined;
  #fingerprint: Fingerprint | undefined;
  #clearOpen: boolean;
  #lastCut: number;

  constructor(start: Start) {
    this.state = start.state;
    this.nextOffset = start.nextOffset;
    this.committed = start.committed;
    this.#replayTo = start.committed;
    this.#fingerprint = start.fingerprint;
    this.#written = start.written;
    this.#clearOpen = start.clearOpen;
    this.#lastCut = start.committed.nextOffset;
  }

  /** True while records are folded again whose effects are already in the database. */
  get replaying(): boolean {
    return this.nextOffset < this.#replayTo.nextOffset;
  }

  get outputCount(): number {
    return this.#outputs.length + this.#beacons.length;
  }

  get bufferedBytes(): number {
    return this.#bytes;
  }

  /** True if a flush would move the position. */
  get dirty(): boolean {
    return this.nextOffset > this.committed.nextOffset && !this.replaying;
  }

  /**
   * Folds the record at `nextOffset`. The emission numbers around the committed position must enclose the committed number: after
   * the last whole record before it at most, after the record at it at least (D24). Anything else is divergence.
   */
  fold(record: FoldRecord, raw: LogRecord): FoldResult {
    const { offset } = record;
    const before = emissionSeq(this.state);
    const { nextOffset: target, emissionSeq: committedSeq } = this.#replayTo;
    const crosses = this.nextOffset <= target && offset >= target;
    if (crosses && before > committedSeq) return diverged(`${before} emissions before offset ${target}, ${committedSeq} were written`);
    const outputs = step(this.state, record);
    const after = emissionSeq(this.state);
    if (crosses && after < committedSeq) return diverged(`${after} emissions after offset ${offset}, ${committedSeq} were written`);
    if (after - before !== outputs.length) return diverged(`offset ${offset} gave ${outputs.length} outputs but ${after - before} numbers`);
    for (const output of outputs) if (output.emissionSeq > committedSeq) this.#outputs.push(output);
    if (offset >= target && record.message.kind === 'beacon') this.#keepBeacon(record, raw);
    if (record.message.kind === 'tick') this.tickAt = Math.max(this.tickAt, record.appendAt);
    this.nextOffset = offset + 1;
    this.#last = raw;
    return { ok: true };
  }

  #keepBeacon(record: FoldRecord, raw: LogRecord): void {
    if (record.message.kind !== 'beacon' || raw.value === null) return;
    const { site, session, video } = record.message.beacon;
    this.#beacons.push({ site, session, video, appendAt: record.appendAt, offset: record.offset, payload: raw.value });
    this.#bytes += raw.value.length;
  }

  /** Goes over an accepted gap: the position moves, nothing is folded (D25). */
  skipTo(offset: number): void {
    this.nextOffset = offset;
    this.#last = undefined;
    this.#fingerprint = undefined;
  }

  /** Fingerprint of the last folded record. */
  fingerprint(): Fingerprint | undefined {
    if (this.#last !== undefined) {
      this.#fingerprint = fingerprintOf(this.#last);
      this.#last = undefined;
    }
    return this.#fingerprint;
  }

  /** True if this record stands where another one was folded last: the log is not the one it was (D23). */
  contradicts(raw: LogRecord): boolean {
    const last = raw.offset === this.nextOffset - 1 ? this.fingerprint() : undefined;
    return last?.offset === raw.offset && !fingerprintOf(raw).hash.equals(last.hash);
  }

  /** True if a replay has just come out at another record than the one that was folded there before: the log was changed under it (D23). */
  get strayed(): boolean {
    if (this.nextOffset - 1 !== this.#written?.offset) return false;
    const last = this.fingerprint();
    return last?.offset === this.#written.offset && !last.hash.equals(this.#written.hash);
  }

  /** Position after the last folded record. */
  get position(): Position {
    return { nextOffset: this.nextOffset, emissionSeq: emissionSeq(this.state) };
  }

  /** Takes everything folded since the last cut as one batch, with up to `provisionalRows` open sessions. */
  cut(options: { provisionalRows: number; snapshot: TakenSnapshot | undefined }): FlushBatch {
    const { publisher } = this;
    const time = streamTime(this.state);
    const publishing = options.provisionalRows > 0;
    const provisional = publishing ? publisher.take(this.state, options.provisionalRows) : { open: [], gone: [], live: undefined };
    const outputs = this.#outputs;
    const batch: FlushBatch = {
      from: this.committed,
      to: this.position,
      outputs,
      beacons: this.#beacons,
      ...provisional,
      videos: publisher.takeVideos(outputs, provisional.open),
      fingerprint: this.fingerprint(),
      streamTimeMs: time < 0 ? undefined : time,
      ledger: ledger(this.state),
      snapshot: options.snapshot,
      clearOpen: this.#clearOpen,
    };
    this.#outputs = [];
    this.#beacons = [];
    this.#bytes = 0;
    this.#clearOpen = false;
    this.#lastCut = this.nextOffset;
    this.unflushed = batch;
    return batch;
  }

  /** True if records were folded since the last cut. */
  get hasNews(): boolean {
    return this.nextOffset > this.#lastCut;
  }

  /** The batch in flight is in the database. */
  settle(): void {
    if (this.unflushed !== undefined) this.committed = this.unflushed.to;
    this.unflushed = undefined;
  }
}

const diverged = (detail: string): FoldResult => ({ ok: false, detail: `the fold does not repeat what was written: ${detail}` });
