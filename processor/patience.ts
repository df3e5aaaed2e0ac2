// Questions that are asked again until they are answered or no longer matter.
import { messageOf } from '../infra/runtime/errors.ts';
import type { LogBounds } from '../infra/runtime/ports.ts';
import { retryPauseMs } from './flusher.ts';
import { acceptedGap } from './recovery.ts';
import { readGaps } from './sql/read-gaps.ts';
import type { TaskDeps } from './task-deps.ts';

const REGISTRY_RETRY_MS = 5_000;
const OPERATOR_POLL_MS = 2_000;

/** What an operator may accept as lost. */
export type Gap = { from: number; to: number };

/** Where the log begins and ends; undefined once nobody wants to know. */
export async function askBounds(deps: TaskDeps, partition: number, wanted: () => boolean): Promise<LogBounds | undefined> {
  for (let attempt = 0; wanted(); attempt++) {
    try {
      return await deps.admin.bounds(partition);
    } catch (thrown) {
      deps.logger.warn({ partition, err: messageOf(thrown) }, 'the log does not say where it begins: trying again');
      await deps.scheduler.sleep(retryPauseMs(deps.scheduler, attempt));
    }
  }
  return undefined;
}

/** True once the registry has explained the schema (P17), false once nobody wants to know. */
export async function askRegistry(deps: TaskDeps, partition: number, id: number, wanted: () => boolean): Promise<boolean> {
  while (wanted()) {
    try {
      await deps.learnSchema(id);
      return wanted();
    } catch (thrown) {
      deps.logger.error({ partition, schemaId: id, err: messageOf(thrown) }, 'unknown schema id: the partition waits for the registry');
      await deps.scheduler.sleep(REGISTRY_RETRY_MS);
    }
  }
  return false;
}

/** True once an operator has accepted the gap (D25), false once nobody wants to know. A database that is away says nothing. */
export async function askOperator(deps: TaskDeps, partition: number, gap: Gap, wanted: () => boolean): Promise<boolean> {
  while (wanted()) {
    await deps.scheduler.sleep(OPERATOR_POLL_MS);
    if (!wanted()) return false;
    const gaps = await deps.writers.use((connection) => connection.query(readGaps, [partition])).catch(() => []);
    if (acceptedGap(gaps, gap.from, gap.to) !== undefined) return wanted();
  }
  return false;
}
