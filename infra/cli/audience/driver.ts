// Sends planned deliveries over HTTP as the SDK does: what was not accepted is sent again with the same numbers, waiting as
// long as the gateway asks. Keeps, per delivery, what is known about its fate (reliability.md section 1): accepted, refused
// or unknown.
import { messageOf } from '../../runtime/errors.ts';
import type { Scheduler } from '../../runtime/ports.ts';
import type { Delivery, DeliveryPlan, WireBeacon } from './delivery.ts';
import type { Viewer } from './viewing.ts';

export type Outcome = 'accepted' | 'refused' | 'unknown';

/** What became of one request and its repetitions. */
export type SendRecord = {
  outcome: Outcome;
  /** Attempts whose effect on the log is not known. */
  unknownAttempts: number;
  attempts: number;
  /** Status and text of the last answer that was not 202. */
  problem: string;
  /** Events that the gateway turned into dead letters. */
  rejected: readonly { beacon: number; event: number; reason: string }[];
};

export type DeliveryRecord = SendRecord & { session: string; eventIndexes: readonly number[]; copy: number };

export type DriverOptions = {
  /** Address of the ingest service, without a path. */
  endpoint: string;
  key: string;
  /** Sends X-Forwarded-For with the viewer's address: only for a gateway that trusts it. */
  sendAddress?: boolean;
  inFlightMax?: number;
  attemptsMax?: number;
  requestTimeoutMs?: number;
  /** Longest pause between attempts, whatever the answer asks for. */
  retryPauseMaxMs?: number;
};

export type DriverCounts = { requests: number; accepted: number; refused: number; unknown: number; events: number; retries: number };

export type Driver = {
  /** Sends beacons of one viewer (or of viewers with the same browser) in one request, until accepted or given up. */
  send(viewer: Viewer, beacons: readonly WireBeacon[]): Promise<SendRecord>;
  /** Sends the prompt deliveries of a plan when they are due; `afterMs` delays all of them. */
  run(plan: DeliveryPlan, afterMs: number): Promise<DeliveryRecord[]>;
  /** Sends the deliveries that were held back, at once and in order. */
  runHeld(plan: DeliveryPlan): Promise<DeliveryRecord[]>;
  counts(): DriverCounts;
  /** Gives up what is not yet sent. */
  stop(): void;
};

const IN_FLIGHT_MAX = 64;
const ATTEMPTS_MAX = 60;
const REQUEST_TIMEOUT_MS = 10_000;
const RETRY_PAUSE_MAX_MS = 5_000;

type Answer = { outcome: Outcome; final: boolean; waitMs: number; problem: string; rejected: SendRecord['rejected'] };

/** Lets at most `limit` run at a time, in order of arrival. */
function createGate(limit: number): { enter(): Promise<void>; leave(): void } {
  let free = limit;
  const waiting: (() => void)[] = [];
  return {
    enter() {
      if (free > 0) {
        free--;
        return Promise.resolve();
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    leave() {
      const next = waiting.shift();
      if (next) next();
      else free++;
    },
  };
}

/** Sleep that can be cut short for all who sleep. */
function createSleep(scheduler: Scheduler): { sleep(ms: number): Promise<void>; wakeAll(): void } {
  const sleepers = new Set<() => void>();
  return {
    sleep: (ms) =>
      new Promise((resolve) => {
        const wake = (): void => {
          cancel();
          sleepers.delete(wake);
          resolve();
        };
        const cancel = scheduler.after(ms, wake);
        sleepers.add(wake);
      }),
    wakeAll() {
      for (const wake of [...sleepers]) wake();
    },
  };
}

/** A driver for one gateway and one write key. */
export function createDriver(deps: { scheduler: Scheduler }, options: DriverOptions): Driver {
  const { scheduler } = deps;
  const gate = createGate(options.inFlightMax ?? IN_FLIGHT_MAX);
  const counts: DriverCounts = { requests: 0, accepted: 0, refused: 0, unknown: 0, events: 0, retries: 0 };
  let stopped = false;
  const { sleep, wakeAll } = createSleep(scheduler);

  const send = async (viewer: Viewer, beacons: readonly WireBeacon[]): Promise<SendRecord> => {
    const body = JSON.stringify(beacons.map((beacon) => ({ key: options.key, ...beacon })));
    let unknownAttempts = 0;
    let attempts = 0;
    let answer: Answer = { outcome: 'unknown', final: false, waitMs: 0, problem: 'not sent', rejected: [] };
    while (attempts < (options.attemptsMax ?? ATTEMPTS_MAX) && !stopped) {
      await gate.enter();
      counts.requests++;
      if (attempts > 0) counts.retries++;
      attempts++;
      answer = await post(deps, options, viewer, body).finally(() => gate.leave());
      if (answer.outcome === 'unknown') unknownAttempts++;
      if (answer.final) break;
      const pauseMs = Math.min(options.retryPauseMaxMs ?? RETRY_PAUSE_MAX_MS, Math.max(answer.waitMs, 100 * 2 ** Math.min(attempts, 5)));
      await sleep(pauseMs + Math.floor(scheduler.random() * 100));
    }
    const outcome: Outcome = answer.outcome === 'accepted' ? 'accepted' : unknownAttempts > 0 ? 'unknown' : 'refused';
    counts[outcome]++;
    if (outcome === 'accepted') counts.events += beacons.reduce((sum, beacon) => sum + beacon.events.length, 0);
    return { outcome, unknownAttempts, attempts, problem: answer.problem, rejected: answer.rejected };
  };

  const sendDelivery = async (plan: DeliveryPlan, delivery: Delivery): Promise<DeliveryRecord> => {
    const record = await send(plan.viewing.viewer, [delivery.beacon]);
    return { ...record, session: plan.viewing.viewer.session, eventIndexes: delivery.eventIndexes, copy: delivery.copy };
  };

  const run = async (plan: DeliveryPlan, afterMs: number): Promise<DeliveryRecord[]> => {
    const startedMs = scheduler.monotonicMs() + afterMs;
    const numbered = plan.viewing.events[0]?.event.seq !== undefined;
    const sending: Promise<DeliveryRecord>[] = [];
    for (const delivery of plan.deliveries) {
      const waitMs = startedMs + delivery.dueMs - scheduler.monotonicMs();
      if (waitMs > 0) await sleep(waitMs);
      if (stopped) break;
      const sent = sendDelivery(plan, delivery);
      sending.push(sent);
      // Where events have no numbers the order of arrival is all there is, so such a player never has two requests open.
      if (!numbered) await sent;
    }
    return Promise.all(sending);
  };

  const runHeld = async (plan: DeliveryPlan): Promise<DeliveryRecord[]> => {
    const records: DeliveryRecord[] = [];
    for (const delivery of plan.held) records.push(await sendDelivery(plan, delivery));
    return records;
  };

  return {
    send,
    run,
    runHeld,
    counts: () => ({ ...counts }),
    stop() {
      stopped = true;
      wakeAll();
    },
  };
}

async function post(deps: { scheduler: Scheduler }, options: DriverOptions, viewer: Viewer, body: string): Promise<Answer> {
  const abort = new AbortController();
  const cancel = deps.scheduler.after(options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS, () => abort.abort());
  try {
    const response = await fetch(`${options.endpoint}/v1/beacons`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': viewer.userAgent,
        origin: 'https://coffee.example.org',
        ...(options.sendAddress ? { 'x-forwarded-for': viewer.address } : {}),
      },
      body,
      signal: abort.signal,
    });
    const text = await response.text();
    return readAnswer(response.status, response.headers.get('retry-after'), text);
  } catch (error) {
    return { outcome: 'unknown', final: false, waitMs: 0, problem: messageOf(error), rejected: [] };
  } finally {
    cancel();
  }
}

function readAnswer(status: number, retryAfter: string | null, text: string): Answer {
  if (status === 202) {
    const { rejected } = JSON.parse(text) as { rejected?: SendRecord['rejected'] };
    return { outcome: 'accepted', final: true, waitMs: 0, problem: '', rejected: rejected ?? [] };
  }
  const seconds = Number(retryAfter ?? '');
  const waitMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
  const problem = `${status} ${text.slice(0, 300)}`;
  if (status === 429) return { outcome: 'refused', final: false, waitMs, problem, rejected: [] };
  if (status >= 400 && status < 500) return { outcome: 'refused', final: true, waitMs, problem, rejected: [] };
  return { outcome: 'unknown', final: false, waitMs, problem, rejected: [] };
}
