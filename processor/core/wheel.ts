// A lazy timer wheel over log-active time. An entry is put in once, under a lower bound of its deadline, and looked at again when that
// comes; what is due is decided by the true deadlines alone, so a restored wheel fires the same entries in the same order.

/** Width of a bucket, ms of log-active time. Changes cost, never results. */
const BUCKET_MS = 1_000;

/** Anything with a deadline; timerAt belongs to the wheel: -1 = not in it. */
export type Timed = { timerAt: number };

/** An entry and when it is to be looked at: it counts only while the entry's timerAt is the same. */
type Look = { at: number; entry: Timed };

/** Entries by bucket; those of the bucket being worked on, `current`, and before are in `near`, a heap with the earliest in front. */
export type Wheel = { buckets: Map<number, Timed[]>; current: number; near: Look[] };

export const createWheel = (activeTime: number): Wheel => ({
  buckets: new Map(),
  current: Math.floor(activeTime / BUCKET_MS),
  near: [],
});

/** Makes sure that the entry is looked at no later than its deadline. */
export function watch(wheel: Wheel, entry: Timed, deadline: number): void {
  if (entry.timerAt !== -1 && entry.timerAt <= deadline) return;
  entry.timerAt = deadline;
  const index = Math.floor(deadline / BUCKET_MS);
  if (index <= wheel.current) return put(wheel.near, { at: deadline, entry });
  const bucket = wheel.buckets.get(index);
  if (bucket === undefined) wheel.buckets.set(index, [entry]);
  else bucket.push(entry);
}

/**
 * The entries whose true deadline has come at `activeTime`, in no order; they leave the wheel. Entries whose deadline has moved on are
 * put where it is now.
 */
export function takeDue<T extends Timed>(wheel: Wheel, activeTime: number, deadlineOf: (entry: T) => number): T[] {
  const target = Math.floor(activeTime / BUCKET_MS);
  while (wheel.current < target) open(wheel, ++wheel.current);
  const due: T[] = [];
  for (let first = wheel.near[0]; first !== undefined && first.at <= activeTime; first = wheel.near[0]) {
    const { at, entry } = takeFirst(wheel.near);
    if (entry.timerAt !== at) continue;
    entry.timerAt = -1;
    const deadline = deadlineOf(entry as T);
    if (deadline <= activeTime) due.push(entry as T);
    else watch(wheel, entry, deadline);
  }
  return due;
}

/** Brings the entries of a bucket near. One that was moved to an earlier bucket has left a copy here, which its timerAt does not match. */
function open(wheel: Wheel, index: number): void {
  const entries = wheel.buckets.get(index);
  if (entries === undefined) return;
  wheel.buckets.delete(index);
  for (const entry of entries) if (Math.floor(entry.timerAt / BUCKET_MS) === index) put(wheel.near, { at: entry.timerAt, entry });
}

function put(heap: Look[], look: Look): void {
  let place = heap.push(look) - 1;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    const above = heap[parent] as Look;
    if (above.at <= look.at) break;
    heap[place] = above;
    place = parent;
  }
  heap[place] = look;
}

/** Only called while the heap holds something. */
function takeFirst(heap: Look[]): Look {
  const first = heap[0] as Look;
  const last = heap.pop() as Look;
  if (heap.length === 0) return first;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && (heap[child + 1] as Look).at < (heap[child] as Look).at) child++;
    if ((heap[child] as Look).at >= last.at) break;
    heap[place] = heap[child] as Look;
    place = child;
  }
  heap[place] = last;
  return first;
}
