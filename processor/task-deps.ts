// What a task needs from outside, and what it is told.
import type { Clock, LogConsumer } from '../infra/runtime/ports.ts';
import type { Codec } from '../schemas/codec.ts';
import type { ClaimDeps } from './claim.ts';
import type { FlushDeps } from './flusher.ts';
import type { RecoveryDeps } from './recovery.ts';

/** Times in ms of the scheduler. Limits are soft by one fetched batch. */
export type TaskSettings = {
  flushIntervalMs: number;
  flushOutputsMax: number;
  bufferOutputsMax: number;
  bufferBytesMax: number;
  provisionalIntervalMs: number;
  provisionalRowsPerSecondMax: number;
  snapshotIntervalMs: number;
  /** Snapshots are made and read in slices of this length, after each of which others run. 0 = as short as can be. */
  snapshotSliceMs: number;
};

export type TaskDeps = FlushDeps &
  ClaimDeps &
  RecoveryDeps & {
    clock: Clock;
    consumer: Pick<LogConsumer, 'pause' | 'resume' | 'seek' | 'reportPosition'>;
    codec: Pick<Codec, 'decode'>;
    snapshotSchemaId: number;
    /** Asks the registry for a schema and teaches it to the codec; throws while it cannot (P17). */
    learnSchema: (id: number) => Promise<void>;
    /** Heartbeats the group has answered so far: the proof of membership that a fenced task needs (D6, K16). */
    heartbeats: () => number;
    task: TaskSettings;
  };

/** Handed out with each assignment, taken back with the next or with the loss: checked after every await (K5). */
export type Ownership = { held: boolean };
