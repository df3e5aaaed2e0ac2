// The invariants of a finished run, and those that hold at every commit. The reference is the straight fold: the whole log of each
// partition in one go, without faults, and independent counts over the log itself.
import { encodeCopy } from '../../infra/runtime/copy-binary.ts';
import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, step } from '../../processor/core/partition.ts';
import type { FoldSettings } from '../../processor/core/settings.ts';
import { readRecord } from '../../processor/reader.ts';
import { rollupRows, rollupStatements } from '../../processor/rollups.ts';
import { beaconRows, emissionRows } from '../../processor/rows.ts';
import type { Codec } from '../../schemas/codec.ts';
import { type CopiedRow, canonical, integerOf, readCopy, textOf } from './copy-fields.ts';
import { addedCounts, addTo, type CommitCheck, EMISSION_TABLES, type Tables } from './sim-database.ts';
import type { SimLog } from './sim-log.ts';
import type { Outcomes } from './workload.ts';

export class Broken extends Error {
  readonly invariant: string;
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

function demand(holds: boolean, invariant: string, message: () => string): void {
  if (!holds) throw new Broken(invariant, message());
}

/** I4, I5, I8 at every commit that moves a partition. `epochs` is false only in the control build without the epoch check. */
export const checkCommit: CommitCheck = ({ partition, before, after, rows }) => {
  if (before !== undefined) {
    demand(
      after.next_offset >= before.next_offset,
      'I5',
      () => `partition ${partition}: next_offset ${before.next_offset} → ${after.next_offset}`,
    );
    demand(
      after.emission_seq >= before.emission_seq,
      'I5',
      () => `partition ${partition}: emission_seq ${before.emission_seq} → ${after.emission_seq}`,
    );
    demand(after.epoch >= before.epoch, 'I5', () => `partition ${partition}: epoch ${before.epoch} → ${after.epoch}`);
  }
  const first = (before?.emission_seq ?? 0) + 1;
  const seqs = rows.map((row) => integerOf(row, 'emission_seq')).sort((a, b) => a - b);
  demand(
    seqs.length === after.emission_seq - first + 1 && seqs.every((seq, index) => seq === first + index),
    'I4',
    () => `partition ${partition}: rows ${seqs.join(',')} for ${first}..${after.emission_seq}`,
  );
  for (const row of rows)
    demand(
      integerOf(row, 'epoch') === after.epoch,
      'I8',
      () => `partition ${partition}: a row of epoch ${integerOf(row, 'epoch')} under epoch ${after.epoch}`,
    );
};

export type Finished = { log: SimLog; tables: Tables; partitions: number; codec: Codec; settings: FoldSettings; outcomes: Outcomes };

/** I1, I2, I4, I6, I7 and a closed ledger, after everything came to rest. Throws Broken. */
export function checkFinished(run: Finished): void {
  for (let partition = 0; partition < run.partitions; partition++) {
    const expected = straightFold(run, partition);
    compareRows(run, partition, expected);
    compareRollups(run, partition, expected.outputs);
    checkCopies(run, partition);
    checkIdleSeals(run, partition);
  }
  demand(
    run.tables.open.size === 0,
    'I9',
    () =>
      `${run.tables.open.size} provisional rows are left after everything was sealed: ${[...run.tables.open.keys()].slice(0, 3).join('; ')}`,
  );
  checkOutcomes(run);
}

function straightFold(run: Finished, partition: number): { outputs: Output[]; rows: Map<string, string[]> } {
  const state = createPartition(run.settings);
  const outputs: Output[] = [];
  const raw = [];
  for (const record of run.log.records(partition)) {
    const read = readRecord(run.codec, { partition, partitions: run.partitions }, record);
    if (!read.ok) throw new Error('unknown schema in the reference fold');
    outputs.push(...step(state, read.record));
    if (read.record.message.kind === 'beacon') {
      const { site, session, video } = read.record.message.beacon;
      raw.push({ site, session, video, appendAt: record.appendAt, offset: record.offset, payload: record.value as Buffer });
    }
  }
  const writer = { partition, epoch: 0, writer: '' };
  const rows = new Map<string, string[]>();
  for (const { target, rows: values } of [...emissionRows(outputs, writer), beaconRows(raw, writer)]) {
    const payload = encodeCopy(target, values);
    rows.set(target.table, readCopy(payload.columns, payload.bytes).map(canonical).sort());
  }
  return { outputs, rows };
}

function compareRows(run: Finished, partition: number, expected: { rows: Map<string, string[]> }): void {
  for (const table of [...EMISSION_TABLES, 'watch_sections', 'beacons'] as const) {
    const mine = run.tables.appended[table]
      .filter((row) => integerOf(row, 'partition') === partition)
      .map(canonical)
      .sort();
    const wanted = expected.rows.get(table) ?? [];
    demand(
      mine.length === wanted.length,
      'I6',
      () => `partition ${partition}: ${table} has ${mine.length} rows, the straight fold gives ${wanted.length}`,
    );
    mine.forEach((row, index) => {
      demand(
        row === wanted[index],
        'I6',
        () => `partition ${partition}: ${table} differs\n  database: ${row}\n  straight: ${wanted[index]}`,
      );
    });
  }
}

function compareRollups(run: Finished, partition: number, outputs: readonly Output[]): void {
  const wanted = new Map<string, readonly number[]>();
  for (const { statement, params } of rollupStatements(rollupRows(outputs), partition))
    addTo(wanted, addedCounts(statement.name, params) ?? []);
  const mine = [...run.tables.rollups].filter(([key]) => key.split('|')[1] === String(partition));
  demand(mine.length === wanted.size, 'I7', () => `partition ${partition}: ${mine.length} rollup rows, ${wanted.size} expected`);
  for (const [key, counts] of mine)
    demand(counts.join() === wanted.get(key)?.join(), 'I7', () => `rollup ${key}: ${counts.join()} instead of ${wanted.get(key)?.join()}`);
}

/** I1: event copies in the log = folded + late + dead + duplicates, from the rows alone. */
function checkCopies(run: Finished, partition: number): void {
  let copies = 0;
  let unreadable = 0;
  const ids = new Set<string>();
  for (const record of run.log.records(partition)) {
    const message = run.codec.decode(record.key, record.value);
    if (message.kind === 'bad') unreadable += 1;
    if (message.kind !== 'beacon') continue;
    copies += message.beacon.events.length;
    for (const event of message.beacon.events) ids.add(`${message.beacon.site}/${message.beacon.session}#${event.seq}`);
  }
  const mine = (table: keyof Tables['appended']): CopiedRow[] =>
    run.tables.appended[table].filter((row) => integerOf(row, 'partition') === partition);
  const sum = (rows: readonly CopiedRow[], column: string): number => rows.reduce((total, row) => total + integerOf(row, column), 0);
  const received = sum(mine('sessions'), 'received');
  const duplicates = sum(mine('sessions'), 'duplicates') + sum(mine('duplicate_counts'), 'duplicates');
  const dead = sum(mine('dead_letters'), 'events');
  demand(
    copies === received + duplicates + dead,
    'I1',
    () => `partition ${partition}: ${copies} copies in the log, ${received} counted + ${duplicates} duplicates + ${dead} dead`,
  );
  demand(ids.size === received + dead, 'I1', () => `partition ${partition}: ${ids.size} events, ${received} counted once + ${dead} dead`);
  const letters = mine('dead_letters').filter((row) => integerOf(row, 'events') === 0).length;
  demand(letters === unreadable, 'I1', () => `partition ${partition}: ${unreadable} unreadable records, ${letters} dead letters`);
}

/** A leap of the clock adds this much to log-active time at most, whatever the fold under test does with it. */
const CAP_MS = 3_000;

/** H7, H8: nobody's session is sealed as idle before its silence really lasted the gap, less one cap for each leap of the broker's clock. */
function checkIdleSeals(run: Finished, partition: number): void {
  const { appendedMs, leaps } = run.log.truth(partition);
  const lastNewsMs = new Map<string, number>();
  const highest = new Map<string, number>();
  const records = run.log.records(partition);
  const seals = run.tables.appended.sessions
    .filter((row) => integerOf(row, 'partition') === partition && textOf(row, 'reason') === 'idle' && integerOf(row, 'part') === 0)
    .sort((a, b) => integerOf(a, 'source_offset') - integerOf(b, 'source_offset'));
  let at = 0;
  for (const row of seals) {
    const sealedBy = integerOf(row, 'source_offset');
    for (; at < sealedBy; at++) {
      const message = run.codec.decode(records[at]?.key ?? null, records[at]?.value ?? null);
      if (message.kind !== 'beacon') continue;
      const { session, events } = message.beacon;
      // Copies and stragglers are no sign of life: only an event beyond all earlier ones is.
      const newest = Math.max(...events.map((event) => event.seq));
      if (newest <= (highest.get(session) ?? -1)) continue;
      highest.set(session, newest);
      lastNewsMs.set(session, appendedMs[at] as number);
    }
    const session = textOf(row, 'session');
    const silentMs = (appendedMs[sealedBy] as number) - (lastNewsMs.get(session) ?? 0);
    const neededMs = run.settings.idleGapMs - leaps * CAP_MS;
    demand(silentMs >= neededMs, 'H7', () => `${session} was sealed as idle after ${silentMs} ms of silence, ${neededMs} ms are needed`);
  }
}

/** I1 and I2 from the players' side: accepted events are in the log, unsent ones are not. */
function checkOutcomes(run: Finished): void {
  const inLog = new Set<string>();
  for (let partition = 0; partition < run.partitions; partition++) {
    for (const record of run.log.records(partition)) {
      const message = run.codec.decode(record.key, record.value);
      if (message.kind === 'beacon')
        for (const event of message.beacon.events) inLog.add(`${message.beacon.site}/${message.beacon.session}#${event.seq}`);
    }
  }
  for (const [id, outcome] of run.outcomes) {
    if (outcome === 'accepted') demand(inLog.has(id), 'I1', () => `${id} was accepted and is not in the log`);
    if (outcome === 'unsent') demand(!inLog.has(id), 'I2', () => `${id} was never sent and is in the log`);
  }
  demand(
    run.tables.appended.sessions.every((row) => textOf(row, 'site') === 'demo'),
    'I1',
    () => 'a session of an unknown site',
  );
}
