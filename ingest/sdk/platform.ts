// The browser behind the Platform door: the only file of the SDK that touches clock, randomness, timers and network.

import type { Platform } from './types.ts';

/** A request without an answer for this long is repeated. */
const REQUEST_TIMEOUT_MS = 20_000;

/** 128 random bits in hexadecimal: the id is a capability (G13). randomUUID would need a secure page. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Sends to `url`. Bodies go as text/plain, which needs no preflight; without cookies where the browser leaves us the choice. */
export function browserPlatform(url: string): Platform {
  const epochAt = Date.now() - performance.now();
  return {
    now: () => epochAt + performance.now(),
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    async post(body) {
      const { status, headers } = await fetch(url, {
        method: 'POST',
        body,
        // The request outlives the page, and yet its answer is known if the page does not die.
        keepalive: true,
        credentials: 'omit',
        // Browsers before 2022 have no such timeout: there their own ends the wait.
        signal: AbortSignal.timeout?.(REQUEST_TIMEOUT_MS) ?? null,
      });
      // In seconds, as the gateway says it; a date (a proxy's) is not understood, and our own backoff holds.
      return { status, retryAfterMs: Number(headers.get('retry-after')) * 1000 || 0 };
    },
    beacon: (body) => navigator.sendBeacon(url, body),
  };
}
