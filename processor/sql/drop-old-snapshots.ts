import type { Statement } from '../../infra/runtime/ports.ts';

/** Keeps the newest two: the older one goes only in the commit that brings the newer (D22). */
export const dropOldSnapshots: Statement<[partition: number], never> = {
  name: 'processor_drop_old_snapshots',
  text: `
    DELETE FROM snapshots WHERE partition = $1 AND (epoch, next_offset) NOT IN (
      SELECT epoch, next_offset FROM snapshots WHERE partition = $1 ORDER BY next_offset DESC, epoch DESC LIMIT 2)`,
};
