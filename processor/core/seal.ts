// When and why a session is sealed, and the record that is left of it.
import type { SealReason, SessionPart } from '../../schemas/session.ts';
import { visitSession } from '../../schemas/visits.ts';
import { boundOf } from './context.ts';
import { silentPlayMs } from './doors.ts';
import type { ProvisionalSession } from './outputs.ts';
import { sectionsUpToNow } from './proof.ts';
import { stallMsUpToNow } from './quality.ts';
import { totalMs, toWatchSections, uniqueMs } from './sections.ts';
import { finishSession } from './session.ts';
import { settingOf } from './settings.ts';
import type { Session, State } from './state.ts';
import { FLAG_ATTEMPTED, FLAG_COMPLETED, FLAG_PLAYBACK_FAILED, FLAG_PLAYED, FLAG_START_FAILED } from './state.ts';

/** A play is complete within this of the end, or within a hundredth of the duration. */
const COMPLETION_MS = 1_000;

/** Log-active time at which the part is sealed if nothing more comes. */
export function sessionDeadline(state: State, session: Session): number {
  return Math.min(session.lastAtActive + waitOf(state, session), session.openedAtActive + settingFor(state, session, 'ageMaxMs'));
}

/** Why it is sealed at its deadline. */
export function deadlineReason(state: State, session: Session): SealReason {
  const ageAt = session.openedAtActive + settingFor(state, session, 'ageMaxMs');
  if (ageAt < session.lastAtActive + waitOf(state, session)) return 'age';
  if (session.state === 'left') return 'leave';
  return session.state === 'ended' ? 'ended' : 'idle';
}

function waitOf(state: State, session: Session): number {
  if (session.state === 'left') return settingFor(state, session, 'leaveLingerMs');
  return settingFor(state, session, session.state === 'ended' ? 'endedLingerMs' : 'idleGapMs') + silenceOf(session);
}

/** How long a playing player of a door without heartbeats stays silent by nature; 0 for all others. */
export function silenceOf(session: Session): number {
  if (session.state !== 'playing') return 0;
  const { context, video, anchorMs, rateMilli } = session;
  return silentPlayMs(context.protocol, boundOf(context.durationMs > 0 ? context : video), anchorMs, rateMilli);
}

const settingFor = (state: State, session: Session, name: Parameters<typeof settingOf>[1]): number =>
  settingOf(state, name, session.stream.site, session.context.protocol);

/** Frames move, or would if the network let them: what "viewers now" counts. */
export const isPlaying = (session: Session): boolean =>
  session.state === 'playing' || session.state === 'stalled' || session.state === 'seeking';

/** The part as it would be sealed now: only what is proven, and no exit before start while it may still start. */
export const provisionalOf = (session: Session): ProvisionalSession => ({
  part: partOf(session, session.state === 'left' || session.state === 'failed'),
  playing: isPlaying(session),
});

/** The sealed part. Marks the once-only figures in the session's video, so that no later part repeats them. */
export function sealSession(session: Session): SessionPart {
  finishSession(session);
  const part = partOf(session, true);
  session.sealed = true;
  const { video } = session;
  if (part.attempts > 0) video.flags |= FLAG_ATTEMPTED;
  if (part.plays > 0) video.flags |= FLAG_PLAYED;
  if (part.completions > 0) video.flags |= FLAG_COMPLETED;
  if (part.startFailures > 0) video.flags |= FLAG_START_FAILED;
  if (part.playbackFailures > 0) video.flags |= FLAG_PLAYBACK_FAILED;
  return part;
}

/** Once-only figures of the part: never what an earlier part has counted already. */
function onceOnly(session: Session, farthestMs: number, boundMs: number, over: boolean) {
  const { flags } = session.video;
  const once = (yes: boolean, flag: number): number => (yes && (flags & flag) === 0 ? 1 : 0);
  const playedBefore = (flags & FLAG_PLAYED) !== 0;
  const reachedEnd = boundMs >= 0 && farthestMs > 0 && farthestMs >= boundMs - Math.max(COMPLETION_MS, Math.floor(boundMs / 100));
  const startFailed = session.failedBeforeStart && !session.played && !playedBefore;
  return {
    attempts: once(session.attempted || session.played, FLAG_ATTEMPTED),
    plays: once(session.played, FLAG_PLAYED),
    completions: once((session.played || playedBefore) && (session.ended || reachedEnd), FLAG_COMPLETED),
    startupMs: playedBefore ? -1 : session.startupMs,
    startFailures: once(startFailed, FLAG_START_FAILED),
    playbackFailures: once(session.failedAfterStart || (session.failedBeforeStart && playedBefore), FLAG_PLAYBACK_FAILED),
    exitsBeforeStart: over && session.part === 0 && session.attempted && !session.played && !session.failedBeforeStart ? 1 : 0,
  };
}

/** Session id of a part: that of its stream, or of its visit. */
export const sessionIdOf = ({ stream, video }: Session): string =>
  video.visitId < 0 ? stream.session : visitSession(stream.session, video.visitId);

function partOf(session: Session, over: boolean): SessionPart {
  const { stream, video, context } = session;
  const boundMs = boundOf(context.durationMs > 0 ? context : video);
  const sections = toWatchSections(sectionsUpToNow(session), boundMs);
  const totalWatchMs = Math.max(0, totalMs(sections) + session.mergedMs);
  const farthestMs = sections.reduce((farthest, { toMs }) => Math.max(farthest, toMs), 0);
  return {
    site: stream.site,
    session: sessionIdOf(session),
    video: video.video,
    part: session.part,
    startedAt: video.startedAt,
    endedAt: Math.max(session.nowAt, video.startedAt),
    ...onceOnly(session, farthestMs, boundMs, over),
    uniqueWatchMs: Math.min(totalWatchMs, uniqueMs(sections)),
    totalWatchMs,
    stalls: session.stalls,
    stallMs: stallMsUpToNow(session),
    seeks: session.seeks,
    bitrateKbpsMs: session.bitrateKbpsMs,
    bitrateKnownMs: session.bitrateKnownMs,
    switchesUp: session.switchesUp,
    switchesDown: session.switchesDown,
    errors: session.errors.map((error) => ({ ...error })),
    received: session.received,
    lost: session.lost,
    duplicates: session.duplicates,
    late: session.late,
    conflicts: session.conflicts,
    limitHits: session.limitHits,
    seqHighest: session.seqHighest,
    checksumHigh: session.checksumHigh,
    checksumLow: session.checksumLow,
    context: { ...context },
    sections,
  };
}
