// Gets one batch into the database, however long that takes, and never twice. After every failure the settled progress row decides
// what happened (D4); a row that the server refuses is set aside (H13).
import type { Logger } from 'pino';
import { messageOf } from '../infra/runtime/errors.ts';
import type { Scheduler } from '../infra/runtime/ports.ts';
import type { ViewRule } from '../schemas/views.ts';
import { type ClaimDeps, readSettledProgress } from './claim.ts';
import { replaceRefused } from './dead-letters.ts';
import { withoutTaken } from './duplicates.ts';
import type { ProcessorMetrics } from './metrics.ts';
import { encodeFlush, type FlushBatch, judge, type Owner, writeFlush } from './sink.ts';
import { isRefusedRow, RETRYABLE_SQLSTATES, sqlStateOf, UNIQUE_VIOLATION } from './sqlstates.ts';

/** First and longest pause between attempts while the database does not answer. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 5_000;

export type FlushDeps = Pick<ClaimDeps, 'writers' | 'frozenWriterMs' | 'onHolderTerminated'> & {
  scheduler: Scheduler;
  logger: Logger;
  metrics: ProcessorMetrics;
  /** What counts as a view; default: schemas/views.ts. */
  viewRule?: ViewRule;
  /** True = a number that is taken stops nothing: the row that is there stays (D8). Default: the partition halts. */
  setAsideDuplicates?: boolean;
};

/** `lost`: the partition was taken away before the outcome was known. `refused`, `duplicate`: stop the partition and say so. */
export type FlushEnd =
  | { outcome: 'done'; batch: FlushBatch }
  | { outcome: 'fenced' | 'moved' | 'lost' }
  | { outcome: 'refused' | 'duplicate'; detail: string };

/** Pause before the n-th repetition (from 0): doubled each time, with jitter so that tasks do not come back together. */
export const retryPauseMs = (scheduler: Pick<Scheduler, 'random'>, attempt: number): number =>
  Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(attempt, 10)) * (0.5 + scheduler.random() / 2);

/** Writes a batch under the owner's claim. `held` says whether the partition is still ours; once it is not, nothing new is started. */
export async function flushBatch(deps: FlushDeps, first: FlushBatch, owner: Owner, held: () => boolean): Promise<FlushEnd> {
  let batch = first;
  for (let attempt = 0; held(); attempt++) {
    const flush = encodeFlush(batch, owner, deps.viewRule);
    let failure: unknown;
    try {
      const verdict = await writeFlush(deps.writers, flush);
      return verdict === 'done' ? { outcome: 'done', batch } : { outcome: verdict };
    } catch (thrown) {
      failure = thrown;
      report(deps, owner, thrown);
    }
    const verdict = await settle(deps, flush, held);
    if (verdict === 'done') return { outcome: 'done', batch };
    if (verdict !== 'ours') return { outcome: verdict };
    const answer = await answerTo(deps, batch, owner, failure);
    if ('outcome' in answer) return answer;
    batch = answer;
    await deps.scheduler.sleep(retryPauseMs(deps.scheduler, attempt));
  }
  return { outcome: 'lost' };
}

function report(deps: FlushDeps, owner: Owner, thrown: unknown): void {
  const state = sqlStateOf(thrown);
  deps.metrics.flushFailed();
  deps.logger.warn(
    { partition: owner.partition, epoch: owner.epoch, sqlState: state, expected: RETRYABLE_SQLSTATES[state], err: thrown },
    'a flush failed: reading the progress row to see what was applied',
  );
}

/** Asks the progress row until it answers or the partition is taken away. */
async function settle(
  deps: FlushDeps,
  flush: Parameters<typeof judge>[1],
  held: () => boolean,
): Promise<ReturnType<typeof judge> | 'lost'> {
  for (let attempt = 0; held(); attempt++) {
    try {
      return judge(await readSettledProgress(deps, flush.owner.partition), flush);
    } catch (thrown) {
      deps.logger.warn({ partition: flush.owner.partition, err: messageOf(thrown) }, 'the progress row cannot be read yet');
      await deps.scheduler.sleep(retryPauseMs(deps.scheduler, attempt));
    }
  }
  return 'lost';
}

/** The batch to try next, given why the last attempt was rolled back. */
async function answerTo(deps: FlushDeps, batch: FlushBatch, owner: Owner, failure: unknown): Promise<FlushBatch | FlushEnd> {
  if (sqlStateOf(failure) === UNIQUE_VIOLATION) return answerToDuplicate(deps, batch, owner, failure);
  if (!isRefusedRow(failure)) return batch;
  try {
    const { outputs, replaced } = await replaceRefused(deps.writers, batch.outputs, owner);
    if (replaced > 0) {
      deps.metrics.rowsRefused(replaced);
      deps.logger.error({ partition: owner.partition, replaced, err: failure }, 'the database refused rows: they became dead letters');
      return { ...batch, outputs };
    }
  } catch (thrown) {
    deps.logger.warn({ partition: owner.partition, err: messageOf(thrown) }, 'looking for a refused row failed: trying again');
    return batch;
  }
  if (batch.open.length === 0 && batch.videos.length === 0) return { outcome: 'refused', detail: messageOf(failure) };
  deps.metrics.rowsRefused(1);
  deps.logger.error({ partition: owner.partition, err: failure }, 'the database refused a provisional row: this flush goes without them');
  return { ...batch, gone: [...batch.gone, ...batch.open.map(({ part }) => part)], open: [], videos: [] };
}

/** A number met twice: the partition halts, or goes on without what is there already (D8). */
async function answerToDuplicate(deps: FlushDeps, batch: FlushBatch, owner: Owner, failure: unknown): Promise<FlushBatch | FlushEnd> {
  const halt: FlushEnd = { outcome: 'duplicate', detail: messageOf(failure) };
  if (deps.setAsideDuplicates !== true) return halt;
  let reduced: FlushBatch | undefined;
  try {
    reduced = await withoutTaken(deps.writers, batch, owner.partition);
  } catch (thrown) {
    deps.logger.warn({ partition: owner.partition, err: messageOf(thrown) }, 'looking for taken numbers failed: trying again');
    return batch;
  }
  if (reduced === undefined) return halt;
  const numbers = (reduced.setAside ?? []).slice(batch.setAside?.length ?? 0).map(({ emissionSeq }) => emissionSeq);
  deps.metrics.setAside(numbers.length + batch.beacons.length - reduced.beacons.length);
  deps.logger.error(
    { partition: owner.partition, epoch: owner.epoch, numbers, beacons: batch.beacons.length - reduced.beacons.length, err: failure },
    'rows are in the database that were never committed: they stay, what the fold gave is in set_aside_emissions (D8)',
  );
  return reduced;
}
