// What a task shows of itself to health checks, metrics and tests. Plain data.
import { openSessionCount, streamTime } from './core/partition.ts';
import type { Folding } from './folding.ts';
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

type Seen = Pick<TaskView, 'partition' | 'mode' | 'halt' | 'epoch' | 'snapshotBytes' | 'lastFlushMs' | 'unknownSchemaId'> & {
  folding: Folding | undefined;
  /** Log end as the last fetch saw it. */
  high: number | undefined;
};

/** What a task shows, from what it holds. */
export const viewOf = ({ folding, high, ...rest }: Seen): TaskView => ({
  ...rest,
  nextOffset: folding?.nextOffset ?? -1,
  committedOffset: folding?.committed.nextOffset ?? -1,
  lagRecords: folding === undefined || high === undefined ? undefined : Math.max(0, high - folding.committed.nextOffset),
  streamTimeMs: folding === undefined ? -1 : streamTime(folding.state),
  tickAtMs: folding?.tickAt ?? -1,
  openSessions: folding === undefined ? undefined : openSessionCount(folding.state),
  bufferedBytes: folding?.bufferedBytes ?? 0,
});
