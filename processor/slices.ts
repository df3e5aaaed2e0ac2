// Long work of one process in slices, one piece of work after the other: a slice a turn of the event loop, however many partitions
// are waiting, so that folding, heartbeats and probes go on in between (D21).
import type { Scheduler } from '../infra/runtime/ports.ts';

/** Work that can pause wherever it yields. */
export type SlicedWork<T> = Generator<unknown, T>;

/** Does sliced work in one go, where nothing else waits. Throws what the work throws. */
export function inOneGo<T>(work: SlicedWork<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value as T;
  }
}

/** Runs sliced work in the order in which it was asked for. One for all tasks of a process. */
export class Slices {
  readonly #scheduler: Scheduler;
  readonly #sliceMs: number;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(scheduler: Scheduler, sliceMs: number) {
    this.#scheduler = scheduler;
    this.#sliceMs = sliceMs;
  }

  /** True while work is under way or waits for its turn. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** Does the work when its turn has come. undefined = it was no longer `wanted`, and was left where it stood. Throws what the work throws. */
  async run<T>(work: SlicedWork<T>, wanted: () => boolean): Promise<T | undefined> {
    const before = this.#last;
    let done = (): void => {};
    this.#last = new Promise((resolve) => {
      done = resolve;
    });
    this.#waiting += 1;
    try {
      if (this.#waiting > 1) await before;
      return await this.#drive(work, wanted);
    } finally {
      this.#waiting -= 1;
      done();
    }
  }

  async #drive<T>(work: SlicedWork<T>, wanted: () => boolean): Promise<T | undefined> {
    const { monotonicMs } = this.#scheduler;
    try {
      for (let since = monotonicMs(); wanted(); ) {
        const { done, value } = work.next();
        if (done) return value;
        if (monotonicMs() - since < this.#sliceMs) continue;
        await this.#scheduler.yield();
        since = monotonicMs();
      }
      return undefined;
    } finally {
      work.return(undefined as T);
    }
  }
}
