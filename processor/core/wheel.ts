// A lazy timer wheel over log-active time. An entry is put in once, under a lower bound of its deadline, and looked at again when that
// comes; what is due is decided by the true deadlines alone, so a restored wheel fires the same entries in the same order.

/** Width of a bucket, ms of log-active time. Changes cost, never results. */
const BUCKET_MS = 1_000;

/** Anything with a deadline; timerAt belongs to the wheel: -1 = not in it. */
export type Timed = { timerAt: number };

/** Entries by bucket; `current` is the bucket being worked on, `nextDueAt` a lower bound of all deadlines in it and before. */
export type Wheel = { buckets: Map<number, Timed[]>; current: number; nextDueAt: number };

export const createWheel = (activeTime: number): Wheel => ({
  buckets: new Map(),
  current: Math.floor(activeTime / BUCKET_MS),
  nextDueAt: Number.POSITIVE_INFINITY,
});

/** Makes sure that the entry is looked at no later than its deadline. */
export function watch(wheel: Wheel, entry: Timed, deadline: number): void {
  if (entry.timerAt !== -1 && entry.timerAt <= deadline) return;
  entry.timerAt = deadline;
  const index = Math.max(wheel.current, Math.floor(deadline / BUCKET_MS));
  const bucket = wheel.buckets.get(index);
  if (bucket === undefined) wheel.buckets.set(index, [entry]);
  else bucket.push(entry);
  if (index === wheel.current && deadline < wheel.nextDueAt) wheel.nextDueAt = deadline;
}

/**
 * The entries whose true deadline has come at `activeTime`, in no order; they leave the wheel. Entries whose deadline has moved on are
 * put where it is now.
 */
export function takeDue<T extends Timed>(wheel: Wheel, activeTime: number, deadlineOf: (entry: T) => number): T[] {
  const target = Math.floor(activeTime / BUCKET_MS);
  if (target === wheel.current && activeTime < wheel.nextDueAt) return [];
  const due: T[] = [];
  for (; wheel.current <= target; wheel.current++)
    visit(wheel, wheel.current, activeTime, deadlineOf as (entry: Timed) => number, due as Timed[]);
  wheel.current = target;
  return due;
}

function visit(wheel: Wheel, index: number, activeTime: number, deadlineOf: (entry: Timed) => number, due: Timed[]): void {
  const entries = wheel.buckets.get(index);
  wheel.buckets.delete(index);
  wheel.nextDueAt = Number.POSITIVE_INFINITY;
  if (entries === undefined) return;
  for (const entry of entries) {
    // An entry that was moved to an earlier bucket has a copy here; the one that matches timerAt is the real one.
    if (entry.timerAt === -1 || Math.max(index, Math.floor(entry.timerAt / BUCKET_MS)) !== index) continue;
    entry.timerAt = -1;
    const deadline = deadlineOf(entry);
    if (deadline <= activeTime) due.push(entry);
    else watch(wheel, entry, deadline);
  }
}
