// What went wrong, in no protocol's words: each door words it as its clients expect. Doors that do not care use problems (RFC 9457).
import type { CollectOutcome } from '../collect.ts';
import { type ProblemType, problemReply } from '../problem.ts';
import type { DoorReply } from './door.ts';

/** A request of which nothing was taken, or of which it is not known whether it was. */
export type Failure = {
  type: ProblemType;
  status: number;
  detail: string;
  /** Present on 429 and 503: when to come again. */
  retryAfterSeconds?: number;
  /** Rate-limit headers and the like, Retry-After included. */
  headers: Readonly<Record<string, string>>;
};

const STATUS = { 'rate-limited': 429, 'too-large': 413, overloaded: 503, 'not-durable': 503, internal: 500 } as const;

/** What a collect outcome means if it is not `accepted`; undefined if it is. */
export function failureOf(outcome: CollectOutcome): Failure | undefined {
  switch (outcome.kind) {
    case 'accepted':
      return undefined;
    case 'rate_limited': {
      const { perSecond } = outcome.decision.rate;
      const retryAfterSeconds = Math.max(1, Math.ceil(outcome.decision.retryAfterMs / 1000));
      return failure('rate-limited', `This site may send ${perSecond} requests a second.`, retryAfterSeconds);
    }
    case 'too_large':
      return failure('too-large', outcome.detail);
    case 'overloaded':
      return failure('overloaded', 'The gateway cannot take more now. Nothing was taken.', outcome.retryAfterSeconds);
    case 'not_durable':
      return failure('not-durable', 'The log did not acknowledge in time. Send again.', outcome.retryAfterSeconds);
  }
}

/** A failure with its usual status and Retry-After. */
export function failure(type: keyof typeof STATUS, detail: string, retryAfterSeconds?: number): Failure {
  const headers: Record<string, string> = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  return { type, status: STATUS[type], detail, headers, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) };
}

/** A failure as a problem: for doors whose clients look at the status only. */
export const problemOf = (failed: Failure, traceId: string): DoorReply =>
  problemReply(failed.type, { detail: failed.detail, traceId, headers: failed.headers });

/** A failure as JSON under its status, in the shape that `body` gives it. */
export const jsonFailure = (failed: Failure, body: unknown): DoorReply => ({
  status: failed.status,
  headers: failed.headers,
  body: JSON.stringify(body),
  contentType: 'application/json',
});
