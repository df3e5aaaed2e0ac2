// RFC 9457 problems of the gateway: a closed list of types, each with a title and a status, described at /docs/problems.

import { PROBLEM_ERRORS_MAX } from './core/limits.ts';
import type { DoorReply } from './doors/door.ts';

/** Where the types of problems are documented; the fragment is the type. */
const TYPE_BASE = '/docs/problems#';

/** Every type of problem: its title, its status, and what it means for the sender. */
export const PROBLEMS = {
  'invalid-body': {
    status: 400,
    title: 'The body cannot be used',
    meaning: 'Nothing was taken. Correct the request; sending it again as it is will not help.',
  },
  'unknown-key': { status: 401, title: 'Unknown write key', meaning: 'Nothing was taken. The key is missing, unknown or revoked.' },
  'origin-not-allowed': {
    status: 401,
    title: 'Origin not allowed',
    meaning: 'Nothing was taken. The key lists origins, and this one is not among them.',
  },
  'not-found': { status: 404, title: 'No such path', meaning: 'The gateway takes beacons; figures are asked from the query API.' },
  'unknown-video': {
    status: 404,
    title: 'Unknown video',
    meaning: 'Nothing was taken. The site has no video of that id and takes no new ones here.',
  },
  'method-not-allowed': { status: 405, title: 'Method not allowed', meaning: 'The Allow header names the methods of this path.' },
  'too-large': {
    status: 413,
    title: 'A limit was reached',
    meaning: 'Nothing was taken. The detail names the limit: send less in one request.',
  },
  'unsupported-encoding': {
    status: 415,
    title: 'Unsupported encoding',
    meaning: 'Nothing was taken. Send the body as it is or compressed with gzip.',
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    meaning: 'Nothing was taken. Send again after Retry-After, with the same sequence numbers.',
  },
  internal: {
    status: 500,
    title: 'Internal error',
    meaning: 'It is not known whether anything was taken. Send again, with the same sequence numbers.',
  },
  'not-durable': {
    status: 503,
    title: 'Not known to be durable',
    meaning: 'The log did not acknowledge in time. Send again after Retry-After, with the same sequence numbers.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    meaning: 'Nothing was taken. Send again after Retry-After, with the same sequence numbers.',
  },
  unreachable: {
    status: 503,
    title: 'Figures cannot be reached',
    meaning: 'The query API behind this gateway does not answer. Beacons are taken all the same. Ask again after Retry-After.',
  },
} as const;
export type ProblemType = keyof typeof PROBLEMS;

export type ProblemOptions = {
  detail: string;
  traceId: string;
  errors?: readonly { pointer: string; detail: string }[];
  headers?: Readonly<Record<string, string>>;
  cors?: boolean;
};

/** The answer that carries a problem. */
export function problemReply(type: ProblemType, options: ProblemOptions): DoorReply {
  const { status, title } = PROBLEMS[type];
  const errors = options.errors ?? [];
  const hidden = errors.length - PROBLEM_ERRORS_MAX;
  const body = {
    type: `${TYPE_BASE}${type}`,
    title,
    status,
    detail: hidden > 0 ? `${options.detail} (${hidden} more errors are not listed)` : options.detail,
    traceId: options.traceId,
    ...(errors.length > 0 ? { errors: errors.slice(0, PROBLEM_ERRORS_MAX) } : {}),
  };
  return {
    status,
    headers: options.headers ?? {},
    body: JSON.stringify(body),
    contentType: 'application/problem+json',
    ...(options.cors === undefined ? {} : { cors: options.cors }),
  };
}

/** Retry-After and the rate-limit headers of a refusal. */
export function rateHeaders(decision: {
  retryAfterMs: number;
  remaining: number;
  rate: { perSecond: number; burst: number };
}): Record<string, string> {
  const seconds = String(Math.max(1, Math.ceil(decision.retryAfterMs / 1000)));
  return {
    'retry-after': seconds,
    'ratelimit-limit': String(Math.floor(decision.rate.burst)),
    'ratelimit-remaining': String(decision.remaining),
    'ratelimit-reset': seconds,
  };
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace id of a traceparent header (W3C Trace Context), else a fresh one from `uuid`. 32 hexadecimal digits. */
export function traceIdOf(traceparent: string | string[] | undefined, uuid: () => string): string {
  const given = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
  return given ?? uuid().replaceAll('-', '');
}

/** The page behind the `type` links, as markdown text. */
export function problemsPage(): string {
  const sections = Object.entries(PROBLEMS).map(([type, { status, title, meaning }]) => `## ${type}\n\n${title} (${status}). ${meaning}\n`);
  return `# Problems of the ingest gateway\n\n${sections.join('\n')}`;
}
