// Decides what besides final rows goes into a flush: how many open sessions, and whether a snapshot is due.
import type { Folding } from './folding.ts';
import type { FlushBatch } from './sink.ts';
import { type TakenSnapshot, takeSnapshot } from './snapshots.ts';
import type { TaskDeps } from './task-deps.ts';

/** A budget that was not used is not saved up for longer than this. */
const PROVISIONAL_SAVED_SECONDS_MAX = 2;

type CutterDeps = Pick<TaskDeps, 'scheduler' | 'task' | 'slices' | 'snapshotSchemaId' | 'metrics'>;

/** Keeps the times of the last publication and snapshot of one task. */
export class Cutter {
  /** The next flush must hold a snapshot: what led to this state must not happen twice (D25, D26). */
  snapshotNow = false;
  /** Open sessions were left out for want of budget, or may have changed since they were last taken. */
  moreToPublish = false;
  /** Bytes of the last snapshot. */
  snapshotBytes: number | undefined;
  readonly #deps: CutterDeps;
  #publishedMs = 0;
  #snapshotMs = 0;
  #snapshotAt = -1;
  #frozen = false;
  #heldBack = false;

  constructor(deps: CutterDeps) {
    this.#deps = deps;
  }

  /** A state begins to be written: snapshots of the partitions are spread over their interval. */
  begin(): void {
    const { scheduler, task } = this.#deps;
    const now = scheduler.monotonicMs();
    this.#publishedMs = now;
    this.#snapshotMs = now - scheduler.random() * task.snapshotIntervalMs;
  }

  /** Another state than before: no snapshot of it was taken here. */
  reset(snapshotNow: boolean): void {
    this.snapshotNow = snapshotNow;
    this.#snapshotAt = -1;
  }

  /**
   * True while a snapshot is made of the state, and until one that must come first is (D21, D25): nothing may be folded, and the caller
   * holds back what has come. So a gap that was gone over ends a flush, and the snapshot behind it is that of the place.
   */
  holdsBack(): boolean {
    const held = this.#frozen || this.snapshotNow;
    if (held) this.#heldBack = true;
    return held;
  }

  /** Whether anything was held back since the last call. */
  takeHeldBack(): boolean {
    const held = this.#heldBack;
    this.#heldBack = false;
    return held;
  }

  /**
   * The next batch, with a snapshot if one is due; undefined = no longer `wanted` while that was made. `final` = the last flush of a clean
   * stop: S = P (D27).
   */
  async next(folding: Folding, final: boolean, wanted: () => boolean): Promise<FlushBatch | undefined> {
    if (!this.#snapshotDue(folding, final)) return this.#cut(folding, final, undefined);
    try {
      const snapshot = await this.#snapshot(folding, wanted);
      return snapshot && this.#cut(folding, final, snapshot);
    } finally {
      this.#frozen = false;
    }
  }

  /** While others are made, a snapshot that is not urgent can wait for the next flush. */
  #snapshotDue(folding: Folding, final: boolean): boolean {
    const { scheduler, task, slices } = this.#deps;
    if (this.snapshotNow) return true;
    if (folding.position.nextOffset === this.#snapshotAt) return false;
    return final || (!slices.busy && scheduler.monotonicMs() - this.#snapshotMs >= task.snapshotIntervalMs);
  }

  async #snapshot(folding: Folding, wanted: () => boolean): Promise<TakenSnapshot | undefined> {
    const { scheduler, slices, metrics, snapshotSchemaId: schemaId } = this.#deps;
    let begunMs = 0;
    const freeze = (): void => {
      this.#frozen = true;
      begunMs = scheduler.monotonicMs();
    };
    const work = function* () {
      // From its first slice on, not while it waits for its turn.
      freeze();
      const { state, position } = folding;
      return yield* takeSnapshot({ schemaId, state, position, fingerprint: folding.fingerprint() });
    };
    const taken = await slices.run(work(), wanted);
    if (taken === undefined) return undefined;
    this.#snapshotMs = scheduler.monotonicMs();
    metrics.snapshotTaken((this.#snapshotMs - begunMs) / 1000);
    this.#snapshotAt = taken.position.nextOffset;
    this.snapshotBytes = taken.payload.length;
    this.snapshotNow = false;
    return taken;
  }

  #cut(folding: Folding, final: boolean, snapshot: TakenSnapshot | undefined): FlushBatch {
    const { scheduler, task } = this.#deps;
    const now = scheduler.monotonicMs();
    const sinceMs = now - this.#publishedMs;
    const due = final || sinceMs >= task.provisionalIntervalMs;
    const seconds = Math.min(PROVISIONAL_SAVED_SECONDS_MAX, sinceMs / 1000);
    const provisionalRows = due ? Math.max(1, Math.floor(task.provisionalRowsPerSecondMax * seconds)) : 0;
    if (due) this.#publishedMs = now;
    const batch = folding.cut({ provisionalRows, snapshot });
    this.moreToPublish = due ? batch.open.length >= provisionalRows : this.moreToPublish || batch.outputs.length + batch.beacons.length > 0;
    return batch;
  }
}
