// What the rows of a partition must be: the whole log folded in one go, without faults, stopping only where the database says that an
// operator let records go.
import { encodeCopy } from '../../infra/runtime/copy-binary.ts';
import type { LogRecord } from '../../infra/runtime/ports.ts';
import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, emissionSeq, type FoldRecord, type PartitionState, step } from '../../processor/core/partition.ts';
import type { FoldSettings } from '../../processor/core/settings.ts';
import { deadLetterOf } from '../../processor/dead-letters.ts';
import { readRecord } from '../../processor/reader.ts';
import { type BeaconRow, beaconRows, emissionRows } from '../../processor/rows.ts';
import type { Codec } from '../../schemas/codec.ts';
import { type CopiedRow, readCopy } from './copy-fields.ts';

/** An accepted gap was used at this place: reading went on at `resume`, with an empty state if nothing could tell what was open. */
export type Jump = { partition: number; at: number; resume: number; emptied: boolean };

/** A record as everybody should read it, decoded once for all checks. */
export type ReadLog = readonly { fold: FoldRecord; raw: LogRecord }[];

export type Reference = { outputs: Output[]; rows: Map<string, CopiedRow[]>; folded: ReadLog };

export type ReferenceDeps = { codec: Codec; settings: FoldSettings; partitions: number; refused: string | undefined };

/** Decodes a partition's records. The codec must know every schema. */
export function readLog(deps: ReferenceDeps, partition: number, records: readonly LogRecord[]): ReadLog {
  return records.map((raw) => {
    const read = readRecord(deps.codec, { partition, partitions: deps.partitions }, raw);
    if (!read.ok) throw new Error(`unknown schema ${read.unknownSchemaId} in the reference fold`);
    return { fold: read.record, raw };
  });
}

/** Folds the records, going over the jumps, and makes the rows. */
export function straightFold(deps: ReferenceDeps, partition: number, log: ReadLog, jumps: readonly Jump[]): Reference {
  const { settings, refused } = deps;
  let state: PartitionState = createPartition(settings);
  const outputs: Output[] = [];
  const folded: ReadLog[number][] = [];
  const left = jumps.filter((jump) => jump.partition === partition);
  let resume = 0;
  const jumpAt = (offset: number): void => {
    for (let jump = left[0]; jump !== undefined && jump.at <= offset; jump = left[0]) {
      left.shift();
      resume = Math.max(resume, jump.resume);
      if (!jump.emptied) continue;
      const seq = emissionSeq(state);
      state = createPartition(settings);
      state.emissionSeq = seq;
    }
  };
  for (const each of log) {
    jumpAt(each.fold.offset);
    if (each.fold.offset < resume) continue;
    folded.push(each);
    for (const output of step(state, each.fold)) outputs.push(isRefused(output, refused) ? deadLetterOf(output) : output);
  }
  return { outputs, rows: rowsOf(partition, outputs, folded), folded };
}

/** F28: the database takes no session row of this session. */
export const isRefused = (output: Output, refused: string | undefined): boolean =>
  refused !== undefined && output.kind === 'sealed' && output.part.session === refused;

function rowsOf(partition: number, outputs: readonly Output[], folded: ReadLog): Map<string, CopiedRow[]> {
  const beacons: BeaconRow[] = [];
  for (const { fold, raw } of folded) {
    if (fold.message.kind !== 'beacon') continue;
    const { site, session, video } = fold.message.beacon;
    beacons.push({ site, session, video, appendAt: fold.appendAt, offset: fold.offset, payload: raw.value as Buffer });
  }
  const writer = { partition, epoch: 0, writer: '' };
  const rows = new Map<string, CopiedRow[]>();
  for (const { target, rows: values } of [...emissionRows(outputs, writer), beaconRows(beacons, writer)]) {
    const payload = encodeCopy(target, values);
    rows.set(target.table, readCopy(payload.columns, payload.bytes));
  }
  return rows;
}
