import type { Statement } from '../../infra/runtime/ports.ts';

/** Removes every provisional row of a partition: its state starts empty after an accepted gap (D25). */
export const clearOpenSessions: Statement<[partition: number], never> = {
  name: 'processor_clear_open_sessions',
  text: 'DELETE FROM open_sessions WHERE partition = $1',
};
