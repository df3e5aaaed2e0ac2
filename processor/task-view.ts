// What a task shows of itself to health checks, metrics and tests. Plain data.
import type { HaltReason } from './recovery.ts';

/** See PartitionTask for what the modes mean. */
export type TaskMode = 'claiming' | 'restoring' | 'running' | 'fenced' | 'stopping' | 'halted';

/** Instants are epoch ms, -1 = none yet. */
export type TaskView = {
  partition: number;
  mode: TaskMode;
  halt: { reason: HaltReason; detail: string } | undefined;
  epoch: number;
  nextOffset: number;
  committedOffset: number;
  lagRecords: number | undefined;
  streamTimeMs: number;
  tickAtMs: number;
  openSessions: number | undefined;
  snapshotBytes: number | undefined;
  bufferedBytes: number;
  lastFlushMs: number;
  /** Waiting for the registry to explain a schema id. */
  unknownSchemaId: number | undefined;
};
