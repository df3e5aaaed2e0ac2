// Token buckets per write key and per network of the address, in this process only, in a bounded LRU (G9). A refused request has
// taken nothing; a limiter that cannot decide allows.
import { LRUCache } from 'lru-cache';
import type { Scheduler } from '../infra/runtime/ports.ts';

/** Rate and depth of a bucket. */
export type Rate = { perSecond: number; burst: number };

/** What a bucket answered: tokens left, and when there will be one. */
export type RateDecision = { allowed: boolean; remaining: number; retryAfterMs: number; rate: Rate };

type Bucket = { tokens: number; at: number };

export type RateLimiter = {
  /** Takes one token from the bucket of that name. */
  take(name: string, rate: Rate): RateDecision;
  /** Buckets now held. */
  size(): number;
};

/** A set of buckets; at `bucketsMax` the least recently used is forgotten (and so full again), and `onForgotten` told. */
export function createRateLimiter(deps: {
  scheduler: Pick<Scheduler, 'monotonicMs'>;
  bucketsMax: number;
  onForgotten?: () => void;
}): RateLimiter {
  const buckets = new LRUCache<string, Bucket>({
    max: deps.bucketsMax,
    disposeAfter: (_bucket, _name, why) => {
      if (why === 'evict') deps.onForgotten?.();
    },
  });
  return {
    take(name, rate) {
      const now = deps.scheduler.monotonicMs();
      let bucket = buckets.get(name);
      if (bucket === undefined) {
        bucket = { tokens: rate.burst, at: now };
        buckets.set(name, bucket);
      }
      bucket.tokens = Math.min(rate.burst, bucket.tokens + ((now - bucket.at) / 1000) * rate.perSecond);
      bucket.at = now;
      const allowed = bucket.tokens >= 1;
      if (allowed) bucket.tokens -= 1;
      const retryAfterMs = allowed || rate.perSecond <= 0 ? 0 : Math.ceil(((1 - bucket.tokens) / rate.perSecond) * 1000);
      return { allowed, remaining: Math.floor(bucket.tokens), retryAfterMs, rate };
    },
    size: () => buckets.size,
  };
}
