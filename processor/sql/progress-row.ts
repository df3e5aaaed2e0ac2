// The columns of partition_progress as every statement here returns them.

/** Times are epoch ms, hashes bytes. */
export type ProgressRow = {
  epoch: number;
  claim_token: string;
  next_offset: number;
  emission_seq: number;
  fold_version: number;
  config_hash: Buffer;
  fingerprint_offset: number | null;
  fingerprint_hash: Buffer | null;
  stream_time: number | null;
  ledger: unknown;
};

export const PROGRESS_COLUMNS = `epoch, claim_token, next_offset, emission_seq, fold_version, config_hash,
      fingerprint_offset, fingerprint_hash, stream_time, ledger`;
