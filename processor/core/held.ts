// Order without numbers: where players stamp what they do but do not number it, an event waits as long as a missing number would for
// older ones that are still on their way. Knows nothing of video.
import type { PendingEvent, Stream } from './state.ts';
import { stampOf } from './time.ts';

/** Client time of a held event, epoch ms. */
export const stampOfHeld = ({ source, event }: PendingEvent): number => (event === null ? -1 : stampOf(source, event));

/** Holds an unnumbered event back, in the order of client times; equal ones keep the order they came in. */
export function holdByTime(stream: Stream, arrival: PendingEvent): void {
  const stamp = stampOfHeld(arrival);
  let place = stream.held.length;
  while (place > 0 && stampOfHeld(stream.held[place - 1] as PendingEvent) > stamp) place--;
  // A literal array takes one place, a pushed one seventeen; and the empty one is shared.
  if (stream.held.length === 0) stream.held = [arrival];
  else stream.held.splice(place, 0, arrival);
}

/** Log-active time at which the first held event has waited long enough; infinity if none is held. */
export function heldDeadline(stream: Stream, graceMs: number): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (const { arrivedAtActive } of stream.held) if (arrivedAtActive < earliest) earliest = arrivedAtActive;
  return earliest + graceMs;
}

/** Takes out, in order, the held events that came until `atActive`, and all that are older than one of them. */
export function takeHeld(stream: Stream, atActive: number): PendingEvent[] {
  const { held } = stream;
  let count = held.length;
  while (count > 0 && (held[count - 1] as PendingEvent).arrivedAtActive > atActive) count--;
  return count === 0 ? [] : held.splice(0, count);
}
