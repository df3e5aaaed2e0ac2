// Accepted gaps, newest first.
import type { Statement } from '../../runtime/ports.ts';

export type GapRow = { partition: number; from_offset: number; to_offset: number; reason: string; operator: string; accepted_at: number };

export const gapList: Statement<[], GapRow> = {
  name: 'cli-gap-list',
  text: 'SELECT partition, from_offset, to_offset, reason, operator, accepted_at FROM data_gaps ORDER BY accepted_at DESC, partition, from_offset',
};
