// One session part: folding an event into it. This file is what we count; SPEC.md says it in words.
import type { BeaconEvent } from '../../schemas/beacon.ts';
import { refine } from './context.ts';
import { departuresReturn, firstPositionMs, silentCreditMs } from './doors.ts';
import type { Evidence } from './proof.ts';
import {
  ADVANCE_TOLERANCE_MS,
  CLOCKLESS_TOLERANCE_MS,
  CONTIGUOUS_MAX_MS,
  closeSection,
  countJump,
  creditDeparture,
  creditSilence,
  fits,
  isReachable,
  limitSections,
  setAnchor,
  VOUCHED_TOLERANCE_MS,
  weighPosition,
} from './proof.ts';
import { closeStall, countError, firstFrame, isFatal, markFailure, openStall, switchRendition } from './quality.ts';
import type { LimitName } from './settings.ts';
import type { BeaconSource, Session, State } from './state.ts';
import { advanceEventTime } from './time.ts';
import type { Action, Input } from './transitions.ts';
import { TRANSITIONS } from './transitions.ts';

/** The rates a player can have, x 1000; anything else is cut to them. */
const RATE_MILLI_MIN = 1;
const RATE_MILLI_MAX = 16_000;

/** Counts a limit reached, in the part and in the partition (V13). */
export function hitLimit(state: State, session: Session, name: LimitName, times: number): void {
  session.limitHits += times;
  state.limits[name] += times;
}

/**
 * Folds one event: context, event time, what its position proves, then the transition. True = a custom event, to be emitted. Evidence
 * counts (received, checksum ...) are the caller's.
 */
export function foldEvent(state: State, session: Session, source: BeaconSource, event: BeaconEvent): boolean {
  applyContext(state, session, source);
  comeBack(session);
  const behind = advanceEventTime(session, source, event);
  if (behind && event.seq < 0 && source.baseAt >= 0 && !departuresReturn(source.protocol)) return foldStraggler(state, session, event);
  const toleranceMs = toleranceFor(session, source, event);
  if (tellsPosition(event)) noteEvidence(session, weighPosition(session, positionOf(session, event), toleranceMs));
  const input: Input = isFatal(event) ? 'fatal' : event.type;
  const [next, action] = TRANSITIONS[session.state][input];
  ACTIONS[action](session, event, toleranceMs, state);
  session.state = next;
  const merges = limitSections(session, state.settings.sectionsMax);
  if (merges > 0) hitLimit(state, session, 'sectionsMax', merges);
  return action === 'custom';
}

/** By how much an advance may exceed what time explains. What is credited beyond belief is counted in the part: it is implausible. */
function toleranceFor(session: Session, source: BeaconSource, event: BeaconEvent): number {
  const toleranceMs = source.baseAt >= 0 ? ADVANCE_TOLERANCE_MS : CLOCKLESS_TOLERANCE_MS;
  if (!isVouched(event)) return toleranceMs;
  // Heartbeats and the end prove moving frames in every state, `playing` only where they move already.
  const weighed = session.state === 'playing' || event.type !== 'playing';
  if (weighed && session.anchorMs >= 0 && !fits(session, positionOf(session, event), toleranceMs)) session.limitHits++;
  return VOUCHED_TOLERANCE_MS;
}

/** The gateway's word, for a site that wants it so (protocols.md 5.2): the flag of events that have no flag of their own. */
const isVouched = (event: BeaconEvent): boolean =>
  event.detail?.flag === 1 && (event.type === 'playing' || event.type === 'heartbeat' || event.type === 'ended');

/** An unnumbered event older than what was folded before it counts, but says nothing about what came after it. */
function foldStraggler(state: State, session: Session, event: BeaconEvent): boolean {
  if (isFatal(event)) markFailure(session);
  if (event.type === 'error' && !countError(session, event, state.settings.errorsMax)) hitLimit(state, session, 'errorsMax', 1);
  if (event.type === 'attempt') session.attempted = true;
  if (event.type === 'ended') session.ended = true;
  return event.type === 'custom';
}

/** Where departures return, anything that comes after a `leave` undoes it: who was playing plays on, and the next position proves it. */
export function comeBack(session: Session): void {
  if (session.state === 'left' && departuresReturn(session.context.protocol)) session.state = session.anchorMs >= 0 ? 'playing' : 'paused';
}

function applyContext(state: State, session: Session, source: BeaconSource): void {
  const { context } = session;
  if (source.protocol !== 'unknown' && context.protocol === 'unknown') context.protocol = source.protocol;
  if (source.context === null || (source.context === state.contextApplied && session === state.contextSession)) return;
  if (!refine(context, source.context, { metaKeysMax: state.settings.metaKeysMax, texts: state.texts }))
    hitLimit(state, session, 'metaKeysMax', 1);
  state.contextApplied = source.context;
  state.contextSession = session;
  if (context.durationMs > 0) session.video.durationMs = context.durationMs;
  if (context.live >= 0) session.video.live = context.live;
}

/** Events whose position is weighed before the transition. The others say where play goes on, or nothing (an ad has its own timeline). */
const tellsPosition = (event: BeaconEvent): boolean =>
  event.type !== 'attempt' && event.type !== 'playing' && event.type !== 'seek' && event.type !== 'ad' && event.type !== 'unknown';

/** `ended` without a position is at the end, if the end is known. */
function positionOf(session: Session, event: BeaconEvent): number {
  if (event.type !== 'ended' || event.positionMs >= 0 || session.state !== 'playing') return event.positionMs;
  return session.context.live === 1 || session.context.durationMs <= 0 ? -1 : session.context.durationMs;
}

/** An advance while not playing: frames have moved since then, although nobody said so. */
function noteEvidence(session: Session, evidence: Evidence): void {
  if (evidence === 'jumped') countJump(session);
  if (evidence !== 'moving') return;
  firstFrame(session, session.openAt, false);
  closeStall(session, session.openAt);
  session.seekPending = false;
  session.state = 'playing';
}

type Act = (session: Session, event: BeaconEvent, toleranceMs: number, state: State) => void;

/** What the table's actions do. Each runs in the old state. */
const ACTIONS: Readonly<Record<Action, Act>> = {
  none: () => {},
  custom: () => {},
  ask: (session, event) => {
    session.attempted = true;
    if (!session.played) session.attemptAt = session.nowAt;
    if (event.positionMs >= 0) setAnchor(session, event.positionMs);
  },
  start: (session, event, toleranceMs) => {
    const displaced = session.state === 'paused' && session.anchorMs >= 0 && event.positionMs >= 0;
    if (displaced && !isReachable(session, event.positionMs + CONTIGUOUS_MAX_MS, toleranceMs + CONTIGUOUS_MAX_MS)) countJump(session);
    const begins = !session.played && session.anchorMs < 0 ? firstPositionMs(session.context.protocol) : session.anchorMs;
    firstFrame(session, session.nowAt, true);
    closeStall(session, session.nowAt);
    session.seekPending = false;
    closeSection(session);
    setAnchor(session, event.positionMs >= 0 ? event.positionMs : begins);
  },
  goOn: (session, event, toleranceMs) => {
    noteEvidence(session, weighPosition(session, event.positionMs, toleranceMs));
  },
  halt: (session, event) => stopPlay(session, event),
  stall: (session, event) => {
    stopPlay(session, event);
    openStall(session);
  },
  seekAway: (session, event, toleranceMs) => {
    // From a stall whose end was lost, this may be the first word that frames moved: the stall ended then, not now.
    noteEvidence(session, weighPosition(session, fromOf(event), toleranceMs));
    if (fromOf(event) < 0) creditSilence(session, session.nowAt - session.anchorAt);
    closeStall(session, session.nowAt);
    noteSeek(session, event);
  },
  seekStill: (session, event, toleranceMs) => {
    if (session.state !== 'seeking' && weighPosition(session, fromOf(event), toleranceMs) === 'moving') noteEvidence(session, 'moving');
    noteSeek(session, event);
  },
  retime: (session, event) => {
    const rateMilli = event.detail?.rateMilli ?? -1;
    if (rateMilli < 0) return;
    closeSection(session);
    session.rateMilli = Math.min(RATE_MILLI_MAX, Math.max(RATE_MILLI_MIN, rateMilli));
    session.anchorRateMilli = Math.max(session.anchorRateMilli, session.rateMilli);
    if (session.anchorAt === session.nowAt) session.anchorRateMilli = session.rateMilli;
    session.rateHighestMilli = Math.max(session.rateHighestMilli, session.rateMilli);
  },
  switch: (session, event) => switchRendition(session, event.detail?.bitrateBps ?? -1),
  count: (session, event, _toleranceMs, state) => {
    if (!countError(session, event, state.settings.errorsMax)) hitLimit(state, session, 'errorsMax', 1);
  },
  fail: (session, event, toleranceMs, state) => {
    markFailure(session);
    ACTIONS.count(session, event, toleranceMs, state);
    stopPlay(session, event);
  },
  finish: (session, event) => {
    session.ended = true;
    stopPlay(session, event);
  },
  depart: (session, event) => {
    if (!departuresReturn(session.context.protocol)) return stopPlay(session, event);
    // Nothing ends yet for who was playing. For others the unknown position says that there is nothing to go on with.
    if (session.state === 'playing') return;
    stopPlay(session, event);
    setAnchor(session, -1);
  },
};

/** Play stops here: what the position did not prove, a door without heartbeats may still be credited. */
function stopPlay(session: Session, event: BeaconEvent): void {
  if (event.positionMs < 0 && silentCreditMs(session.context.protocol) > 0) creditSilence(session, session.nowAt - session.anchorAt);
  closeStall(session, session.nowAt);
  closeSection(session);
}

/** Where a seek says it left; a lone position is where it goes. */
const fromOf = (event: BeaconEvent): number => event.detail?.fromMs ?? -1;

const toOf = (event: BeaconEvent): number => {
  const toMs = event.detail?.toMs ?? -1;
  return toMs < 0 && fromOf(event) < 0 ? event.positionMs : toMs;
};

/** Counts a seek once, even if it is told in two events, and breaks the run. Seeks before the first frame only choose where to start. */
function noteSeek(session: Session, event: BeaconEvent): void {
  const completes = session.seekPending && fromOf(event) < 0;
  if (!completes && session.played) session.seeks++;
  session.seekPending = fromOf(event) >= 0 && toOf(event) < 0;
  closeSection(session);
  session.contiguousAtMs = -1;
  setAnchor(session, toOf(event));
}

/** The last word on a part that is being sealed: silence at the end, open section and stall. */
export function finishSession(session: Session): void {
  if (session.state === 'left' && departuresReturn(session.context.protocol)) creditDeparture(session);
  creditSilence(session, silentCreditMs(session.context.protocol));
  closeStall(session, session.nowAt);
  closeSection(session);
}
