// Snapshots of a partition's state: Avro, gzipped, with what is needed to refuse them (D22). They are written by the flush whose
// position they hold, so none is ever ahead of the rows.
import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { messageOf } from '../infra/runtime/errors.ts';
import type { Codec } from '../schemas/codec.ts';
import { FOLD_VERSION, type PartitionState } from './core/partition.ts';
import type { FoldSettings } from './core/settings.ts';
import { type PartitionSnapshot, restore, snapshot, stateHashInput } from './core/snapshot.ts';
import type { Fingerprint, Position } from './progress.ts';
import { dropOldSnapshots } from './sql/drop-old-snapshots.ts';
import type { SnapshotRow } from './sql/read-snapshots.ts';
import { writeSnapshot } from './sql/write-snapshot.ts';
import { type PreparedStatement, prepared } from './statements.ts';

/** Level 1: the state is small numbers, higher levels cost time and win little. */
const GZIP_LEVEL = 1;
/** A state that inflates to more than this is no snapshot of ours. */
const SNAPSHOT_BYTES_MAX = 512 * 1024 * 1024;

export type TakenSnapshot = {
  position: Position;
  fingerprint: Fingerprint | undefined;
  schemaId: number;
  stateHash: Buffer;
  checksum: Buffer;
  payload: Buffer;
};

const sha256 = (parts: readonly (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Hash of a state in its canonical text: equal states, equal hash, on any machine (H20). */
export const stateHashOf = (state: PartitionState): Buffer => sha256(stateHashInput(state));

/** The state at this position, as bytes. */
export function takeSnapshot(options: {
  codec: Pick<Codec, 'encodeSnapshot'>;
  schemaId: number;
  state: PartitionState;
  position: Position;
  fingerprint: Fingerprint | undefined;
}): TakenSnapshot {
  const { state, position, fingerprint, schemaId } = options;
  const payload = gzipSync(options.codec.encodeSnapshot(snapshot(state)), { level: GZIP_LEVEL });
  return { position, fingerprint, schemaId, stateHash: stateHashOf(state), checksum: sha256([payload]), payload };
}

/** Stores a snapshot and lets go of the third newest, for the transaction of a flush. */
export function snapshotStatements(
  taken: TakenSnapshot,
  owner: { partition: number; epoch: number; configHash: Buffer },
): PreparedStatement[] {
  return [
    prepared(writeSnapshot, [
      owner.partition,
      owner.epoch,
      taken.position.nextOffset,
      taken.position.emissionSeq,
      taken.schemaId,
      FOLD_VERSION,
      owner.configHash,
      taken.fingerprint?.offset ?? null,
      taken.fingerprint?.hash ?? null,
      taken.stateHash,
      taken.checksum,
      taken.payload,
    ]),
    prepared(dropOldSnapshots, [owner.partition]),
  ];
}

export type OpenedSnapshot =
  | { ok: true; state: PartitionState }
  | { ok: false; reason: 'bad_checksum' | 'unreadable' | 'bad_state_hash'; detail: string };

/** The state in a snapshot row, checked from the outside in: bytes, form, meaning. */
export function openSnapshot(codec: Pick<Codec, 'decodeSnapshot'>, row: SnapshotRow, settings: FoldSettings): OpenedSnapshot {
  if (!sha256([row.payload]).equals(row.checksum)) return { ok: false, reason: 'bad_checksum', detail: `snapshot at ${row.next_offset}` };
  let state: PartitionState;
  try {
    const bytes = gunzipSync(row.payload, { maxOutputLength: SNAPSHOT_BYTES_MAX });
    state = restore(codec.decodeSnapshot(bytes) as PartitionSnapshot, settings);
  } catch (thrown) {
    return { ok: false, reason: 'unreadable', detail: `snapshot at ${row.next_offset}: ${messageOf(thrown)}` };
  }
  // Another fold version may write the same state otherwise: its hash says nothing about ours.
  if (row.fold_version === FOLD_VERSION && !stateHashOf(state).equals(row.state_hash)) {
    return { ok: false, reason: 'bad_state_hash', detail: `snapshot at ${row.next_offset}` };
  }
  return { ok: true, state };
}
