// Problems, RFC 9457: what went wrong, and what to do. Only these reach a caller; anything else thrown is a 500 without detail.
import { PlayheadError } from '../infra/runtime/errors.ts';

/** Where the types of problems are documented; the fragment is the kind. */
const TYPE_BASE = '/docs/problems#';

/** Closed list of kinds: status and title. */
export const PROBLEM_KINDS = {
  'wrong-parameters': { status: 400, title: 'The request has wrong parameters' },
  'key-in-url': { status: 400, title: 'Keys do not belong in a URL' },
  'too-many-rows': { status: 400, title: 'The answer would be too large' },
  'no-key': { status: 401, title: 'A read key is needed' },
  'unknown-key': { status: 401, title: 'The key is not valid' },
  'missing-scope': { status: 403, title: 'The key lacks a scope' },
  'not-found': { status: 404, title: 'There is no such resource' },
  'method-not-allowed': { status: 405, title: 'The resource does not have this method' },
  'not-acceptable': { status: 406, title: 'None of the accepted formats is available' },
  'too-large': { status: 413, title: 'The body is too large' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'The server failed' },
  'too-slow': { status: 503, title: 'The question took too long' },
  unavailable: { status: 503, title: 'The database cannot be reached' },
} as const;
export type ProblemKind = keyof typeof PROBLEM_KINDS;

/** One wrong place of the input: a JSON pointer into query parameters or body, and what it must be. */
export type ProblemEntry = { pointer: string; detail: string };

/** Thrown anywhere below a route; the middleware writes it. `retryAfterS` becomes a Retry-After header. */
export class ProblemError extends PlayheadError {
  readonly kind: ProblemKind;
  readonly errors: readonly ProblemEntry[];
  readonly retryAfterS: number | undefined;
  readonly limit: string | undefined;

  constructor(
    kind: ProblemKind,
    detail: string,
    options: { errors?: readonly ProblemEntry[]; retryAfterS?: number; limit?: string; cause?: unknown } = {},
  ) {
    super(`ERR_${kind.toUpperCase().replaceAll('-', '_')}`, detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.errors = options.errors ?? [];
    this.retryAfterS = options.retryAfterS;
    this.limit = options.limit;
  }
}

export type ProblemBody = {
  type: string;
  title: string;
  status: number;
  detail: string;
  traceId: string;
  errors?: readonly ProblemEntry[];
};

export function problemBody(problem: ProblemError, traceId: string): ProblemBody {
  const { status, title } = PROBLEM_KINDS[problem.kind];
  return {
    type: `${TYPE_BASE}${problem.kind}`,
    title,
    status,
    detail: problem.message,
    traceId,
    ...(problem.errors.length === 0 ? {} : { errors: problem.errors }),
  };
}

/** One wrong parameter or field. */
export const wrong = (pointer: string, detail: string): ProblemError =>
  new ProblemError('wrong-parameters', `${pointer.slice(1)}: ${detail}`, { errors: [{ pointer, detail }] });

export const notFound = (what: string): ProblemError => new ProblemError('not-found', `${what} is not known`);
