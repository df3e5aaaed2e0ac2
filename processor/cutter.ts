// Decides what besides final rows goes into a flush: how many open sessions, and whether a snapshot is due.
import type { Folding } from './folding.ts';
import type { FlushBatch } from './sink.ts';
import { takeSnapshot } from './snapshots.ts';
import type { TaskDeps } from './task-deps.ts';

/** A budget that was not used is not saved up for longer than this. */
const PROVISIONAL_SAVED_SECONDS_MAX = 2;

type CutterDeps = Pick<TaskDeps, 'scheduler' | 'task' | 'codec' | 'snapshotSchemaId'>;

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

  /** Cuts what was folded. `final` = the last flush of a clean stop: S = P (D27). */
  cut(folding: Folding, final: boolean): FlushBatch {
    const { scheduler, task, codec, snapshotSchemaId } = this.#deps;
    const now = scheduler.monotonicMs();
    const sinceMs = now - this.#publishedMs;
    const due = final || sinceMs >= task.provisionalIntervalMs;
    const seconds = Math.min(PROVISIONAL_SAVED_SECONDS_MAX, sinceMs / 1000);
    const provisionalRows = due ? Math.max(1, Math.floor(task.provisionalRowsPerSecondMax * seconds)) : 0;
    if (due) this.#publishedMs = now;
    const { position } = folding;
    const moved = position.nextOffset !== this.#snapshotAt;
    const snapshotDue = this.snapshotNow || (moved && (final || now - this.#snapshotMs >= task.snapshotIntervalMs));
    const fingerprint = folding.fingerprint();
    const snapshot = snapshotDue
      ? takeSnapshot({ codec, schemaId: snapshotSchemaId, state: folding.state, position, fingerprint })
      : undefined;
    if (snapshot !== undefined) {
      this.#snapshotMs = now;
      this.#snapshotAt = position.nextOffset;
      this.snapshotBytes = snapshot.payload.length;
      this.snapshotNow = false;
    }
    const batch = folding.cut({ provisionalRows, snapshot });
    this.moreToPublish = due ? batch.open.length >= provisionalRows : this.moreToPublish || batch.outputs.length + batch.beacons.length > 0;
    return batch;
  }
}
