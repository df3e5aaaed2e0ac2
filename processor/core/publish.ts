// The queue of session parts whose provisional figures have changed: each at most once, oldest change first. It is not part of the
// fold's result: whatever the shell takes or leaves, emissions stay the same.
import type { ProvisionalSession } from './outputs.ts';
import { provisionalOf } from './seal.ts';
import type { Session, SessionKey, State } from './state.ts';

/** Sealed parts stay in the queue until they outnumber the open ones by this. */
const QUEUE_SLACK = 1_000;

/** Lets go of sealed parts that nobody came to take; called after a seal. */
export function sweepQueue(state: State): void {
  if (state.changed.length - state.changedHead <= 2 * state.openSessions + QUEUE_SLACK) return;
  state.changed = state.changed.slice(state.changedHead).filter((session) => !session.sealed);
  state.changedHead = 0;
}

/** Puts a changed part in the queue, if it is not there. */
export function publish(state: State, session: Session): void {
  if (session.changed) return;
  session.changed = true;
  state.changed.push(session);
}

/** Takes at most `max` parts out of the queue, as they would be sealed now; sealed ones are dropped on the way. */
export function dequeue(state: State, max: number): ProvisionalSession[] {
  const taken: ProvisionalSession[] = [];
  while (taken.length < max && state.changedHead < state.changed.length) {
    const session = state.changed[state.changedHead++] as Session;
    session.changed = false;
    if (!session.sealed) taken.push(provisionalOf(session));
  }
  if (state.changedHead > state.changed.length / 2) {
    state.changed = state.changed.slice(state.changedHead);
    state.changedHead = 0;
  }
  return taken;
}

/** Takes the keys that sessions no longer have. */
export function dequeueGone(state: State): SessionKey[] {
  const { gone } = state;
  state.gone = [];
  return gone;
}
