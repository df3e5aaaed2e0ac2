// From a claim to a state that may be folded on: which snapshot, from which offset, and when to refuse (D22-D26). Every refusal
// says what is wrong and what an operator can do.
import type { LogAdmin, LogBounds } from '../infra/runtime/ports.ts';
import type { Ledger } from './core/outputs.ts';
import { createPartition, emissionSeq, FOLD_VERSION, type PartitionState } from './core/partition.ts';
import type { FoldSettings } from './core/settings.ts';
import { Folding } from './folding.ts';
import { type Claim, type Fingerprint, fingerprintOf, samePosition } from './progress.ts';
import type { Slices } from './slices.ts';
import { openSnapshot } from './snapshots.ts';
import { type GapRow, readGaps } from './sql/read-gaps.ts';
import { readSnapshots, type SnapshotRow } from './sql/read-snapshots.ts';
import type { Writers } from './writers.ts';

/** Why a partition stands still. Closed list: names appear in metrics, health and logs. */
export const HALT_REASONS = [
  'partition_count',
  'log_shorter',
  'log_cut',
  'log_gap',
  'fingerprint_mismatch',
  'fingerprint_gone',
  'fold_version',
  'fold_settings',
  'divergence',
  'row_refused',
  'duplicate_emission',
  'internal',
] as const;
export type HaltReason = (typeof HALT_REASONS)[number];

/** Refusals that may pass by themselves: looked at again without an operator. */
export const PASSING_REFUSALS: readonly HaltReason[] = ['partition_count', 'log_shorter'];
/** After these the state in memory is still right: it goes on when the reason is gone. After the others it is dropped. */
export const STATE_STAYS: readonly HaltReason[] = ['partition_count', 'log_shorter', 'log_cut', 'log_gap', 'fingerprint_gone'];
/** The log is not the one that was folded. */
const OTHER_LOG: readonly HaltReason[] = ['log_shorter', 'fingerprint_mismatch'];

/** A refusal; `gap` is what an operator may accept in data_gaps to go on. */
export type Refusal = { ok: false; reason: HaltReason; detail: string; gap: { from: number; to: number } | undefined };
export type Recovered = {
  ok: true;
  folding: Folding;
  /** The state was made by another fold version or must not be lost again: snapshot with the next flush. */
  snapshotNow: boolean;
  /** Snapshots that were passed over, with the reason. */
  notes: readonly string[];
};

export type RecoveryDeps = {
  admin: LogAdmin;
  writers: Writers;
  slices: Slices;
  partitions: number;
  settings: FoldSettings;
  configHash: Buffer;
};

const refuse = (reason: HaltReason, detail: string, gap?: { from: number; to: number }): Refusal => ({ ok: false, reason, detail, gap });

type LogCheck = { ok: true; bounds: LogBounds; gaps: readonly GapRow[] } | Refusal;

/** Is the log the one whose records we have folded, and does it reach the claimed position (D23, D29)? */
export async function checkLog(deps: RecoveryDeps, partition: number, claim: Pick<Claim, 'nextOffset' | 'fingerprint'>): Promise<LogCheck> {
  const count = await deps.admin.partitionCount();
  if (count !== deps.partitions) {
    return refuse(
      'partition_count',
      `the topic has ${count} partitions, PLAYHEAD_PARTITIONS says ${deps.partitions}: sessions would be split (D29)`,
    );
  }
  const bounds = await deps.admin.bounds(partition);
  const gaps = await deps.writers.use((connection) => connection.query(readGaps, [partition]));
  if (claim.nextOffset > bounds.high) {
    return refuse(
      'log_shorter',
      `the log ends at ${bounds.high}, but ${claim.nextOffset} records were folded: the topic was recreated or lost its end (D23)`,
    );
  }
  if (claim.fingerprint !== undefined && claim.nextOffset >= bounds.low) {
    const wrong = await checkFingerprint(deps, partition, claim.fingerprint);
    const at = claim.nextOffset;
    if (wrong === 'mismatch') {
      return refuse(
        'fingerprint_mismatch',
        `the record at ${claim.fingerprint.offset} is not the one that was folded: the topic was recreated (D23)`,
      );
    }
    if (wrong === 'gone' && acceptedGap(gaps, at, at) === undefined) {
      return refuse(
        'fingerprint_gone',
        `the last folded record ${claim.fingerprint.offset} is no longer in the log, so it cannot be recognised; accept the empty gap [${at}, ${at}) to go on (D23)`,
        { from: at, to: at },
      );
    }
  }
  return { ok: true, bounds, gaps };
}

async function checkFingerprint(deps: RecoveryDeps, partition: number, stored: Fingerprint): Promise<'same' | 'mismatch' | 'gone'> {
  const record = await deps.admin.fetchOne(partition, stored.offset);
  if (record === undefined || record.offset !== stored.offset) return 'gone';
  return fingerprintOf(record).hash.equals(stored.hash) ? 'same' : 'mismatch';
}

/**
 * The accepted gap that leads from `from` to `to` or beyond. Several rows may join into one: the log can be cut further while an
 * operator decides.
 */
export function acceptedGap(gaps: readonly GapRow[], from: number, to: number): GapRow | undefined {
  const last = joinedGap(gaps, from);
  return last !== undefined && last.to_offset >= to ? last : undefined;
}

/** Of the rows that join on from `from`, the one that reaches furthest. */
function joinedGap(gaps: readonly GapRow[], from: number): GapRow | undefined {
  let last: GapRow | undefined;
  for (const gap of [...gaps].sort((a, b) => a.from_offset - b.from_offset)) {
    const at = last?.to_offset ?? from;
    if (gap.from_offset <= at && gap.to_offset >= at) last = gap;
  }
  return last;
}

/** Records that are needed are gone: go on only if an operator accepts it (D25). An empty gap gives up what was open, and no record. */
export function logCut(partition: number, needed: number, low: number, gaps: readonly GapRow[] = []): Refusal {
  const from = joinedGap(gaps, needed)?.to_offset ?? needed;
  const order = `playhead gaps accept --partition ${partition} --from ${from} --to ${low} --reason ...`;
  const why =
    from < low
      ? `records [${from}, ${low}) are needed and no longer in the log; to go on without them`
      : 'no snapshot can be read, and the log no longer holds what led to it; to give up what was open';
  return refuse('log_cut', `${why}: ${order} (D25)`, { from: needed, to: low });
}

/** The state kept from the claim before, if nobody else can have written since (D28). */
export function warmState(folding: Folding | undefined, before: Claim | undefined, claim: Claim): Folding | undefined {
  if (folding === undefined || folding.replaying || before === undefined || claim.epoch !== before.epoch + 1) return undefined;
  if (samePosition(folding.committed, claim)) return folding;
  if (folding.unflushed === undefined || !samePosition(folding.unflushed.to, claim)) return undefined;
  folding.settle();
  return folding;
}

/**
 * Goes on with a warm state, if the log is still the one it was folded from (D28, K21). If the log lost what this state folded beyond the
 * claimed position, what is in the database is all there is to go on with.
 */
export async function goOnWarm(
  deps: RecoveryDeps,
  partition: number,
  claim: Claim,
  folding: Folding,
  held: () => boolean,
): Promise<Recovered | Refusal | undefined> {
  const log = await checkLog(deps, partition, { nextOffset: folding.nextOffset, fingerprint: folding.fingerprint() });
  if (!log.ok) return OTHER_LOG.includes(log.reason) ? recover(deps, partition, claim, held) : log;
  const from = folding.nextOffset;
  const { low } = log.bounds;
  if (from >= low) return { ok: true, folding, snapshotNow: false, notes: [] };
  const accepted = acceptedGap(log.gaps, from, low);
  if (accepted === undefined) return logCut(partition, from, low, log.gaps);
  folding.skipTo(accepted.to_offset);
  const note = `continues at ${folding.nextOffset} over the gap accepted by ${accepted.operator}: ${accepted.reason}`;
  return { ok: true, folding, snapshotNow: true, notes: [note] };
}

/** Finds the state to go on with (D24), undefined once the partition is no longer `held`. Throws what database and log throw: try again later. */
export async function recover(
  deps: RecoveryDeps,
  partition: number,
  claim: Claim,
  held: () => boolean,
): Promise<Recovered | Refusal | undefined> {
  const log = await checkLog(deps, partition, claim);
  if (!log.ok) return log;
  const { bounds, gaps } = log;
  const notes: string[] = [];
  const rows = await deps.writers.use((connection) => connection.query(readSnapshots, [partition, claim.nextOffset, claim.emissionSeq]));
  const found = await newestUsable({ deps, partition, rows, claim, bounds, notes, held });
  if (!held()) return undefined;
  if (found !== undefined) {
    const { row, state } = found;
    const behind = claim.nextOffset < bounds.low;
    if (!behind) return versionChecked(deps, claim, gaps, recovered(claim, state, row.next_offset, fingerprintIn(row), notes));
    return overGap({ partition, claim, bounds, gaps, notes, state, from: claim.nextOffset, settings: deps.settings });
  }
  if (bounds.low === 0) {
    const fresh = recovered(claim, createPartition(deps.settings), 0, undefined, notes);
    return versionChecked(deps, claim, gaps, fresh);
  }
  // A snapshot within the log that cannot be read leaves nothing to ask for but what was open: the empty gap at the position (F32).
  const behind = rows.filter((row) => row.next_offset <= claim.nextOffset);
  const from = behind.some((row) => row.next_offset >= bounds.low) ? claim.nextOffset : (behind.at(0)?.next_offset ?? 0);
  return overGap({ partition, claim, bounds, gaps, notes, state: undefined, from, settings: deps.settings });
}

type UsableSnapshot = { row: SnapshotRow; state: PartitionState };

async function newestUsable(options: {
  deps: RecoveryDeps;
  partition: number;
  rows: readonly SnapshotRow[];
  claim: Claim;
  bounds: LogBounds;
  notes: string[];
  held: () => boolean;
}): Promise<UsableSnapshot | undefined> {
  const { deps, partition, rows, claim, bounds, notes, held } = options;
  for (const row of rows) {
    const exact = row.next_offset === claim.nextOffset && row.emission_seq === claim.emissionSeq;
    // The statement asks for these two; a fake or a changed statement must not be able to lose data (H1).
    if (row.next_offset > claim.nextOffset || row.emission_seq > claim.emissionSeq) continue;
    if (row.next_offset < bounds.low && !exact) {
      notes.push(`snapshot at ${row.next_offset} passed over: the log begins at ${bounds.low}`);
      continue;
    }
    if (!exact && (row.fold_version !== FOLD_VERSION || !row.config_hash.equals(deps.configHash))) {
      notes.push(`snapshot at ${row.next_offset} passed over: it was made by fold version ${row.fold_version} or under other settings`);
      continue;
    }
    if (await isOfAnotherLog(deps, partition, fingerprintIn(row), claim, bounds)) {
      notes.push(`snapshot at ${row.next_offset} passed over: its last record is not the one in the log`);
      continue;
    }
    const opened = await deps.slices.run(openSnapshot(row, deps.settings), held);
    if (opened === undefined) return undefined;
    if (opened.ok && emissionSeq(opened.state) === row.emission_seq) return { row, state: opened.state };
    notes.push(`snapshot at ${row.next_offset} passed over: ${opened.ok ? 'its state has another emission number' : opened.detail}`);
  }
  return undefined;
}

/** A snapshot is of this log if its last record is (D23): that of the claim was looked at already, and what is cut cannot be. */
async function isOfAnotherLog(
  deps: RecoveryDeps,
  partition: number,
  last: Fingerprint | undefined,
  claim: Claim,
  bounds: LogBounds,
): Promise<boolean> {
  const claimed = claim.fingerprint;
  if (last === undefined || last.offset < bounds.low) return false;
  if (last.offset === claimed?.offset) return !last.hash.equals(claimed.hash);
  return (await checkFingerprint(deps, partition, last)) === 'mismatch';
}

const fingerprintIn = (row: SnapshotRow): Fingerprint | undefined =>
  row.fingerprint_offset === null || row.fingerprint_hash === null
    ? undefined
    : { offset: row.fingerprint_offset, hash: row.fingerprint_hash };

function recovered(
  claim: Claim,
  state: PartitionState,
  nextOffset: number,
  fingerprint: Fingerprint | undefined,
  notes: readonly string[],
): Recovered {
  const committed = { nextOffset: claim.nextOffset, emissionSeq: claim.emissionSeq };
  const folding = new Folding({ state, nextOffset, committed, fingerprint, written: claim.fingerprint, clearOpen: false });
  return { ok: true, folding, snapshotNow: false, notes };
}

/** Another fold version or other settings may only take over where nothing has to be folded again (D26). */
function versionChecked(deps: RecoveryDeps, claim: Claim, gaps: readonly GapRow[], found: Recovered): Recovered | Refusal {
  const sameVersion = claim.foldVersion === FOLD_VERSION;
  const sameSettings = claim.configHash.equals(deps.configHash);
  if (sameVersion && sameSettings) return found;
  if (samePosition(found.folding.position, claim)) return { ...found, snapshotNow: true };
  const at = claim.nextOffset;
  const override = acceptedGap(gaps, at, at);
  if (override !== undefined) return emptied({ claim, accepted: override, notes: [...found.notes], settings: deps.settings });
  const away = `the state must be rebuilt from offset ${found.folding.nextOffset} to ${at}`;
  const advice = `run the old build with the old settings once until it stops cleanly, or give up what is open by accepting the empty gap [${at}, ${at})`;
  const gap = { from: at, to: at };
  return sameVersion
    ? refuse('fold_settings', `the fold settings have changed and ${away}: ${advice} (D26)`, gap)
    : refuse('fold_version', `fold version ${FOLD_VERSION} cannot repeat version ${claim.foldVersion}, and ${away}: ${advice} (D26)`, gap);
}

type GapCase = {
  partition: number;
  claim: Claim;
  bounds: LogBounds;
  gaps: readonly GapRow[];
  notes: string[];
  /** Exact at the claimed position, or undefined: then what was open is part of the loss. */
  state: PartitionState | undefined;
  from: number;
  settings: FoldSettings;
};

/** Goes past missing log if, and only if, an operator has accepted it (D25). The next flush snapshots, so that this happens once. */
function overGap(options: GapCase): Recovered | Refusal {
  const { partition, claim, bounds, gaps, notes, from } = options;
  const to = Math.max(from, bounds.low);
  const accepted = acceptedGap(gaps, from, to);
  if (accepted === undefined) return logCut(partition, from, to, gaps);
  if (options.state === undefined) return emptied({ claim, accepted, notes, settings: options.settings });
  const { state } = options;
  const committed = { nextOffset: claim.nextOffset, emissionSeq: claim.emissionSeq };
  const folding = new Folding({ state, nextOffset: claim.nextOffset, committed, fingerprint: undefined, clearOpen: false });
  folding.skipTo(Math.max(accepted.to_offset, claim.nextOffset));
  notes.push(`continues at ${folding.nextOffset} over the gap accepted by ${accepted.operator}: ${accepted.reason}`);
  return { ok: true, folding, snapshotNow: true, notes };
}

/** Nothing can tell what was open: an empty state goes on behind the accepted gap, and the provisional rows go. */
function emptied(options: { claim: Claim; accepted: GapRow; notes: string[]; settings: FoldSettings }): Recovered {
  const { claim, accepted, notes } = options;
  const committed = { nextOffset: claim.nextOffset, emissionSeq: claim.emissionSeq };
  const state = emptyAfter(claim, options.settings);
  const folding = new Folding({ state, nextOffset: claim.nextOffset, committed, fingerprint: undefined, clearOpen: true });
  folding.skipTo(Math.max(accepted.to_offset, claim.nextOffset));
  notes.push(`open sessions are given up; continues at ${folding.nextOffset}, as accepted by ${accepted.operator}: ${accepted.reason}`);
  return { ok: true, folding, snapshotNow: true, notes };
}

/** An empty state that goes on with the partition's numbering and balance; events that were still waiting are part of the loss. */
function emptyAfter(claim: Claim, settings: FoldSettings): PartitionState {
  const state = createPartition(settings);
  state.emissionSeq = claim.emissionSeq;
  const balance = claim.ledger as Partial<Ledger>;
  Object.assign(state.ledger, balance, { waiting: 0, eventsInLog: (balance.eventsInLog ?? 0) - (balance.waiting ?? 0) });
  return state;
}
