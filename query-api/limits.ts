// Rate limits: per read key, per key for making keys (API6), and per address for requests that are refused for their key.
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { ipKeyGenerator, type RateLimitRequestHandler, rateLimit } from 'express-rate-limit';
import type { Caller } from './auth.ts';
import { ProblemError } from './problem.ts';

const MINUTE_MS = 60_000;

export type Limits = {
  /** Counts a request of a known key. */
  readonly perKey: RequestHandler;
  /** Counts a key that is made. */
  readonly creation: RequestHandler;
  /** @throws ProblemError rate-limited for an address that was refused too often. */
  refusedTooOften(request: Request): Promise<void>;
  /** Counts a refused request of an address. */
  countRefused(request: Request, response: Response): Promise<void>;
};

export const callerOf = (response: Response): Caller => response.locals['caller'] as Caller;

const tooMany = (limit: string, detail: string): ProblemError => new ProblemError('rate-limited', detail, { retryAfterS: 60, limit });

export function createLimits(config: { requestsPerMinuteMax: number; keysPerMinuteMax: number; refusedPerMinuteMax: number }): Limits {
  const perKey = rateLimit({
    windowMs: MINUTE_MS,
    limit: (_request, response) => {
      const own = callerOf(response as Response).requestsPerSecond;
      return own === null ? config.requestsPerMinuteMax : own * 60;
    },
    keyGenerator: (_request, response) => callerOf(response as Response).keyId,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: 'requests',
    handler: (_request, _response, next) => next(tooMany('requests_per_key', 'This key asks too often: see the RateLimit header')),
  });
  const creation = rateLimit({
    windowMs: MINUTE_MS,
    limit: config.keysPerMinuteMax,
    keyGenerator: (_request, response) => callerOf(response as Response).keyId,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: 'keys',
    handler: (_request, _response, next) => next(tooMany('keys_created', 'Too many keys were made with this key in the last minute')),
  });
  const refused: RateLimitRequestHandler = rateLimit({
    windowMs: MINUTE_MS,
    limit: config.refusedPerMinuteMax,
    keyGenerator: (request) => addressOf(request as Request),
    standardHeaders: false,
    legacyHeaders: false,
    handler: (_request, _response, next: NextFunction) => next(),
  });
  return {
    perKey,
    creation,
    async refusedTooOften(request) {
      const seen = await refused.getKey(addressOf(request));
      if ((seen?.totalHits ?? 0) >= config.refusedPerMinuteMax)
        throw tooMany('refused_per_address', 'Too many requests with wrong keys came from this address: wait a minute');
    },
    countRefused: (request, response) => new Promise((resolve) => void refused(request, response, () => resolve())),
  };
}

const addressOf = (request: Request): string => ipKeyGenerator(request.ip ?? '');
