import type { Statement } from '../../infra/runtime/ports.ts';

/** Logs a claim in its own transaction, so that epoch churn names who did it (D2, F36). */
export const recordClaim: Statement<
  [partition: number, epoch: number, claimToken: string, startOffset: number, startSeq: number, group: string, instance: string],
  never
> = {
  name: 'processor_record_claim',
  text: `
    INSERT INTO partition_claims (partition, epoch, claim_token, start_offset, start_seq, consumer_group, instance)
    VALUES ($1, $2, $3, $4, $5, $6, $7)`,
};
