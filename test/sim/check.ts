// The invariants of a finished run, and those that hold at every commit. The reference is the straight fold: the whole log of each
// partition in one go, without faults, and independent counts over the log itself.
import type { Output } from '../../processor/core/outputs.ts';
import { rollupRows, rollupStatements } from '../../processor/rollups.ts';
import { type CopiedRow, canonical, difference, integerOf, textOf } from './copy-fields.ts';
import type { Outcomes } from './players.ts';
import { type Reference, type ReferenceDeps, readLog, straightFold } from './reference.ts';
import type { SimDatabase } from './sim-database.ts';
import type { SimLog } from './sim-log.ts';
import { addedCounts, addTo } from './sim-statements.ts';
import { type CommitCheck, EMISSION_TABLES, type Tables } from './sim-tables.ts';

export class Broken extends Error {
  readonly invariant: string;
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}

export function demand(holds: boolean, invariant: string, message: () => string): void {
  if (!holds) throw new Broken(invariant, message());
}

/** I4, I5, I8 at every commit that moves a partition. */
export const checkCommit: CommitCheck = ({ partition, before, after, rows }) => {
  if (before !== undefined) {
    for (const column of ['next_offset', 'emission_seq', 'epoch'] as const)
      demand(after[column] >= before[column], 'I5', () => `partition ${partition}: ${column} ${before[column]} → ${after[column]}`);
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

export type Finished = ReferenceDeps & {
  log: SimLog;
  database: SimDatabase;
  outcomes: Outcomes;
};

/** I1, I2, I4, I6, I7 and a closed ledger, after everything came to rest. Gives the references by partition. Throws Broken. */
export function checkFinished(run: Finished): Reference[] {
  const tables = run.database.tables();
  const known: Reference[] = [];
  for (let partition = 0; partition < run.partitions; partition++) {
    const reference = referenceOf(run, tables, partition);
    known.push(reference);
    compareRows(tables, partition, reference);
    compareRollups(tables, partition, reference.outputs);
    checkJumps(run, tables, partition);
    if (!tables.jumps.some((jump) => jump.partition === partition)) checkCopies(run, tables, partition, reference);
    checkIdleSeals(run, tables, partition, reference);
  }
  if (!isDamaged(run))
    demand(
      tables.open.size === 0,
      'I9',
      () => `${tables.open.size} provisional rows are left after everything was sealed: ${[...tables.open.keys()].slice(0, 3).join('; ')}`,
    );
  checkOutcomes(run, known);
  return known;
}

/** True if the log of some partition lost records that may have been folded: it stands still then, by design. */
const isDamaged = (run: Finished): boolean =>
  Array.from({ length: run.partitions }, (_, partition) => run.log.partition(partition)).some(({ before }) => before !== undefined);

/** The fold of the log as it is; where its end was lost and the partition refused in time, of the log as it was up to the position. */
function referenceOf(run: Finished, tables: Tables, partition: number): Reference {
  const { records, before } = run.log.partition(partition);
  const position = tables.progress.get(partition)?.next_offset ?? 0;
  const upTo = (all: typeof records): typeof records => all.filter(({ offset }) => offset < position);
  const of = (all: typeof records): Reference => straightFold(run, partition, readLog(run, partition, all), tables.jumps);
  if (before === undefined) return of(upTo(records));
  // Either nothing that was folded was lost, or everything that was folded is of the old log: never some of both.
  const now = of(upTo(records));
  return mismatch(tables, partition, now) === undefined ? now : of(upTo(before));
}

const sorted = (rows: readonly CopiedRow[]): { text: string; row: CopiedRow }[] =>
  rows.map((row) => ({ text: canonical(row), row })).sort((a, b) => (a.text < b.text ? -1 : 1));

/** What differs between the rows in the database and those of the straight fold. */
function mismatch(tables: Tables, partition: number, reference: Reference): string | undefined {
  for (const table of [...EMISSION_TABLES, 'watch_sections', 'beacons'] as const) {
    const mine = sorted(tables.appended[table].filter((row) => integerOf(row, 'partition') === partition));
    const wanted = sorted(reference.rows.get(table) ?? []);
    if (mine.length !== wanted.length) return `${table} has ${mine.length} rows, the straight fold gives ${wanted.length}`;
    for (const [index, { text, row }] of mine.entries()) {
      const other = wanted[index] as (typeof wanted)[number];
      if (text !== other.text) return `${table} differs: ${difference(row, other.row)}`;
    }
  }
  return undefined;
}

function compareRows(tables: Tables, partition: number, reference: Reference): void {
  const wrong = mismatch(tables, partition, reference);
  demand(wrong === undefined, 'I6', () => `partition ${partition}: ${wrong}`);
}

function compareRollups(tables: Tables, partition: number, outputs: readonly Output[]): void {
  const wanted = new Map<string, readonly number[]>();
  for (const { statement, params } of rollupStatements(rollupRows(outputs), partition))
    addTo(wanted, addedCounts(statement.name, params) ?? []);
  const mine = [...tables.rollups].filter(([key]) => key.split('|', 2)[1] === String(partition));
  demand(mine.length === wanted.size, 'I7', () => `partition ${partition}: ${mine.length} rollup rows, ${wanted.size} expected`);
  for (const [key, counts] of mine) {
    const expected = wanted.get(key);
    demand(
      expected !== undefined && counts.every((count, index) => count === expected[index]),
      'I7',
      () => `rollup ${key}: ${counts.join()} instead of ${expected?.join()}`,
    );
  }
}

/** I1: event copies in the log = folded + late + dead + duplicates, from the rows alone; each event once. */
function checkCopies(run: Finished, tables: Tables, partition: number, { folded }: Reference): void {
  let copies = 0;
  let unreadable = 0;
  const ids = new Set<string>();
  for (const { fold } of folded) {
    const { message } = fold;
    if (message.kind === 'bad') unreadable += 1;
    if (message.kind !== 'beacon') continue;
    copies += message.beacon.events.length;
    for (const event of message.beacon.events) ids.add(`${message.beacon.site}/${message.beacon.session}#${event.seq}`);
  }
  // Where the log lost its end the partition stands still, and what was open then is in no row yet.
  if (run.log.partition(partition).before !== undefined) return;
  const mine = (table: keyof Tables['appended']): CopiedRow[] =>
    tables.appended[table].filter((row) => integerOf(row, 'partition') === partition);
  const sum = (rows: readonly CopiedRow[], column: string): number => rows.reduce((total, row) => total + integerOf(row, column), 0);
  const received = sum(mine('sessions'), 'received');
  const duplicates = sum(mine('sessions'), 'duplicates') + sum(mine('duplicate_counts'), 'duplicates');
  const dead = sum(mine('dead_letters'), 'events');
  demand(
    copies === received + duplicates + dead,
    'I1',
    () => `partition ${partition}: ${copies} copies in the log, ${received} counted + ${duplicates} duplicates + ${dead} dead`,
  );
  // A refused row stands for its copies too, and no longer says how many of them were the first.
  const once = run.refused === undefined ? ids.size === received + dead : ids.size <= received + dead;
  demand(once, 'I1', () => `partition ${partition}: ${ids.size} events, ${received} counted once + ${dead} dead`);
  const letters = mine('dead_letters').filter((row) => integerOf(row, 'events') === 0).length;
  demand(letters === unreadable, 'I1', () => `partition ${partition}: ${unreadable} unreadable records, ${letters} dead letters`);
}

/** D25: nothing was left out but what an operator accepted, and that was no longer in the log. */
function checkJumps(run: Finished, tables: Tables, partition: number): void {
  const gaps = tables.gaps.filter((gap) => gap.partition === partition);
  for (const { at, resume } of tables.jumps.filter((jump) => jump.partition === partition)) {
    demand(gaps.length > 0, 'D25', () => `partition ${partition} went on from ${at} at ${resume} and no gap was accepted`);
    for (let offset = at; offset < resume; offset++) {
      const accepted = gaps.some(({ from_offset: from, to_offset: to }) => from <= offset && offset < to);
      demand(
        accepted && offset < run.log.partition(partition).low,
        'D25',
        () => `partition ${partition}: record ${offset} was left out, and it is ${accepted ? 'still in the log' : 'in no accepted gap'}`,
      );
    }
  }
}

/** A leap of the clock, or an outage, adds this much to log-active time at most, whatever the fold under test does with it. */
const CAP_MS = 3_000;

/**
 * H7, H8, H9: nobody's session is sealed as idle before its silence really lasted the gap. Time in which no gateway could take a beacon is
 * no silence; each leap of the broker's clock, each such outage and each straggler that comes in during one may take away one cap.
 */
function checkIdleSeals(run: Finished, tables: Tables, partition: number, { folded }: Reference): void {
  const { leaps, before, appendedMs, records } = run.log.partition(partition);
  if (before !== undefined) return;
  const appendedAt = new Map(records.map(({ offset }, index) => [offset, appendedMs[index] as number]));
  const lastNewsMs = new Map<string, number>();
  const highest = new Map<string, number>();
  const seals = tables.appended.sessions
    .filter((row) => integerOf(row, 'partition') === partition && textOf(row, 'reason') === 'idle' && integerOf(row, 'part') === 0)
    .sort((a, b) => integerOf(a, 'source_offset') - integerOf(b, 'source_offset'));
  let at = 0;
  for (const row of seals) {
    const sealedBy = integerOf(row, 'source_offset');
    for (; at < folded.length && (folded[at] as (typeof folded)[number]).fold.offset < sealedBy; at++) {
      const { message, offset } = (folded[at] as (typeof folded)[number]).fold;
      if (message.kind !== 'beacon') continue;
      const { session, events } = message.beacon;
      // Copies and stragglers are no sign of life: only an event beyond all earlier ones is.
      const newest = Math.max(...events.map((event) => event.seq));
      if (newest <= (highest.get(session) ?? -1)) continue;
      highest.set(session, newest);
      lastNewsMs.set(session, appendedAt.get(offset) as number);
    }
    const session = textOf(row, 'session');
    const fromMs = lastNewsMs.get(session) ?? 0;
    const toMs = appendedAt.get(sealedBy) as number;
    const outages = run.log.outages.filter((outage) => outage.fromMs < toMs && outage.toMs > fromMs);
    const goneMs = outages.reduce((total, outage) => total + Math.min(outage.toMs, toMs) - Math.max(outage.fromMs, fromMs), 0);
    const silentMs = toMs - fromMs - goneMs;
    const strays = outages.reduce((total, outage) => total + outage.strays, 0);
    const neededMs = run.settings.idleGapMs - (leaps + outages.length + strays) * CAP_MS;
    demand(
      silentMs >= neededMs,
      outages.length > 0 ? 'H9' : 'H7',
      () => `${session} was sealed as idle after ${silentMs} ms of silence with a gateway there, ${neededMs} ms are needed`,
    );
  }
}

/** I1 and I2 from the players' side: accepted events are in the log, refused and unsent ones are not. */
function checkOutcomes(run: Finished, known: readonly Reference[]): void {
  const inLog = new Set<string>();
  for (let partition = 0; partition < run.partitions; partition++) {
    const { before, records } = run.log.partition(partition);
    const all = before === undefined && known[partition]?.folded.length === records.length ? known[partition]?.folded : undefined;
    for (const { fold } of all ?? readLog(run, partition, [...(before ?? []), ...records])) {
      if (fold.message.kind !== 'beacon') continue;
      const { site, session, events } = fold.message.beacon;
      for (const event of events) inLog.add(`${site}/${session}#${event.seq}`);
    }
  }
  for (const [id, outcome] of run.outcomes) {
    if (outcome === 'accepted') demand(inLog.has(id), 'I1', () => `${id} was accepted and is not in the log`);
    if (outcome === 'refused' || outcome === 'unsent') demand(!inLog.has(id), 'I2', () => `${id} was ${outcome} and is in the log`);
  }
  demand(
    run.database.tables().appended.sessions.every((row) => textOf(row, 'site') === 'demo'),
    'I1',
    () => 'a session of an unknown site',
  );
}
