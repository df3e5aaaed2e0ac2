// Taking a partition over (D2), and freeing its row from a writer that froze while it held it (D5).
import type { DatabaseConnection, Scheduler } from '../infra/runtime/ports.ts';
import { type Claim, claimOf } from './progress.ts';
import { backendPid } from './sql/backend-pid.ts';
import { claimProgress } from './sql/claim-progress.ts';
import { ensureProgress } from './sql/ensure-progress.ts';
import { findLockHolders, type LockHolder } from './sql/find-lock-holders.ts';
import { lockProgress } from './sql/lock-progress.ts';
import type { ProgressRow } from './sql/progress-row.ts';
import { recordClaim } from './sql/record-claim.ts';
import { terminateBackend } from './sql/terminate-backend.ts';
import type { Writers } from './writers.ts';

/** How long a wait for the progress row may last before we ask who holds it: below lock_timeout, after which the answer is empty. */
const HOLDER_CHECK_MS = 1_000;
/** How the connections of processors name themselves (infra/runtime/postgres.ts). */
const WRITER_NAME_PREFIX = 'playhead:writer:';

export type ClaimDeps = {
  writers: Writers;
  scheduler: Scheduler;
  group: string;
  instance: string;
  foldVersion: number;
  configHash: Buffer;
  /** A writer whose transaction is older than this, while somebody waits for its row, is taken for frozen (D5). */
  frozenWriterMs: number;
  onHolderTerminated: (holder: LockHolder) => void;
};

type HolderDeps = Pick<ClaimDeps, 'writers' | 'scheduler' | 'frozenWriterMs' | 'onHolderTerminated'>;

/** Claims a partition. Throws what the database throws: claim again after a pause, with a new token. */
export async function claimPartition(deps: ClaimDeps, partition: number): Promise<Claim> {
  const token = deps.scheduler.uuid();
  return deps.writers.use(async (connection) => {
    const row = await watchingHolders(deps, connection, async () => {
      await connection.begin();
      await connection.query(ensureProgress, [partition, token, deps.foldVersion, deps.configHash, '{}']);
      const rows = await connection.query(claimProgress, [partition, token]);
      return rows[0] as ProgressRow;
    });
    await connection.query(recordClaim, [partition, row.epoch, token, row.next_offset, row.emission_seq, deps.group, deps.instance]);
    await connection.commit();
    return claimOf(row);
  });
}

/**
 * Reads the progress row after every transaction that holds it has ended: what a writer must do that does not know whether its
 * COMMIT was applied (D4). A commit still under way holds the row, so the answer is final.
 */
export async function readSettledProgress(deps: HolderDeps, partition: number): Promise<Claim | undefined> {
  return deps.writers.use(async (connection) => {
    const rows = await watchingHolders(deps, connection, () => connection.query(lockProgress, [partition]));
    return rows[0] === undefined ? undefined : claimOf(rows[0]);
  });
}

async function watchingHolders<T>(deps: HolderDeps, connection: DatabaseConnection, wait: () => Promise<T>): Promise<T> {
  const pid = (await connection.query(backendPid, []))[0]?.pid ?? 0;
  const cancel = deps.scheduler.after(HOLDER_CHECK_MS, () => {
    terminateFrozenHolders(deps, pid).catch(() => {
      // The wait itself fails by lock_timeout and is tried again: nothing to add here.
    });
  });
  try {
    return await wait();
  } finally {
    cancel();
  }
}

async function terminateFrozenHolders(deps: HolderDeps, waitingPid: number): Promise<void> {
  await deps.writers.beside(async (connection) => {
    const holders = await connection.query(findLockHolders, [waitingPid]);
    for (const holder of holders) {
      if (!holder.application_name.startsWith(WRITER_NAME_PREFIX) || holder.transaction_ms < deps.frozenWriterMs) continue;
      await connection.query(terminateBackend, [holder.pid]);
      deps.onHolderTerminated(holder);
    }
  });
}
