import type { Statement } from '../../infra/runtime/ports.ts';

/** Process id of the connection's server process: what another connection asks pg_blocking_pids about (D5). */
export const backendPid: Statement<[], { pid: number }> = {
  name: 'processor_backend_pid',
  text: 'SELECT pg_backend_pid() AS pid',
};
