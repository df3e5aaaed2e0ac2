// Where each partition stands, and what its numbering began with: the end of a replay.
import type { Statement } from '../../runtime/ports.ts';

export type VerifyProgressRow = { partition: number; next_offset: number; emission_seq: number };

export const verifyProgress: Statement<[], VerifyProgressRow> = {
  name: 'cli-verify-progress',
  text: 'SELECT partition, next_offset, emission_seq FROM partition_progress ORDER BY partition',
};
