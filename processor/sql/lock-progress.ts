import type { Statement } from '../../infra/runtime/ports.ts';
import { PROGRESS_COLUMNS, type ProgressRow } from './progress-row.ts';

/** Reads a partition's progress and keeps its row until the transaction ends (D3); waits for a transaction that holds it (D4). */
export const lockProgress: Statement<[partition: number], ProgressRow> = {
  name: 'processor_lock_progress',
  text: `SELECT ${PROGRESS_COLUMNS} FROM partition_progress WHERE partition = $1 FOR UPDATE`,
};
