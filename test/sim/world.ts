// Virtual time and the processes that live in it. One step delivers one event and then lets the microtask queue run dry, so that
// the order of everything is decided by the seed alone. A killed process loses its pending events; a frozen one keeps them until
// it goes on, while the world moves.
import type { Cancel, Clock, Scheduler } from '../../infra/runtime/ports.ts';
import { createRandom, type Random } from './random.ts';

export type SimProcess = {
  readonly name: string;
  alive: boolean;
  frozen: boolean;
  /** Events that came due while it was frozen. */
  held: SimEvent[];
  /** Run when it is killed: connections break, the group notices later. */
  onKill: (() => void)[];
};

type SimEvent = { at: number; order: number; process: SimProcess | undefined; run: () => void; cancelled: boolean; what: string };

/** Virtual time starts here, epoch ms: no real instant is ever read. */
const START_MS = 1_790_000_000_000;

/** One line of a run. `noted` = an effect worth reading; the others are the steps between. */
export type Moment = { atMs: number; what: string; detail: string; noted: boolean };

export class World {
  readonly seed: number;
  readonly random: Random;
  /** How often each action and fault took effect. */
  readonly counts = new Map<string, number>();
  #hashLow = 0x811c9dc5;
  #hashHigh = 0x9747b28c;
  readonly #queue: SimEvent[] = [];
  readonly #timeline: Moment[] | undefined;
  #now = START_MS;
  #order = 0;
  steps = 0;
  /** Set by the first broken invariant or uncaught error: the run ends. */
  failure: Error | undefined;

  constructor(seed: number, options: { timeline?: boolean } = {}) {
    this.seed = seed;
    this.random = createRandom(seed);
    this.#timeline = options.timeline ? [] : undefined;
  }

  now(): number {
    return this.#now;
  }

  get elapsedMs(): number {
    return this.#now - START_MS;
  }

  /** Counts an effect and puts it into the trace. */
  note(what: string, detail = ''): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
    this.#hash(`${what} ${detail}`);
    this.#timeline?.push({ atMs: this.elapsedMs, what, detail, noted: true });
  }

  /** Mixes a line into the trace. */
  #hash(line: string): void {
    const at = this.elapsedMs;
    let low = this.#hashLow ^ at;
    let high = this.#hashHigh ^ at;
    for (let i = 0; i < line.length; i++) {
      const code = line.charCodeAt(i);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ code, 0x85ebca6b);
    }
    this.#hashLow = low ^ (low >>> 13);
    this.#hashHigh = high ^ (high >>> 15);
  }

  timeline(): readonly Moment[] {
    return this.#timeline ?? [];
  }

  /** Hash of everything that happened: equal for equal seeds. */
  traceHash(): string {
    return [this.#hashHigh, this.#hashLow].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  process(name: string): SimProcess {
    return { name, alive: true, frozen: false, held: [], onKill: [] };
  }

  schedule(process: SimProcess | undefined, delayMs: number, what: string, run: () => void): Cancel {
    const event: SimEvent = { at: this.#now + Math.max(0, delayMs), order: this.#order++, process, run, cancelled: false, what };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  kill(process: SimProcess): void {
    if (!process.alive) return;
    this.note('gone', process.name);
    process.alive = false;
    process.held = [];
    for (const run of process.onKill.splice(0)) run();
  }

  freeze(process: SimProcess): void {
    this.note('stands still', process.name);
    process.frozen = true;
  }

  thaw(process: SimProcess): void {
    if (process.alive) this.note('goes on', process.name);
    process.frozen = false;
    for (const event of process.held.splice(0)) this.#push(Object.assign(event, { at: this.#now, order: this.#order++ }));
  }

  /** Delivers events until the time is reached or something failed. */
  async runUntil(elapsedMs: number, stop: () => boolean = () => false): Promise<void> {
    const end = START_MS + elapsedMs;
    await new Promise<void>((resolve, reject) => {
      // A tick of Node's runs only when the microtask queue is dry, and costs a tenth of a turn of the event loop.
      const next = (): void => process.nextTick(turn);
      const turn = (): void => {
        try {
          if (this.failure !== undefined || stop() || !this.#deliver(end)) return resolve();
          queueMicrotask(next);
        } catch (thrown) {
          reject(thrown as Error);
        }
      };
      queueMicrotask(next);
    });
    this.#now = Math.max(this.#now, Math.min(end, this.#queue[0]?.at ?? end));
  }

  /** Runs the next event that is due by `end`; false if there is none. */
  #deliver(end: number): boolean {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || next.at > end) return false;
      this.#pop();
      if (next.cancelled || next.process?.alive === false) continue;
      if (next.process?.frozen) {
        next.process.held.push(next);
        continue;
      }
      this.#now = Math.max(this.#now, next.at);
      this.steps++;
      this.#hash(next.what);
      this.#timeline?.push({ atMs: this.elapsedMs, what: next.what, detail: '', noted: false });
      next.run();
      return true;
    }
  }

  clock(skewMs = 0): Clock {
    return { now: () => this.#now + skewMs };
  }

  /** Timers, randomness and ids of one process. */
  scheduler(process: SimProcess): Scheduler {
    const random = this.random.fork();
    const name = process.name;
    const scheduler: Scheduler = {
      monotonicMs: () => this.#now,
      after: (ms, run) => this.schedule(process, ms, `${name} timer`, run),
      every: (ms, run) => {
        let cancel: Cancel = () => {};
        let stopped = false;
        const again = (): void => {
          if (stopped) return;
          cancel = this.schedule(process, ms, `${name} interval`, () => {
            again();
            run();
          });
        };
        again();
        return () => {
          stopped = true;
          cancel();
        };
      },
      sleep: (ms) => new Promise((resolve) => this.schedule(process, ms, `${name} wakes`, resolve)),
      yield: () => new Promise((resolve) => this.schedule(process, 0, `${name} yields`, resolve)),
      random: () => random.next(),
      uuid: () => {
        const hex = Array.from({ length: 8 }, () => random.integer(0, 0xffff).toString(16).padStart(4, '0'));
        return `${hex[0]}${hex[1]}-${hex[2]}-${hex[3]}-${hex[4]}-${hex[5]}${hex[6]}${hex[7]}`;
      },
    };
    return scheduler;
  }

  #push(event: SimEvent): void {
    const queue = this.#queue;
    let at = queue.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, queue[parent] as SimEvent)) break;
      queue[at] = queue[parent] as SimEvent;
      at = parent;
    }
    queue[at] = event;
  }

  #pop(): void {
    const queue = this.#queue;
    const last = queue.pop() as SimEvent;
    if (queue.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && before(queue[child + 1] as SimEvent, queue[child] as SimEvent)) child++;
      if (!before(queue[child] as SimEvent, last)) break;
      queue[at] = queue[child] as SimEvent;
      at = child;
    }
    queue[at] = last;
  }
}

const before = (a: SimEvent, b: SimEvent): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
