// Folds recorded logs and writes down all that must be the same everywhere: `fold.ts IN OUT CUT [CUT ...]`. For each log in IN and each
// cut one file in OUT. A cut is a number of records after which a flush is taken, the state snapshotted and restored from it; `random`
// cuts anywhere, `whole` not at all. `sim:N` instead runs that many seeds of the simulator and writes their traces.
// The program runs under every supported Node.js, so it is the one under test together with the fold.
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '../../infra/cli/audience/random.ts';
import { encodeCopy } from '../../infra/runtime/copy-binary.ts';
import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, emissionSeq, FOLD_VERSION, type PartitionState, step } from '../../processor/core/partition.ts';
import { Folding } from '../../processor/folding.ts';
import { readRecord } from '../../processor/reader.ts';
import { rollupRows } from '../../processor/rollups.ts';
import { beaconRows, emissionRows } from '../../processor/rows.ts';
import { inOneGo } from '../../processor/slices.ts';
import { openSnapshot, takeSnapshot } from '../../processor/snapshots.ts';
import { createCodec } from '../../schemas/codec.ts';
import { runSeed } from '../sim/run.ts';
import { bytesOf, restoreFrom } from '../support/state-bytes.ts';
import { type RecordedLog, readLog } from './recorded-log.ts';

/** State hashes are written at these offsets, whatever the cut. */
const HASH_EVERY = 97;
const WRITER = { partition: 0, epoch: 1, writer: 'test' };
const CONFIG_HASH = Buffer.alloc(0);

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Says after which records to cut. */
function cutter(cut: string, name: string): () => boolean {
  const random = createRandom(`${name}/${cut}`);
  let since = 0;
  return () => {
    since += 1;
    const due = cut === 'random' ? random.chance(0.1) : since === Number(cut);
    if (due) since = 0;
    return due;
  };
}

const stateLine = (offset: number, state: PartitionState): string => JSON.stringify({ offset, state: sha256(bytesOf(state)) });

function foldDecoded(log: Extract<RecordedLog, { form: 'decoded' }>, due: () => boolean): string[] {
  const lines: string[] = [];
  let state = createPartition(log.settings);
  for (const record of log.records) {
    for (const output of step(state, record)) lines.push(JSON.stringify(output));
    if (record.offset % HASH_EVERY === 0) lines.push(stateLine(record.offset, state));
    if (due()) state = restoreFrom(bytesOf(state), log.settings);
  }
  return [...lines, stateLine(-1, state)];
}

/** An emission as its columns and as the bytes that COPY would send. */
function outputLine(output: Output): string {
  const copies = emissionRows([output], WRITER).map(({ target, rows }) => sha256(encodeCopy(target, rows).bytes));
  return JSON.stringify({ output, copies });
}

/** With the shell around the fold: decoded as the processor does, cut into batches, snapshots as they lie in the database. */
function foldRaw(log: Extract<RecordedLog, { form: 'raw' }>, due: () => boolean): string[] {
  const lines: string[] = [];
  const outputs: Output[] = [];
  const codec = createCodec(log.ids);
  const begin = (state: PartitionState, nextOffset: number): Folding =>
    new Folding({
      state,
      nextOffset,
      committed: { nextOffset, emissionSeq: emissionSeq(state) },
      fingerprint: undefined,
      clearOpen: false,
    });
  let folding = begin(createPartition(log.settings), log.records[0]?.offset ?? 0);
  const flush = (): void => {
    const batch = folding.cut({ provisionalRows: 3, snapshot: undefined });
    folding.settle();
    outputs.push(...batch.outputs);
    for (const output of batch.outputs) lines.push(outputLine(output));
    for (const beacon of batch.beacons) {
      const { target, rows } = beaconRows([beacon], WRITER);
      lines.push(JSON.stringify({ beacon: beacon.offset, copy: sha256(encodeCopy(target, rows).bytes) }));
    }
  };
  for (const raw of log.records) {
    const read = readRecord(codec, log, raw);
    if (!read.ok) throw new Error(`record ${raw.offset} has a schema nobody recorded`);
    const folded = folding.fold(read.record, raw);
    if (!folded.ok) throw new Error(folded.detail);
    if (raw.offset % HASH_EVERY === 0) lines.push(stateLine(raw.offset, folding.state));
    if (!due()) continue;
    flush();
    folding = begin(restored(log, folding), folding.nextOffset);
  }
  flush();
  return [...sorted(lines), stateLine(-1, folding.state), JSON.stringify(rollupRows(outputs))];
}

/** Emissions come with the flush, hashes with the record: the order of lines depends on the cut, what they say must not. */
const sorted = (lines: string[]): string[] => lines.sort((a, b) => (a < b ? -1 : 1));

function restored(log: Extract<RecordedLog, { form: 'raw' }>, folding: Folding): PartitionState {
  const { position, state } = folding;
  const taken = inOneGo(takeSnapshot({ schemaId: log.ids.snapshot, state, position, fingerprint: folding.fingerprint() }));
  const row = {
    epoch: 1,
    next_offset: position.nextOffset,
    emission_seq: position.emissionSeq,
    schema_id: taken.schemaId,
    fold_version: FOLD_VERSION,
    config_hash: CONFIG_HASH,
    fingerprint_offset: null,
    fingerprint_hash: null,
    state_hash: taken.stateHash,
    checksum: taken.checksum,
    payload: taken.payload,
  };
  const opened = inOneGo(openSnapshot(row, log.settings));
  if (!opened.ok) throw new Error(opened.detail);
  return opened.state;
}

async function traces(seeds: number): Promise<string[]> {
  const lines: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const { traceHash, failure, steps } = await runSeed(seed);
    lines.push(JSON.stringify({ seed, steps, traceHash, failure: failure?.message ?? null }));
  }
  return lines;
}

const [from = '', to = '', ...cuts] = process.argv.slice(2);
for (const cut of cuts) {
  if (cut.startsWith('sim:')) {
    writeFileSync(join(to, 'sim'), (await traces(Number(cut.slice(4)))).join('\n'));
    continue;
  }
  for (const name of readdirSync(from).sort()) {
    const log = readLog(join(from, name));
    const due = cutter(cut, name);
    writeFileSync(join(to, `${name}.${cut}`), (log.form === 'raw' ? foldRaw(log, due) : foldDecoded(log, due)).join('\n'));
  }
}
process.stdout.write(`${process.version}\n`);
