// Replay (reliability, 7.4): every snapshot of a run, restored and folded to the end, gives what the straight fold gives; and so does a
// fold that is put down and taken up again wherever the seed says.
import { createPartition, emissionSeq, FOLD_VERSION, type PartitionState, step } from '../../processor/core/partition.ts';
import type { SlicedWork } from '../../processor/slices.ts';
import { openSnapshot, takeSnapshot } from '../../processor/snapshots.ts';
import { demand, type Finished } from './check.ts';
import { isRefused, type Reference } from './reference.ts';

const CUT_RECORDS = 7;

function whole<T>(work: SlicedWork<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** Throws Broken (I6) where a replay differs. Partitions whose log was cut or lost are left to the other checks. */
export function checkSnapshots(run: Finished, partition: number, reference: Reference): void {
  const { settings, database, log } = run;
  if (log.partition(partition).before !== undefined || database.tables().jumps.some((jump) => jump.partition === partition)) return;
  const expected = reference.outputs.map((output) => JSON.stringify(output));
  const replay = (
    state: PartitionState,
    from: number,
    name: string,
    again: (state: PartitionState, at: number) => PartitionState,
  ): void => {
    let current = state;
    let at = emissionSeq(state);
    for (const { fold } of reference.folded) {
      if (fold.offset < from) continue;
      current = again(current, fold.offset);
      for (const output of step(current, fold)) {
        const wanted = expected[at];
        if (!isRefused(output, run.refused))
          demand(JSON.stringify(output) === wanted, 'I6', () => `partition ${partition}, ${name}: emission ${at + 1} differs`);
        at += 1;
      }
    }
    demand(at === expected.length, 'I6', () => `partition ${partition}, ${name}: ${at} emissions, ${expected.length} expected`);
  };
  for (const row of database.taken().filter((taken) => taken.partition === partition)) {
    const opened = whole(openSnapshot(row, settings));
    demand(opened.ok, 'I6', () => `the snapshot at ${row.next_offset} cannot be opened`);
    if (opened.ok) replay(opened.state, row.next_offset, `from the snapshot at ${row.next_offset}`, (state) => state);
  }
  replay(createPartition(settings), 0, 'put down and taken up', (state, at) => {
    if (at % CUT_RECORDS !== run.partitions) return state;
    const position = { nextOffset: at, emissionSeq: emissionSeq(state) };
    const taken = whole(takeSnapshot({ schemaId: 5, state, position, fingerprint: undefined }));
    const row = { epoch: 0, next_offset: at, emission_seq: position.emissionSeq, schema_id: 5, payload: taken.payload };
    const opened = whole(openSnapshot({ ...row, ...REST, state_hash: taken.stateHash, checksum: taken.checksum }, settings));
    demand(opened.ok, 'I6', () => `a snapshot at ${at} cannot be opened`);
    return opened.ok ? opened.state : state;
  });
}

const REST = { fold_version: FOLD_VERSION, config_hash: Buffer.alloc(0), fingerprint_offset: null, fingerprint_hash: null };
