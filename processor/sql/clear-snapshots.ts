import type { Statement } from '../../infra/runtime/ports.ts';

/** Snapshots of a state that was given up: none of them may be gone on with, whatever their position (D22, D25). */
export const clearSnapshots: Statement<[partition: number], never> = {
  name: 'processor_clear_snapshots',
  text: 'DELETE FROM snapshots WHERE partition = $1',
};
