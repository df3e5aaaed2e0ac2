import type { Statement } from '../../infra/runtime/ports.ts';

export type GapRow = { from_offset: number; to_offset: number; reason: string; operator: string };

/** Stretches of a partition's log that an operator accepted as lost (D25, D31). */
export const readGaps: Statement<[partition: number], GapRow> = {
  name: 'processor_read_gaps',
  text: 'SELECT from_offset, to_offset, reason, operator FROM data_gaps WHERE partition = $1 ORDER BY from_offset',
};
