import type { Statement } from '../../infra/runtime/ports.ts';

export type SnapshotRow = {
  epoch: number;
  next_offset: number;
  emission_seq: number;
  schema_id: number;
  fold_version: number;
  config_hash: Buffer;
  fingerprint_offset: number | null;
  fingerprint_hash: Buffer | null;
  state_hash: Buffer;
  checksum: Buffer;
  payload: Buffer;
};

/** Snapshots that do not run ahead of the committed position, newest first (D22). */
export const readSnapshots: Statement<[partition: number, offsetMax: number, seqMax: number], SnapshotRow> = {
  name: 'processor_read_snapshots',
  text: `
    SELECT epoch, next_offset, emission_seq, schema_id, fold_version, config_hash, fingerprint_offset, fingerprint_hash,
      state_hash, checksum, payload
    FROM snapshots
    WHERE partition = $1 AND next_offset <= $2 AND emission_seq <= $3
    ORDER BY next_offset DESC, epoch DESC`,
};
