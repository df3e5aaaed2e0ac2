import type { Statement } from '../../infra/runtime/ports.ts';

export type LockHolder = { pid: number; application_name: string; transaction_ms: number };

/** Who keeps this server process waiting, and for how long their transaction has been open. Empty once it no longer waits (D5). */
export const findLockHolders: Statement<[waitingPid: number], LockHolder> = {
  name: 'processor_find_lock_holders',
  text: `
    SELECT pid, application_name, coalesce(extract(epoch FROM clock_timestamp() - xact_start) * 1000, 0)::float8 AS transaction_ms
    FROM pg_stat_activity
    WHERE pid = ANY (pg_blocking_pids($1))`,
};
