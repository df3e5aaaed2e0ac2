// What was really played, by proof: a media advance counts if the time that passed allows it (design.md section 4). Positions are integer
// ms of the media timeline, times are event times of the session, rates are x 1000.
import { jumpsAreSeeks, rateUntoldMilli, silentCreditMs } from './doors.ts';
import { mergeNearest, SECTION_WIDTH, sectionCount } from './sections.ts';
import type { Session } from './state.ts';

/** An advance may exceed elapsed time x rate by this much ... */
export const ADVANCE_TOLERANCE_MS = 1_000;
/** ... or this much where the beacon has no client clock and only its arrival is known ... */
export const CLOCKLESS_TOLERANCE_MS = 3_000;
/** ... or any amount where the gateway vouches for the position, as a site may want it. */
export const VOUCHED_TOLERANCE_MS = 2_147_483_647;
/** ... plus a tenth of elapsed time x rate. */
export const ADVANCE_TOLERANCE_DIVISOR = 10;
/** A step back by less is jitter and ignored while playing; from here on it is a jump. */
export const BACKWARD_JUMP_MIN_MS = 2_000;
/** Where play was not announced, an advance of this much shows that frames move. */
export const PROGRESS_MIN_MS = 250;
/** A section that starts this close to the end of the one before it continues its run. */
export const CONTIGUOUS_MAX_MS = 250;
/** Lists of fewer sections take no more memory than they need. */
const SNUG_SECTIONS_MAX = 8;
/** The largest advance that `elapsedMs` at `rateMilli` can explain. */
export function allowanceMs(elapsedMs: number, rateMilli: number, toleranceMs: number): number {
  const playable = Math.floor((elapsedMs * rateMilli) / 1_000);
  return playable + Math.floor(playable / ADVANCE_TOLERANCE_DIVISOR) + toleranceMs;
}

/** Sets the position that the next proof starts from; -1 = unknown. */
export function setAnchor(session: Session, positionMs: number): void {
  session.anchorMs = positionMs;
  session.anchorAt = session.nowAt;
  session.anchorRateMilli = session.rateMilli;
}

/** What a reported position told. */
export type Evidence = 'nothing' | 'advanced' | 'jumped' | 'moving';

/**
 * Weighs a reported position. While playing it extends the section if time allows, else the section ends where play was proven and a jump
 * is assumed; a small step back is ignored. While not playing an advance that time allows proves that frames move: 'moving'.
 */
export function weighPosition(session: Session, positionMs: number, toleranceMs: number): Evidence {
  if (positionMs < 0) return 'nothing';
  if (session.anchorMs < 0) {
    setAnchor(session, positionMs);
    return 'nothing';
  }
  const advanceMs = positionMs - session.anchorMs;
  const playing = session.state === 'playing';
  if (advanceMs < 0 ? -advanceMs < backwardJumpMinMs(session) : !playing && advanceMs < PROGRESS_MIN_MS) {
    if (!playing) session.anchorAt = session.nowAt;
    return 'nothing';
  }
  if (advanceMs < 0 || !fits(session, positionMs, toleranceMs)) {
    jumpTo(session, positionMs);
    return 'jumped';
  }
  const sinceAt = playing ? session.anchorAt : movingSince(session, advanceMs);
  credit(session, positionMs, sinceAt);
  return playing ? 'advanced' : 'moving';
}

/** Where positions come only with play and pause, every step back is a jump. */
const backwardJumpMinMs = (session: Session): number => (silentCreditMs(session.context.protocol) > 0 ? 1 : BACKWARD_JUMP_MIN_MS);

/** Counts a jump as a seek at doors that do not tell of seeks themselves. */
export function countJump(session: Session): void {
  if (session.played && jumpsAreSeeks(session.context.protocol)) session.seeks++;
}

/** The fastest that media may have moved since the last proof. */
const rateSinceProof = (session: Session): number => Math.max(session.anchorRateMilli, rateUntoldMilli(session.context.protocol));

/** True if the time since the last known position allows an advance to this one. */
export const isReachable = (session: Session, positionMs: number, toleranceMs: number): boolean =>
  positionMs >= session.anchorMs &&
  positionMs - session.anchorMs <= allowanceMs(session.nowAt - session.anchorAt, rateSinceProof(session), toleranceMs);

/** Both since the last proof and since the section began, so that tolerances do not add up. */
export function fits(session: Session, positionMs: number, toleranceMs: number): boolean {
  if (positionMs - session.anchorMs > allowanceMs(session.nowAt - session.anchorAt, rateSinceProof(session), toleranceMs)) return false;
  if (session.openFromMs < 0) return true;
  return positionMs - session.openFromMs <= allowanceMs(session.nowAt - session.openAt, rateSinceProof(session), toleranceMs);
}

/** When frames must have begun to move for that advance, at the earliest when they were last known to stand. */
const movingSince = (session: Session, advanceMs: number): number =>
  Math.max(session.anchorAt, session.nowAt - Math.floor((advanceMs * 1_000) / session.rateMilli));

/** Extends the section being played, or opens one, up to the position. */
function credit(session: Session, toMs: number, sinceAt: number): void {
  // A filler's neighbours were weighed without it: its time may be in a section already, so it never adds watch time (V3).
  const playedMs = session.line === 'filler' ? 0 : toMs - session.anchorMs;
  if (playedMs > 0 && session.openFromMs < 0) {
    session.openFromMs = session.anchorMs;
    session.openAt = sinceAt;
  }
  if (session.openFromMs >= 0) session.openToMs = toMs;
  if (session.bitrateKbps >= 0) {
    session.bitrateKbpsMs += session.bitrateKbps * playedMs;
    session.bitrateKnownMs += playedMs;
  }
  setAnchor(session, toMs);
}

/** A move that was not play: the section ends where play was proven, the next one starts a new run. */
export function jumpTo(session: Session, positionMs: number): void {
  creditSilence(session, session.nowAt - session.anchorAt);
  closeSection(session);
  session.contiguousAtMs = -1;
  setAnchor(session, positionMs);
}

/** Doors without heartbeats: a player known to play but not where is credited the elapsed time, at most one interval. */
export function creditSilence(session: Session, elapsedMs: number): void {
  const creditMs = Math.min(elapsedMs, silentCreditMs(session.context.protocol));
  if (creditMs <= 0 || session.state !== 'playing' || session.anchorMs < 0) return;
  credit(session, session.anchorMs + Math.floor((creditMs * session.rateMilli) / 1_000), session.anchorAt);
}

/** A connection that broke while playing was alive until then: play goes on from the last proven position up to the break. */
export function creditDeparture(session: Session): void {
  const elapsedMs = session.nowAt - session.anchorAt;
  if (session.anchorMs < 0 || elapsedMs <= 0) return;
  credit(session, session.anchorMs + Math.floor((elapsedMs * session.rateMilli) / 1_000), session.anchorAt);
}

/** Ends the section being played, if there is one. */
export function closeSection(session: Session): void {
  if (session.openFromMs < 0) return;
  session.run = runOfOpen(session);
  addSection(session);
  session.contiguousAtMs = session.openToMs;
  session.openFromMs = -1;
  session.openToMs = -1;
}

/** A list that was pushed to keeps room for many more: as long as it is short it is made anew, without room. */
function addSection(session: Session): void {
  const { sections, run, openFromMs, openToMs, openAt, rateMilli } = session;
  if (sections.length < SECTION_WIDTH * SNUG_SECTIONS_MAX) session.sections = [...sections, run, openFromMs, openToMs, openAt, rateMilli];
  else sections.push(run, openFromMs, openToMs, openAt, rateMilli);
}

const runOfOpen = (session: Session): number =>
  session.contiguousAtMs >= 0 && Math.abs(session.openFromMs - session.contiguousAtMs) <= CONTIGUOUS_MAX_MS ? session.run : session.run + 1;

/** All sections up to now, flat, the one being played included. */
export const sectionsUpToNow = (session: Session): readonly number[] =>
  session.openFromMs < 0
    ? session.sections
    : [...session.sections, runOfOpen(session), session.openFromMs, session.openToMs, session.openAt, session.rateMilli];

/** Keeps room for one more section; at the limit a quarter is merged away. Returns how many were. */
export function limitSections(session: Session, sectionsMax: number): number {
  if (session.sections.length < sectionsMax * SECTION_WIDTH) return 0;
  const { merges, lostMs } = mergeNearest(session.sections, Math.floor((sectionCount(session.sections) * 3) / 4));
  session.mergedMs += lostMs;
  return merges;
}
