// What a SQLSTATE means for a flush or a claim. Whatever is not named here is retried with back-off too, but alarms.
import { codeOf } from '../infra/runtime/errors.ts';

/** States after which the same work may simply be tried again, with the reason for a reader of the logs. */
export const RETRYABLE_SQLSTATES: Readonly<Record<string, string>> = {
  '40001': 'serialization failure',
  '40P01': 'deadlock',
  '53000': 'insufficient resources',
  '53100': 'disk full',
  '53200': 'out of memory',
  '53300': 'too many connections',
  '55P03': 'lock not available in time',
  '57014': 'statement timeout',
  '57P01': 'terminated by an administrator',
  '57P02': 'server crashed',
  '57P03': 'server is starting or stopping',
  '57P05': 'idle session timeout',
  '25P03': 'idle in transaction timeout',
  '58030': 'server I/O error',
  '08000': 'connection exception',
  '08003': 'connection does not exist',
  '08006': 'connection failure',
};

/** A unique key met twice: for an emission a bug, never normal work (D8). */
export const UNIQUE_VIOLATION = '23505';

/** The SQLSTATE of anything thrown, looked for along the causes; '' if there is none (a lost connection, a time limit of ours). */
export function sqlStateOf(thrown: unknown): string {
  for (let at: unknown = thrown; at instanceof Error; at = at.cause) {
    const code = codeOf(at);
    if (/^[0-9A-Z]{5}$/.test(code) && !code.startsWith('E')) return code;
  }
  return '';
}

/** True if the server refused a value, not the work as such: the row must be found and set aside (H13). */
export function isRefusedRow(thrown: unknown): boolean {
  const state = sqlStateOf(thrown);
  return state !== UNIQUE_VIOLATION && (state.startsWith('22') || state.startsWith('23'));
}
