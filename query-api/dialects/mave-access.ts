// How clients of mave's read APIs say who they are, and how failures are worded for them.
import type { ProblemError } from '../problem.ts';
import type { DialectRoute } from './dialect.ts';

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
/** What follows the first colon: a secret may hold colons, a name may not. */
const afterColon = (pair: string): string => pair.slice(pair.indexOf(':') + 1);

/** The read key of `Basic user:key`, `Bearer key` or `Bearer base64(id:key)`; names before the colon are not looked at. */
export function maveSecretOf({ authorization }: { authorization: string }): string {
  const [, scheme = '', given = ''] = /^(Basic|Bearer) +(\S+) *$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'basic') return afterColon(decoded(given)).trim();
  const pair = given.startsWith('sk_') || given.startsWith('pk_') ? '' : decoded(given);
  return pair.includes(':') ? afterColon(pair).trim() : given;
}

/** One envelope for every failure; a missing or wrong key is plain text, as those clients know it. */
function word(problem: ProblemError, status: number): unknown {
  if (status === 401) return 'Unauthorized';
  return { error: status >= 500 && problem.kind === 'internal' ? 'The server failed.' : problem.message };
}

/** Common to all routes. */
export const MAVE_ACCESS: Pick<DialectRoute, 'secretOf' | 'word' | 'challenge'> = {
  secretOf: maveSecretOf,
  word,
  challenge: 'Basic realm="Application"',
};
