// A state as its canonical bytes, and back: what tests compare and restore from.
import type { PartitionState } from '../../processor/core/partition.ts';
import { readSnapshot } from '../../processor/core/restore.ts';
import type { FoldSettings } from '../../processor/core/settings.ts';
import { writeSnapshot } from '../../processor/core/snapshot.ts';
import { inOneGo } from '../../processor/slices.ts';

/** All pieces of a state's snapshot. */
export const bytesOf = (state: PartitionState): Buffer => Buffer.concat([...writeSnapshot(state)].map((piece) => Buffer.from(piece)));

/** The same as text: equal states, equal text. */
export const stateText = (state: PartitionState): string => bytesOf(state).toString('base64');

/** The state in the bytes. */
export const restoreFrom = (bytes: Buffer, settings: FoldSettings): PartitionState =>
  inOneGo(readSnapshot(bytes, (from, to) => bytes.toString('utf8', from, to), settings));
