// Snapshots of a partition's state: Avro, gzipped, with what is needed to refuse them (D22). They are made and read in slices (D21), and
// written by the flush whose position they hold, so none is ever ahead of the rows.
import { createHash } from 'node:crypto';
import { messageOf } from '../infra/runtime/errors.ts';
import { FOLD_VERSION, type PartitionState } from './core/partition.ts';
import { readSnapshot } from './core/restore.ts';
import type { FoldSettings } from './core/settings.ts';
import { writeSnapshot } from './core/snapshot.ts';
import { inflateMembers, MembersOut } from './gzip-members.ts';
import type { Fingerprint, Position } from './progress.ts';
import type { SlicedWork } from './slices.ts';
import { dropOldSnapshots } from './sql/drop-old-snapshots.ts';
import type { SnapshotRow } from './sql/read-snapshots.ts';
import { writeSnapshot as storeSnapshot } from './sql/write-snapshot.ts';
import { type PreparedStatement, prepared } from './statements.ts';

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

/** Bytes hashed between two pauses. */
const HASHED_AT_ONCE = 1024 * 1024;

function* sha256(bytes: Buffer): SlicedWork<Buffer> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += HASHED_AT_ONCE) {
    hash.update(bytes.subarray(at, at + HASHED_AT_ONCE));
    yield;
  }
  return hash.digest();
}

/** Hash of the canonical bytes of a state: equal states, equal hash, on any machine (H20). */
export function* stateHashOf(state: PartitionState): SlicedWork<Buffer> {
  const hash = createHash('sha256');
  for (const piece of writeSnapshot(state)) {
    hash.update(piece);
    yield;
  }
  return hash.digest();
}

/** The state at this position, as bytes. The state must not be changed meanwhile. */
export function* takeSnapshot(options: {
  schemaId: number;
  state: PartitionState;
  position: Position;
  fingerprint: Fingerprint | undefined;
}): SlicedWork<TakenSnapshot> {
  const { state, position, fingerprint, schemaId } = options;
  const hash = createHash('sha256');
  const members = new MembersOut();
  for (const piece of writeSnapshot(state)) {
    hash.update(piece);
    members.add(piece);
    yield;
  }
  const payload = members.end();
  return { position, fingerprint, schemaId, stateHash: hash.digest(), checksum: yield* sha256(payload), payload };
}

/** Stores a snapshot and lets go of the third newest, for the transaction of a flush. */
export function snapshotStatements(
  taken: TakenSnapshot,
  owner: { partition: number; epoch: number; configHash: Buffer },
): PreparedStatement[] {
  return [
    prepared(storeSnapshot, [
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
export function* openSnapshot(row: SnapshotRow, settings: FoldSettings): SlicedWork<OpenedSnapshot> {
  const checksum = yield* sha256(row.payload);
  if (!checksum.equals(row.checksum)) return { ok: false, reason: 'bad_checksum', detail: `snapshot at ${row.next_offset}` };
  let state: PartitionState;
  try {
    const bytes = yield* inflateMembers(row.payload, SNAPSHOT_BYTES_MAX);
    state = yield* readSnapshot(bytes, (from, to) => bytes.toString('utf8', from, to), settings);
  } catch (thrown) {
    return { ok: false, reason: 'unreadable', detail: `snapshot at ${row.next_offset}: ${messageOf(thrown)}` };
  }
  // Another fold version may write the same state otherwise: its hash says nothing about ours.
  if (row.fold_version === FOLD_VERSION && !(yield* stateHashOf(state)).equals(row.state_hash)) {
    return { ok: false, reason: 'bad_state_hash', detail: `snapshot at ${row.next_offset}` };
  }
  return { ok: true, state };
}
