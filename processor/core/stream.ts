// The numbering of one stream: which events are new, which are copies, which wait for a missing number, and which come after their place
// was given up (D17). Knows nothing of video.
import type { PendingEvent, State, Stream } from './state.ts';

/** How many settled numbers keep their content hash, to tell a copy from a conflict. */
export const CONFLICT_WINDOW = 8;

const NO_HASHES: readonly number[] = Array.from({ length: CONFLICT_WINDOW }, () => 0);

/**
 * next: fold it now. wait: hold it behind a missing number. copy: seen before. filler: its place was given up. forgotten: copy or
 * filler, it can no longer be told which. jump: too far ahead to be believed.
 */
export type Verdict = 'next' | 'wait' | 'copy' | 'filler' | 'forgotten' | 'jump';

/** Judges a sequence number (>= 0) without changing anything. */
export function judge(stream: Stream, seq: number, seqJumpMax: number): Verdict {
  if (seq === stream.nextSeq) return 'next';
  if (seq > stream.nextSeq) {
    if (seq - stream.nextSeq > seqJumpMax) return 'jump';
    return pendingAt(stream, seq) === undefined ? 'wait' : 'copy';
  }
  if (stream.holes.length > 0 && holeOf(stream, seq) >= 0) return 'filler';
  return seq < stream.forgottenBelow ? 'forgotten' : 'copy';
}

/** Place at which a number stands, or would stand, among the pending ones. */
function placeOf(stream: Stream, seq: number): number {
  let low = 0;
  let high = stream.pending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((stream.pending[middle] as PendingEvent).seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

const pendingAt = (stream: Stream, seq: number): PendingEvent | undefined => {
  const found = stream.pending[placeOf(stream, seq)];
  return found?.seq === seq ? found : undefined;
};

/** Holds an event back, in its place. */
export function hold(stream: Stream, pending: PendingEvent): void {
  if (stream.pending.length === 0) stream.pending = [pending];
  else stream.pending.splice(placeOf(stream, pending.seq), 0, pending);
}

/** Marks a number as settled and remembers what it said. */
export function settle(stream: Stream, seq: number, contentHash: number): void {
  if (seq === stream.nextSeq) stream.nextSeq = seq + 1;
  if (seq < stream.nextSeq - CONFLICT_WINDOW) return;
  if (stream.seqHashes.length === 0) stream.seqHashes = NO_HASHES.slice();
  stream.seqHashes[seq % CONFLICT_WINDOW] = contentHash;
}

/** True if a copy is known to say something else than the first one did; for old numbers nobody knows. */
export function conflicts(stream: Stream, seq: number, contentHash: number): boolean {
  const pending = seq >= stream.nextSeq ? pendingAt(stream, seq) : undefined;
  if (pending !== undefined) return pending.contentHash !== contentHash;
  return seq >= stream.nextSeq - CONFLICT_WINDOW && stream.seqHashes[seq % CONFLICT_WINDOW] !== contentHash;
}

/** The next pending event that no missing number holds back any more; takes it out. */
export function takeReady(stream: Stream): PendingEvent | undefined {
  return stream.pending[0]?.seq === stream.nextSeq ? stream.pending.shift() : undefined;
}

/** Log-active time at which the first missing number is given up; infinity if none is missing. */
export function graceDeadline(stream: Stream, graceMs: number): number {
  if (stream.pending.length === 0) return Number.POSITIVE_INFINITY;
  let earliest = Number.POSITIVE_INFINITY;
  for (const { arrivedAtActive } of stream.pending) if (arrivedAtActive < earliest) earliest = arrivedAtActive;
  return earliest + graceMs;
}

/** True if any event of the stream waits for others. */
export const isWaiting = ({ pending, held }: Stream): boolean => pending.length > 0 || held.length > 0;

/** Gives up the numbers missing before the first pending event. Only called while something is pending. */
export function giveUp(state: State, stream: Stream): void {
  const first = (stream.pending[0] as PendingEvent).seq;
  stream.holes = [...stream.holes, { from: stream.nextSeq, to: first, video: '', part: -1 }];
  stream.nextSeq = first;
  boundHoles(state, stream);
}

/** Takes a number out of its hole; returns the part its loss was charged to. Only called for a filler. */
export function fillHole(state: State, stream: Stream, seq: number): { video: string; part: number } {
  const index = holeOf(stream, seq);
  const hole = stream.holes[index];
  if (hole === undefined) return { video: '', part: -1 };
  const { from, to, video, part } = hole;
  const rest = [
    { from, to: seq, video, part },
    { from: seq + 1, to, video, part },
  ].filter((piece) => piece.from < piece.to);
  stream.holes.splice(index, 1, ...rest);
  boundHoles(state, stream);
  return { video, part };
}

/** Holes not yet charged to a part are charged to this one; returns how many numbers they hold. */
export function chargeHoles(stream: Stream, video: string, part: number): number {
  let lost = 0;
  for (let i = stream.holes.length - 1; i >= 0; i--) {
    const hole = stream.holes[i];
    if (hole === undefined || hole.part !== -1) break;
    hole.video = video;
    hole.part = part;
    lost += hole.to - hole.from;
  }
  return lost;
}

function holeOf(stream: Stream, seq: number): number {
  for (let i = stream.holes.length - 1; i >= 0; i--) {
    const hole = stream.holes[i];
    if (hole !== undefined && hole.from <= seq && seq < hole.to) return i;
  }
  return -1;
}

function boundHoles(state: State, stream: Stream): void {
  while (stream.holes.length > state.settings.holesMax) {
    const oldest = stream.holes.shift();
    if (oldest !== undefined) stream.forgottenBelow = Math.max(stream.forgottenBelow, oldest.to);
    state.limits.holesMax++;
  }
}

/** Identity of an unnumbered event: true = seen lately; otherwise it is remembered, in place of the oldest if need be. */
export function seenLately(state: State, stream: Stream, identity: number): boolean {
  const { recentEvents } = stream;
  if (recentEvents.indexOf(identity) >= 0) return true;
  if (recentEvents.length < state.settings.recentEventsMax) {
    if (recentEvents.length === 0) stream.recentEvents = [identity];
    else recentEvents.push(identity);
    return false;
  }
  state.limits.recentEventsMax++;
  recentEvents[stream.recentAt] = identity;
  stream.recentAt = (stream.recentAt + 1) % recentEvents.length;
  return false;
}
