import type { Statement } from '../../infra/runtime/ports.ts';

/** Ends a server process at once; a role may end its own. The only way to free a lock held in the middle of a COPY (D5). */
export const terminateBackend: Statement<[pid: number], { terminated: boolean }> = {
  name: 'processor_terminate_backend',
  text: 'SELECT pg_terminate_backend($1) AS terminated',
};
