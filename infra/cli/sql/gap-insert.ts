// Notes that an operator accepts that log was lost (D31). Once noted it stays as it was.
import type { Statement } from '../../runtime/ports.ts';

export const gapInsert: Statement<[partition: number, from: number, to: number, reason: string, operator: string], { partition: number }> =
  {
    name: 'cli-gap-insert',
    text: `INSERT INTO data_gaps (partition, from_offset, to_offset, reason, operator) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING partition`,
  };
