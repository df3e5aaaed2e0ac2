import type { Statement } from '../../infra/runtime/ports.ts';
import { PROGRESS_COLUMNS, type ProgressRow } from './progress-row.ts';

/** Takes a partition over: from here on nobody with an older epoch or another token can write (D2). Waits for a commit in flight. */
export const claimProgress: Statement<[partition: number, claimToken: string], ProgressRow> = {
  name: 'processor_claim_progress',
  text: `
    UPDATE partition_progress SET epoch = epoch + 1, claim_token = $2, updated_at = now()
    WHERE partition = $1
    RETURNING ${PROGRESS_COLUMNS}`,
};
