import type { Statement } from '../../infra/runtime/ports.ts';

export type MoveProgressParams = [
  partition: number,
  epoch: number,
  claimToken: string,
  oldOffset: number,
  oldSeq: number,
  newOffset: number,
  newSeq: number,
  foldVersion: number,
  configHash: Buffer,
  fingerprintOffset: number | null,
  fingerprintHash: Buffer | null,
  streamTimeMs: number | null,
  ledger: string,
];

/** Moves a partition on if epoch, token and old position are still ours (D3). One row, or the flush must roll back. */
export const moveProgress: Statement<MoveProgressParams, { moved: number }> = {
  name: 'processor_move_progress',
  text: `
    UPDATE partition_progress SET
      next_offset = $6, emission_seq = $7, fold_version = $8, config_hash = $9, fingerprint_offset = $10, fingerprint_hash = $11,
      stream_time = to_timestamp($12::float8 / 1000), ledger = $13::jsonb, updated_at = now()
    WHERE partition = $1 AND epoch = $2 AND claim_token = $3 AND next_offset = $4 AND emission_seq = $5
    RETURNING 1 AS moved`,
};
