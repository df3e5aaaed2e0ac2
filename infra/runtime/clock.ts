// The only place that reads the wall clock, sets timers or draws random numbers. Everything else is handed a Clock or a
// Scheduler (ports.ts), so that the simulator can run product code in virtual time.
import { randomBytes, randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import type { Clock, Scheduler } from './ports.ts';

/** The machine's wall clock, epoch ms. */
export const systemClock: Clock = { now: () => Date.now() };

/** Real timers, monotonic time and randomness. Timers keep the process alive; cancel them on stop. */
export const systemScheduler: Scheduler = {
  monotonicMs: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
  sleep: (ms) => pause(ms),
  yield: () => nextTurn(),
  random: () => randomBytes(4).readUInt32BE() / 2 ** 32,
  uuid: () => randomUUID(),
};
