// The delivery half of the SDK: numbers events, cuts batches, sends one request at a time and keeps what was not accepted.
// Promise (reliability.md section 1): an event leaves the queue only when the gateway accepted or refused it, when the browser
// took it over at the end of the page, or, counted in `dropped`, when the queue is full or the event too old to be told from a copy.

import type { EventFields, Platform, Reply } from './types.ts';

/** Body limit: below the 64 kB that browsers allow for all requests that may outlive their page together. */
export const BATCH_BYTES_MAX = 60_000;
/** Events in one request (G1). */
export const BATCH_EVENTS_MAX = 200;
/** Events kept while the gateway cannot be reached: more than an hour of heartbeats. */
export const QUEUE_EVENTS_MAX = 1_000;
/** Below the 6 h for which the processor recognises copies for a sealed session (D17). */
export const RETRY_LIFETIME_MS = 5 * 3_600_000;
/** Urgent events wait this long for company, the others ride with the next. */
export const URGENT_DELAY_MS = 20;
export const DELAY_MS = 1_000;
/** First wait after a failure; doubles up to the longest. */
export const BACKOFF_MS = 1_000;
export const BACKOFF_LONGEST_MS = 60_000;

/** What the events of a video share: `head` gives the beacon without its events. */
export type BeaconSource = {
  /** Grows with each change of what `head(true)` says. */
  version: number;
  /** Version the gateway has accepted; 0 = none. */
  acceptedVersion: number;
  /** All that is known, or only what names session and video. */
  head(full: boolean): object;
};

type Item = { source: BeaconSource; at: number; json: string };
type Batch = { count: number; body: string; versions: Map<BeaconSource, number> };

/** An instant that does not come; also the duration of what has no end. */
export const NEVER = Number.POSITIVE_INFINITY;
const CLOSING = ']}]';
const encoder = new TextEncoder();
/** Length in UTF-8. */
export const bytesOf = (text: string): number => encoder.encode(text).length;

/**
 * Modes: idle (nothing queued), waiting (timer set), sending (the first items are in the request `#sending`), blocked (as waiting,
 * but not before `#notBefore`, after a failure). One timer, one request.
 */
export class BeaconQueue {
  /** Events given up. */
  dropped = 0;
  readonly #platform: Platform;
  #items: Item[] = [];
  #seq = 0;
  #sending: Batch | undefined;
  #failures = 0;
  #notBefore = 0;
  #askedUntil = 0;
  #dueAt = NEVER;
  #cancel: (() => void) | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Events not yet known to be accepted. */
  get length(): number {
    return this.#items.length;
  }

  /** Numbers the event and queues it. */
  push(source: BeaconSource, event: EventFields, urgent: boolean): void {
    const json = JSON.stringify({ seq: this.#seq++, ...event });
    if (this.#items.length >= QUEUE_EVENTS_MAX) {
      this.#items.splice(this.#sending?.count ?? 0, 1);
      this.dropped++;
    }
    this.#items.push({ source, at: event.at, json });
    this.#sendIn(urgent ? URGENT_DELAY_MS : DELAY_MS);
  }

  /** Sends what there is now, unless a wait is on. */
  flush(): void {
    if (this.#platform.now() >= this.#notBefore) this.#send();
  }

  /** The network is back: a wait that our own backoff set is over, one that the gateway asked for is not. */
  online(): void {
    this.#notBefore = this.#askedUntil;
    this.#sendIn(0);
  }

  /** The page may die: hands everything to the browser, also what is in flight, since copies do not count twice. */
  handOver(): void {
    while (this.#items.length > 0) {
      const batch = this.#cut();
      if (!this.#platform.beacon(batch.body)) break;
      this.#items.splice(0, batch.count);
      this.#sending = undefined;
    }
    this.#sendIn(DELAY_MS);
  }

  #sendIn(delayMs: number): void {
    if (this.#sending || this.#items.length === 0) return;
    const now = this.#platform.now();
    const dueAt = Math.max(now + delayMs, this.#notBefore);
    if (dueAt >= this.#dueAt) return;
    this.#cancel?.();
    this.#dueAt = dueAt;
    this.#cancel = this.#platform.after(dueAt - now, () => {
      this.#dueAt = NEVER;
      this.#send();
    });
  }

  #send(): void {
    if (this.#sending) return;
    this.#expire();
    if (this.#items.length === 0) return;
    const batch = this.#cut();
    this.#sending = batch;
    const settle = (reply: Reply): void => {
      // After a hand-over the answer concerns nobody any more.
      if (this.#sending !== batch) return;
      this.#sending = undefined;
      this.#settle(batch, reply);
    };
    this.#platform.post(batch.body).then(settle, () => settle({ status: 0, retryAfterMs: 0 }));
  }

  #settle(batch: Batch, { status, retryAfterMs }: Reply): void {
    const accepted = status >= 200 && status < 300;
    const refused = status >= 400 && status < 500 && ![408, 429].includes(status);
    if (accepted || refused) {
      this.#failures = 0;
      this.#notBefore = 0;
      this.#items.splice(0, batch.count);
      if (refused) this.dropped += batch.count;
      else for (const [source, version] of batch.versions) source.acceptedVersion = version;
      this.#sendIn(URGENT_DELAY_MS);
      return;
    }
    // Half of the wait is random, so that the players of an outage do not come back in step.
    const backoffMs = Math.min(BACKOFF_MS * 2 ** this.#failures++, BACKOFF_LONGEST_MS) * (0.5 + this.#platform.random() / 2);
    const now = this.#platform.now();
    this.#askedUntil = now + retryAfterMs;
    this.#notBefore = Math.max(now + backoffMs, this.#askedUntil);
    this.#sendIn(0);
  }

  #expire(): void {
    const oldest = this.#platform.now() - RETRY_LIFETIME_MS;
    const kept = this.#items.findIndex((item) => item.at >= oldest);
    this.dropped += this.#items.splice(0, kept < 0 ? this.#items.length : kept).length;
  }

  /** The longest run from the front that fits a request: an array of beacons, consecutive events of one video in one. */
  #cut(): Batch {
    const sentAt = Math.round(this.#platform.now());
    const versions = new Map<BeaconSource, number>();
    let body = '';
    let bytes = CLOSING.length;
    let count = 0;
    let source: BeaconSource | undefined;
    for (const item of this.#items) {
      let text = ',';
      if (item.source !== source) {
        const head = { ...item.source.head(item.source.acceptedVersion < item.source.version), sentAt };
        text = `${count ? ']},' : '['}${JSON.stringify(head).slice(0, -1)},"events":[`;
      }
      text += item.json;
      bytes += bytesOf(text);
      if (count && (count >= BATCH_EVENTS_MAX || bytes > BATCH_BYTES_MAX)) break;
      body += text;
      source = item.source;
      versions.set(source, source.version);
      count++;
    }
    return { count, versions, body: body + CLOSING };
  }
}
