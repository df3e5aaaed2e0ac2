import type { Statement } from '../../infra/runtime/ports.ts';

/** Creates the progress row of a partition that was never claimed: everything at 0. */
export const ensureProgress: Statement<
  [partition: number, claimToken: string, foldVersion: number, configHash: Buffer, ledger: string],
  never
> = {
  name: 'processor_ensure_progress',
  text: `
    INSERT INTO partition_progress (partition, epoch, claim_token, next_offset, emission_seq, fold_version, config_hash, ledger)
    VALUES ($1, 0, $2, 0, 0, $3, $4, $5::jsonb)
    ON CONFLICT (partition) DO NOTHING`,
};
