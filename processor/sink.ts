// The only commit point: one transaction per partition and flush holds rows, rollups and position, or nothing (D1, D3). All of it
// is encoded before BEGIN, so that a stalled process does not sit on a lock for longer than its socket does (D5).
import { encodeCopy } from '../infra/runtime/copy-binary.ts';
import { PlayheadError } from '../infra/runtime/errors.ts';
import type { CopyPayload } from '../infra/runtime/ports.ts';
import type { ViewRule } from '../schemas/views.ts';
import type { Ledger, Output } from './core/outputs.ts';
import { FOLD_VERSION, type SessionKey } from './core/partition.ts';
import { setAsideStatements } from './duplicates.ts';
import { type Fingerprint, type Position, samePosition } from './progress.ts';
import { goneStatements, type LiveRewrite, liveStatements, type VideoFacts, videoStatements } from './provisional.ts';
import { rollupRows, rollupStatements } from './rollups.ts';
import { type BeaconRow, beaconRows, emissionRows, type OpenRow, openRows, type TableRows, type Writer } from './rows.ts';
import { snapshotStatements, type TakenSnapshot } from './snapshots.ts';
import { clearSnapshots } from './sql/clear-snapshots.ts';
import { lockProgress } from './sql/lock-progress.ts';
import { type MoveProgressParams, moveProgress } from './sql/move-progress.ts';
import { type PreparedStatement, prepared, runAll } from './statements.ts';
import type { Writers } from './writers.ts';

/** Everything one flush writes, not yet encoded: it may have to be written again under another epoch (D28). */
export type FlushBatch = {
  from: Position;
  to: Position;
  outputs: readonly Output[];
  beacons: readonly BeaconRow[];
  open: readonly OpenRow[];
  gone: readonly SessionKey[];
  live: LiveRewrite | undefined;
  videos: readonly VideoFacts[];
  fingerprint: Fingerprint | undefined;
  streamTimeMs: number | undefined;
  ledger: Ledger;
  snapshot: TakenSnapshot | undefined;
  /** The state began empty after an accepted gap: provisional rows and snapshots of the lost state go (D25). */
  clearOpen: boolean;
  /** Outputs whose number was taken: kept apart instead of written (D8). */
  setAside?: readonly Output[];
};

/** Who may write: the claim in force. */
export type Owner = Writer & { claimToken: string; configHash: Buffer };

export type EncodedFlush = {
  owner: Owner;
  from: Position;
  to: Position;
  before: readonly PreparedStatement[];
  copies: readonly CopyPayload[];
  after: readonly PreparedStatement[];
  move: MoveProgressParams;
};

/** Encodes a batch for the owner. `viewRule`: what counts as a view, if not the default. @throws RangeError for a value that no column can hold (rows.ts clamps, so: a bug). */
export function encodeFlush(batch: FlushBatch, owner: Owner, viewRule?: ViewRule): EncodedFlush {
  const { partition } = owner;
  const { outputs, beacons, open, from, to } = batch;
  const tables: TableRows[] = [...emissionRows(outputs, owner)];
  if (beacons.length > 0) tables.push(beaconRows(beacons, owner));
  if (open.length > 0) tables.push(openRows(open, owner));
  return {
    owner,
    from,
    to,
    before: [
      ...goneStatements({ partition, clear: batch.clearOpen, outputs, open, gone: batch.gone }),
      ...(batch.clearOpen ? [prepared(clearSnapshots, [partition])] : []),
    ],
    copies: tables.map(({ target, rows }) => encodeCopy(target, rows)),
    after: [
      ...rollupStatements(rollupRows(outputs, viewRule), partition),
      ...liveStatements(partition, batch.live),
      ...(batch.snapshot === undefined ? [] : snapshotStatements(batch.snapshot, owner)),
      ...setAsideStatements(batch.setAside, owner),
      // Last, since two partitions can meet on these rows: the lock is short.
      ...videoStatements(batch.videos),
    ],
    move: [
      partition,
      owner.epoch,
      owner.claimToken,
      from.nextOffset,
      from.emissionSeq,
      to.nextOffset,
      to.emissionSeq,
      FOLD_VERSION,
      owner.configHash,
      batch.fingerprint?.offset ?? null,
      batch.fingerprint?.hash ?? null,
      batch.streamTimeMs ?? null,
      JSON.stringify(batch.ledger),
    ],
  };
}

/**
 * What the progress row says of a flush: `ours` it can be written, `done` it is in the database, `fenced` somebody else has
 * claimed the partition, `moved` our own claim stands but the position is neither before nor after: the database went back (D7).
 */
export type Verdict = 'ours' | 'done' | 'fenced' | 'moved';

type SeenProgress = Position & { epoch: number; claimToken: string };

/** Compares epoch, token and position (D3, D4). */
export function judge(seen: SeenProgress | undefined, flush: Pick<EncodedFlush, 'owner' | 'from' | 'to'>): Verdict {
  if (seen === undefined) return 'moved';
  if (seen.epoch !== flush.owner.epoch || seen.claimToken !== flush.owner.claimToken) return 'fenced';
  if (samePosition(seen, flush.from)) return 'ours';
  return samePosition(seen, flush.to) ? 'done' : 'moved';
}

/**
 * Writes a flush in one transaction. `done` = committed now. Whatever is thrown after BEGIN leaves open whether COMMIT was
 * applied: the caller reads the settled progress and judges, it never just tries again (D4).
 */
export async function writeFlush(writers: Writers, flush: EncodedFlush): Promise<Exclude<Verdict, 'ours'>> {
  return writers.use(async (connection) => {
    await connection.begin();
    const [row] = await connection.query(lockProgress, [flush.owner.partition]);
    const seen = row && { epoch: row.epoch, claimToken: row.claim_token, nextOffset: row.next_offset, emissionSeq: row.emission_seq };
    const verdict = judge(seen, flush);
    if (verdict !== 'ours') {
      await connection.rollback();
      return verdict;
    }
    await runAll(connection, flush.before);
    for (const payload of flush.copies) {
      const stored = await connection.copy(payload);
      if (stored !== payload.rowCount) {
        throw new PlayheadError('ERR_COPY_SHORT', `COPY into ${payload.table} stored ${stored} of ${payload.rowCount} rows`);
      }
    }
    await runAll(connection, flush.after);
    const moved = await connection.query(moveProgress, flush.move);
    if (moved.length !== 1)
      throw new PlayheadError('ERR_PROGRESS_NOT_MOVED', `progress of partition ${flush.owner.partition} did not match`);
    await connection.commit();
    return 'done';
  });
}
