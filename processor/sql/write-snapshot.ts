import type { Statement } from '../../infra/runtime/ports.ts';

export type WriteSnapshotParams = [
  partition: number,
  epoch: number,
  nextOffset: number,
  emissionSeq: number,
  schemaId: number,
  foldVersion: number,
  configHash: Buffer,
  fingerprintOffset: number | null,
  fingerprintHash: Buffer | null,
  stateHash: Buffer,
  checksum: Buffer,
  payload: Buffer,
];

/** Stores a snapshot under the epoch that the flush around it has checked (H19). */
export const writeSnapshot: Statement<WriteSnapshotParams, never> = {
  name: 'processor_write_snapshot',
  text: `
    INSERT INTO snapshots (partition, epoch, next_offset, emission_seq, schema_id, fold_version, config_hash, fingerprint_offset,
      fingerprint_hash, state_hash, checksum, payload)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (partition, epoch, next_offset) DO UPDATE SET
      emission_seq = excluded.emission_seq, schema_id = excluded.schema_id, fold_version = excluded.fold_version,
      config_hash = excluded.config_hash, state_hash = excluded.state_hash, checksum = excluded.checksum, payload = excluded.payload,
      created_at = now()`,
};
