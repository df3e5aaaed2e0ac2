// The check against silent divergence (H20): a partition's log is folded again from its older snapshot, and everything the processors
// wrote since must come out once more: the state hash of the newer snapshot, the numbers, and every row, column by column (I6).

import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, emissionSeq, FOLD_VERSION, type PartitionState } from '../../processor/core/partition.ts';
import type { FoldSettings } from '../../processor/core/settings.ts';
import { ROW_REFUSED } from '../../processor/dead-letters.ts';
import { type ReplayDeps, replayTo } from '../../processor/replay.ts';
import { EMISSION_TARGETS, emissionRows } from '../../processor/rows.ts';
import { inOneGo } from '../../processor/slices.ts';
import { openSnapshot, stateHashOf } from '../../processor/snapshots.ts';
import { type GapRow, readGaps } from '../../processor/sql/read-gaps.ts';
import { readSnapshots, type SnapshotRow } from '../../processor/sql/read-snapshots.ts';
import type { CopyTarget, CopyValue } from '../runtime/copy-binary.ts';
import type { Statement } from '../runtime/ports.ts';
import { storedEmissions } from './sql/stored-emissions.ts';
import type { VerifyProgressRow } from './sql/verify-progress.ts';

/** Outputs compared with the database at a time. */
const COMPARE_OUTPUTS = 2_000;
/** Problems named in full; the rest is counted. */
const PROBLEMS_MAX = 20;
const OFFSET_MAX = Number.MAX_SAFE_INTEGER;

export type VerifyDeps = Omit<ReplayDeps, 'partition'> & {
  query: <P extends readonly unknown[], R>(statement: Statement<P, R>, params: P) => Promise<R[]>;
  settings: FoldSettings;
  configHash: Buffer;
  /** From the first record of the log instead of the older snapshot. */
  fromStart: boolean;
};

/**
 * `same`: all came out once more. `different`: it did not, and `problems` say where. `skipped`: there was nothing to fold again from, and
 * `reason` says why.
 */
export type Verification = { partition: number } & (
  | { outcome: 'same'; from: number; to: number; emissions: number; snapshots: number }
  | { outcome: 'different'; problems: string[]; more: number }
  | { outcome: 'skipped'; reason: string }
);

type Start = { state: PartitionState; nextOffset: number };

/** Verifies one partition up to where it stood when `progress` was read. @throws what database, log and registry throw. */
export async function verifyPartition(deps: VerifyDeps, progress: VerifyProgressRow): Promise<Verification> {
  const { partition } = progress;
  const rows = await deps.query(readSnapshots, [partition, OFFSET_MAX, OFFSET_MAX]);
  const gaps = await deps.query(readGaps, [partition]);
  const problems = new Problems();
  const usable = rows.filter((row) => row.fold_version === FOLD_VERSION && row.config_hash.equals(deps.configHash)).reverse();
  const start = findStart(deps, { rows, usable, gaps }, problems);
  if (problems.count > 0) return { partition, outcome: 'different', ...problems.said() };
  if (typeof start === 'string') return { partition, outcome: 'skipped', reason: start };
  const from = start.nextOffset;
  const first = emissionSeq(start.state);
  const ahead = usable.filter((row) => row.next_offset > from && row.next_offset <= progress.next_offset);
  const comparison = new Comparison(deps, partition, first, problems);
  for (const stop of [...ahead, progress]) {
    const snapshot = 'state_hash' in stop ? stop : undefined;
    const end = await comparison.foldTo(start, stop.next_offset);
    if (!end.ok) return { partition, outcome: 'skipped', reason: end.detail };
    judgeStop(start.state, stop, snapshot, problems);
  }
  await comparison.finish();
  if (problems.count > 0) return { partition, outcome: 'different', ...problems.said() };
  const emissions = progress.emission_seq - first;
  return { partition, outcome: 'same', from, to: progress.next_offset, emissions, snapshots: ahead.length };
}

type Known = { rows: readonly SnapshotRow[]; usable: readonly SnapshotRow[]; gaps: readonly GapRow[] };

/** The state to begin with, or why there is none. Every usable snapshot is opened: a damaged one is a problem of its own. */
function findStart(deps: VerifyDeps, { rows, usable, gaps }: Known, problems: Problems): Start | string {
  let oldest: Start | undefined;
  for (const row of usable) {
    const opened = inOneGo(openSnapshot(row, deps.settings));
    if (!opened.ok) problems.add(`the snapshot at offset ${row.next_offset} cannot be trusted: ${opened.reason} (${opened.detail})`);
    else if (gaps.every((gap) => gap.to_offset <= row.next_offset)) oldest ??= { state: opened.state, nextOffset: row.next_offset };
  }
  if (deps.fromStart) {
    if (gaps.length > 0) return 'records were lost and an operator accepted it: it cannot be folded from the start';
    return { state: createPartition(deps.settings), nextOffset: 0 };
  }
  if (oldest !== undefined) return oldest;
  if (rows.length === 0) return 'it has no snapshot yet';
  if (usable.length > 0) return 'its snapshots are older than a gap that an operator accepted';
  return `its snapshots were made by another fold version or under other fold settings (PLAYHEAD_FOLD_*, those of the surfaces, PLAYHEAD_PARTITIONS) than this command has`;
}

function judgeStop(
  state: PartitionState,
  stop: { next_offset: number; emission_seq: number },
  snapshot: SnapshotRow | undefined,
  problems: Problems,
): void {
  const name = snapshot === undefined ? 'the committed position' : 'the snapshot';
  if (emissionSeq(state) !== stop.emission_seq)
    problems.add(`${name} at offset ${stop.next_offset} has emission number ${stop.emission_seq}, the replay has ${emissionSeq(state)}`);
  if (snapshot !== undefined && !inOneGo(stateHashOf(state)).equals(snapshot.state_hash))
    problems.add(`${name} at offset ${stop.next_offset} holds another state than the replay (H20)`);
}

/** Keeps the first problems and counts the rest. */
class Problems {
  readonly #said: string[] = [];
  count = 0;

  add(problem: string): void {
    this.count += 1;
    if (this.#said.length < PROBLEMS_MAX) this.#said.push(problem);
  }

  said(): { problems: string[]; more: number } {
    return { problems: this.#said, more: this.count - this.#said.length };
  }
}

/** Folds on and compares what comes out with the stored rows, a few thousand at a time. */
class Comparison {
  readonly #deps: VerifyDeps;
  readonly #partition: number;
  readonly #problems: Problems;
  #compared: number;
  #outputs: Output[] = [];

  constructor(deps: VerifyDeps, partition: number, first: number, problems: Problems) {
    this.#deps = deps;
    this.#partition = partition;
    this.#problems = problems;
    this.#compared = first;
  }

  async foldTo(place: Start, to: number): ReturnType<typeof replayTo> {
    const deps = { ...this.#deps, partition: this.#partition };
    while (place.nextOffset < to) {
      // A bounded stretch, so that outputs do not pile up between two comparisons.
      const stop = Math.min(to, place.nextOffset + COMPARE_OUTPUTS);
      const end = await replayTo(deps, place, stop, (outputs) => this.#outputs.push(...outputs));
      if (!end.ok) return end;
      if (this.#outputs.length >= COMPARE_OUTPUTS) await this.finish();
    }
    return { ok: true };
  }

  async finish(): Promise<void> {
    const last = this.#outputs.at(-1);
    if (last === undefined) return;
    const expected = new Map(
      emissionRows(this.#outputs, { partition: this.#partition, epoch: 0, writer: '' }).map((each) => [each.target.table, each]),
    );
    const found = new Map<string, Record<string, unknown>[]>();
    for (const target of EMISSION_TARGETS)
      found.set(target.table, await this.#deps.query(storedEmissions(target), [this.#partition, this.#compared, last.emissionSeq]));
    const refused = new Set(
      (found.get('dead_letters') ?? []).filter((row) => row['reason'] === ROW_REFUSED).map((row) => row['emission_seq']),
    );
    for (const target of EMISSION_TARGETS) {
      const rows = expected.get(target.table)?.rows.map((row) => named(target, row)) ?? [];
      for (const problem of rowDifferences(target, rows, found.get(target.table) ?? [], refused)) this.#problems.add(problem);
    }
    this.#compared = last.emissionSeq;
    this.#outputs = [];
  }
}

/** A row as the database gives it back: JSON parsed. */
const named = ({ columns }: CopyTarget, row: readonly CopyValue[]): Record<string, unknown> =>
  Object.fromEntries(columns.map(({ name, type }, index) => [name, type === 'jsonb' ? JSON.parse(String(row[index])) : row[index]]));

/** What may differ between two processors that both did right. */
const AUDIT_COLUMNS = ['epoch', 'writer'];

/**
 * Expected rows against stored ones of a table, in words. `refused` = numbers under which the database took a dead letter instead of a row
 * that it refused (H13): those are as they should be.
 */
export function rowDifferences(
  target: CopyTarget,
  expected: readonly Record<string, unknown>[],
  stored: readonly Record<string, unknown>[],
  refused: ReadonlySet<unknown> = new Set(),
): string[] {
  const found: string[] = [];
  const keyOf = (row: Record<string, unknown>): string => [row['emission_seq'], row['section'] ?? ''].join('/');
  const rest = new Map<string, Record<string, unknown>>();
  for (const row of stored) {
    if (rest.has(keyOf(row))) found.push(`${target.table}: two rows of emission ${row['emission_seq']}`);
    rest.set(keyOf(row), row);
  }
  for (const row of expected) {
    const seq = row['emission_seq'];
    if (refused.has(seq)) continue;
    const other = rest.get(keyOf(row));
    rest.delete(keyOf(row));
    if (other === undefined) found.push(`${target.table}: emission ${seq} is missing`);
    else found.push(...columnDifferences(target, row, other));
  }
  for (const row of rest.values())
    if (!refused.has(row['emission_seq'])) found.push(`${target.table}: emission ${row['emission_seq']} does not come out of the log`);
  return found;
}

function columnDifferences({ table, columns }: CopyTarget, row: Record<string, unknown>, other: Record<string, unknown>): string[] {
  return columns
    .filter(({ name }) => !AUDIT_COLUMNS.includes(name))
    .flatMap(({ name }) => {
      const [wanted, has] = [canonical(row[name]), canonical(other[name])];
      return wanted === has ? [] : [`${table}: emission ${row['emission_seq']} has ${name} ${has}, the log says ${wanted}`];
    });
}

/** A value as text: equal for equal values, whatever the order of a JSON object's names. */
const canonical = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString('hex') : JSON.stringify(inKeyOrder(value ?? null)));

function inKeyOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(inKeyOrder);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, inKeyOrder(inner)]),
  );
}
