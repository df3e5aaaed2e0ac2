// Emissions: every output takes the partition's previous number plus one (V12). Nothing else touches emissionSeq.
import type { BeaconEvent } from '../../schemas/beacon.ts';
import type { SealReason } from '../../schemas/session.ts';
import type { EmissionOrigin, Output } from './outputs.ts';
import { sealSession, sessionIdOf } from './seal.ts';
import type { Session, State, Stream } from './state.ts';
import { FOLD_VERSION } from './version.ts';

/** One record being folded: the state it changes and the emissions it makes. */
export type Step = {
  state: State;
  offset: number;
  /** Append time of the record, epoch ms; a time that cannot be is replaced by stream time. */
  appendAt: number;
  outputs: Output[];
};

/** Dead letters keep at most this much of what was sent, UTF-16 units. */
const DEAD_PAYLOAD_MAX = 2_048;

const origin = (step: Step): EmissionOrigin => ({
  emissionSeq: ++step.state.emissionSeq,
  sourceOffset: step.offset,
  appendAt: step.appendAt,
});

/** Seals a part: its record goes out, its place in the stream becomes free. */
export function emitSealed(step: Step, session: Session, reason: SealReason): void {
  const part = sealSession(session);
  session.stream.sessions.splice(session.stream.sessions.indexOf(session), 1);
  step.state.openSessions--;
  step.outputs.push({ kind: 'sealed', ...origin(step), reason, part, foldVersion: FOLD_VERSION });
}

export function emitCustom(step: Step, session: Session, event: BeaconEvent, at: number): void {
  const { site } = session.stream;
  const { video } = session.video;
  const text = event.detail?.text ?? '';
  step.outputs.push({
    kind: 'custom',
    ...origin(step),
    site,
    session: sessionIdOf(session),
    video,
    at,
    name: event.detail?.name ?? '',
    positionMs: event.positionMs,
    data: text === '' ? '{}' : text,
    seq: event.seq,
  });
}

/** What a dead letter says; `events` = event copies it stands for (0 for an unreadable record). */
export type DeadLetter = {
  site: string;
  session: string;
  eventIndex: number;
  seq: number;
  reason: string;
  detail: string;
  payload: string;
  events: number;
};

export function emitDead(step: Step, letter: DeadLetter): void {
  step.state.ledger.dead += letter.events;
  step.outputs.push({ kind: 'dead', ...origin(step), ...letter, payload: letter.payload.slice(0, DEAD_PAYLOAD_MAX) });
}

/** Why the fold itself turns an event into a dead letter. */
export const FOLD_DEAD_REASONS = [
  'no_session',
  'wrong_key',
  'unknown_event',
  'seq_forgotten',
  'seq_jump',
  'videos_limit',
  'parts_limit',
  'bad_control',
] as const;
export type FoldDeadReason = (typeof FOLD_DEAD_REASONS)[number];

/** Dead letter of one event. */
export function emitDeadEvent(
  step: Step,
  at: { site: string; session: string; index: number },
  event: BeaconEvent,
  reason: FoldDeadReason,
): void {
  emitDead(step, {
    site: at.site,
    session: at.session,
    eventIndex: at.index,
    seq: event.seq,
    reason,
    detail: '',
    payload: JSON.stringify(event),
    events: 1,
  });
}

/** Copies that no open part can take: one emission for all of a record (D19). */
export function emitDuplicates(step: Step, stream: Stream, duplicates: number, conflicts: number): void {
  if (duplicates === 0) return;
  step.outputs.push({ kind: 'duplicate', ...origin(step), site: stream.site, session: stream.session, duplicates, conflicts });
}
