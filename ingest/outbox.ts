// What a connection has sent, on its way into the log, in order. A pushed event is not answered and never sent again by its client, so
// it waits here while the log is away, bounded by count; an HTTP door would answer 503 instead.
import type { Scheduler } from '../infra/runtime/ports.ts';
import type { CollectOutcome, OwnedDraft } from './collect.ts';

/** A draft and when it was received: sent again unchanged, so that copies are recognised. */
export type Outgoing = { owned: OwnedDraft; receivedAt: number };

export type OutboxDeps = {
  collect: (outgoing: Outgoing) => Promise<CollectOutcome>;
  scheduler: Pick<Scheduler, 'after' | 'monotonicMs'>;
  queueMax: number;
  /** How long after close() it goes on trying. */
  closeTimeoutMs: number;
  /** Told for each draft that is lost. */
  onLost: (why: 'queue' | 'too_large' | 'closed' | 'fault') => void;
};

export type Outbox = {
  push(outgoing: Outgoing): void;
  /** Nothing more will be pushed; resolves when all is in the log or given up. */
  close(): Promise<void>;
};

export function createOutbox(deps: OutboxDeps): Outbox {
  const waiting: Outgoing[] = [];
  let running: Promise<void> | undefined;
  let giveUpAt = Number.POSITIVE_INFINITY;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void deps.scheduler.after(ms, resolve));
  const run = async (): Promise<void> => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const outcome = await deps.collect(next).catch(() => undefined);
      if (outcome === undefined) {
        // A fault of ours would be the same the next time, and hold up everything behind it.
        waiting.shift();
        deps.onLost('fault');
        continue;
      }
      if (outcome.kind === 'accepted' || outcome.kind === 'too_large') {
        waiting.shift();
        if (outcome.kind === 'too_large') deps.onLost('too_large');
        continue;
      }
      const waitMs = outcome.kind === 'rate_limited' ? outcome.decision.retryAfterMs : outcome.retryAfterSeconds * 1000;
      if (deps.scheduler.monotonicMs() + waitMs > giveUpAt) {
        for (const _lost of waiting.splice(0)) deps.onLost('closed');
        return;
      }
      await pause(Math.max(1, waitMs));
    }
  };
  const start = (): void => {
    running ??= run().finally(() => {
      running = undefined;
      if (waiting.length > 0) start();
    });
  };
  return {
    push(outgoing) {
      if (waiting.length >= deps.queueMax) return deps.onLost('queue');
      waiting.push(outgoing);
      start();
    },
    async close() {
      giveUpAt = deps.scheduler.monotonicMs() + deps.closeTimeoutMs;
      while (running !== undefined) await running;
    },
  };
}
