// Merging closed days of the rollups over partitions, so that a question never reads as many rows as there are partitions.
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../runtime/errors.ts';
import type { ReadPool } from '../runtime/postgres.ts';
import { mergeRollups, type RollupMerge } from './sql/merge-rollups.ts';

/** Two merges at the same time: one was sent away and may come again. */
const TRY_AGAIN = ['40P01', '40001', '55P03'];
const ATTEMPTS_MAX = 5;
const RETRY_MS = 200;

export type MergeTotals = { table: string; days: number; gone: number; merged: number };

/**
 * Merges every day that has been closed for at least `closedDays` days, one site and day per transaction. Negative = days not yet closed,
 * too. Safe at any time beside processors. @throws what the database throws after a few attempts.
 */
export async function mergeClosedDays(pool: Pick<ReadPool, 'query'>, closedDays: number): Promise<MergeTotals[]> {
  const totals: MergeTotals[] = [];
  for (const { table, days, merge } of mergeRollups) {
    const total = { table, days: 0, gone: 0, merged: 0 };
    for (const { site, day } of await pool.query(days, [closedDays])) {
      const { gone, merged } = await mergeDay(pool, merge, site, day);
      total.days += 1;
      total.gone += gone;
      total.merged += merged;
    }
    totals.push(total);
  }
  return totals;
}

async function mergeDay(
  pool: Pick<ReadPool, 'query'>,
  merge: RollupMerge['merge'],
  site: string,
  day: string,
): Promise<{ gone: number; merged: number }> {
  for (let attempt = 1; ; attempt++) {
    try {
      const [row] = await pool.query(merge, [site, day]);
      return row ?? { gone: 0, merged: 0 };
    } catch (thrown) {
      if (attempt === ATTEMPTS_MAX || !TRY_AGAIN.includes(codeOf(thrown))) throw thrown;
      await sleep(RETRY_MS * attempt);
    }
  }
}
