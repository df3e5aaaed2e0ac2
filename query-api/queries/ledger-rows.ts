// The running balance of every partition, as the fold keeps it.
import { type Bound, bound } from './bound.ts';

export type LedgerRow = {
  partition: number;
  next_offset: number;
  stream_time: number | null;
  ledger: Record<string, number>;
};

export const ledgerRows = (): Bound<LedgerRow> =>
  bound('ledger_rows', 'SELECT partition, next_offset, stream_time, ledger FROM partition_progress ORDER BY partition', []);
