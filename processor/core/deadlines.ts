// What the passing of log-active time does to streams: gaps are given up, parts are sealed, tombstones expire. Also sealing early, at a
// limit or on order. Everything here happens in an order given by explicit keys, never by a map's.
import type { SealReason } from '../../schemas/session.ts';
import { foldPastGap, foldWaited } from './beacon.ts';
import type { Step } from './emit.ts';
import { emitDuplicates, emitSealed } from './emit.ts';
import { heldDeadline } from './held.ts';
import { sweepQueue } from './publish.ts';
import { deadlineReason, sessionDeadline } from './seal.ts';
import { settingOf } from './settings.ts';
import type { PendingEvent, Session, State, Stream } from './state.ts';
import { graceDeadline, isWaiting } from './stream.ts';
import { createWheel, takeDue, watch } from './wheel.ts';

/** At a limit one in this many is let go at once, so that finding them costs little each. */
const EVICTION_SHARE = 8;

/** The next thing that happens to the stream by time alone, as log-active time. */
export function streamDeadline(state: State, stream: Stream): number {
  let deadline = waitDeadline(state, stream);
  for (const session of stream.sessions) deadline = Math.min(deadline, sealDeadline(state, session));
  return stream.dormant ? stream.lastAtActive + state.settings.tombstoneMs : deadline;
}

/** When a part is due. Events that wait for others are signs of life: until they are folded nothing of the stream is sealed (V5). */
function sealDeadline(state: State, session: Session): number {
  const deadline = sessionDeadline(state, session);
  return isWaiting(session.stream) ? Math.max(deadline, waitDeadline(state, session.stream)) : deadline;
}

/** When the wait for others is over: for a missing number, or for what is older. */
const waitDeadline = (state: State, stream: Stream): number => Math.min(gapDeadline(state, stream), orderDeadline(state, stream));

function gapDeadline(state: State, stream: Stream): number {
  const first = stream.pending[0];
  return first === undefined ? Number.POSITIVE_INFINITY : graceDeadline(stream, graceFor(state, stream, first));
}

function orderDeadline(state: State, stream: Stream): number {
  const first = stream.held[0];
  return first === undefined ? Number.POSITIVE_INFINITY : heldDeadline(stream, graceFor(state, stream, first));
}

const graceFor = (state: State, stream: Stream, { source }: PendingEvent): number =>
  settingOf(state, 'graceMs', stream.site, source.protocol);

/** Folds on after a wait that is over: what waited for older events, else past the gap. */
function foldAfterWait(step: Step, stream: Stream): void {
  const { state } = step;
  const first = stream.held[0];
  if (first === undefined || orderDeadline(state, stream) > gapDeadline(state, stream)) return foldPastGap(step, stream);
  foldWaited(step, stream, state.activeTime - graceFor(state, stream, first));
}

/** Fires all that is due, ordered by (deadline, site, session, video, part). */
export function fireDue(step: Step): void {
  const { state } = step;
  const due = takeDue(state.wheel, state.activeTime, (stream: Stream) => streamDeadline(state, stream));
  if (due.length === 0) return;
  const queue = due.map((stream) => ({ stream, deadline: streamDeadline(state, stream) }));
  queue.sort((a, b) => a.deadline - b.deadline || compareStreams(a.stream, b.stream));
  for (const { stream } of queue) fireStream(step, stream);
}

/** Brings a stream's bookkeeping up to date after anything has happened to it. */
export function settleStream(state: State, stream: Stream): void {
  const dormant = stream.sessions.length === 0 && !isWaiting(stream);
  if (dormant !== stream.dormant) {
    stream.dormant = dormant;
    state.tombstones += dormant ? 1 : -1;
  }
  watch(state.wheel, stream, streamDeadline(state, stream));
}

function fireStream(step: Step, stream: Stream): void {
  const { state } = step;
  while (streamDeadline(state, stream) <= state.activeTime) {
    if (stream.dormant) return forget(step, stream);
    const session = earliestDue(state, stream);
    if (session === undefined) foldAfterWait(step, stream);
    else emitSealed(step, session, deadlineReason(state, session));
    sweepQueue(state);
    settleStream(state, stream);
  }
  settleStream(state, stream);
}

/** The part that is due first; undefined = the end of a wait comes first. */
function earliestDue(state: State, stream: Stream): Session | undefined {
  let earliest: Session | undefined;
  let deadline = waitDeadline(state, stream);
  for (const session of stream.sessions) {
    const at = sealDeadline(state, session);
    if (at < deadline || (at === deadline && earliest !== undefined && compareSessions(session, earliest) < 0)) {
      earliest = session;
      deadline = at;
    }
  }
  return earliest;
}

/** Drops a tombstone. Copies that were held for a session that never opened are told first. */
function forget(step: Step, stream: Stream): void {
  emitDuplicates(step, stream, stream.heldDuplicates, stream.heldConflicts);
  step.state.streams.delete(stream.key);
  step.state.tombstones--;
  stream.dormant = false;
  stream.timerAt = -1;
}

/** Seals the longest silent parts, or forgets the oldest tombstones, when a partition holds too many (D33). */
export function keepWithinLimits(step: Step): void {
  const { state } = step;
  const { openSessionsMax, tombstonesMax } = state.settings;
  if (state.openSessions > openSessionsMax) {
    const sessions = openSessionsOf(state);
    const count = sessions.length - openSessionsMax + Math.floor(openSessionsMax / EVICTION_SHARE);
    sessions.sort((a, b) => a.lastAtActive - b.lastAtActive || compareSessions(a, b));
    state.limits.openSessionsMax += count;
    sealAll(step, sessions.slice(0, count), 'size');
  }
  if (state.tombstones > tombstonesMax) {
    const tombstones = [...state.streams.values()].filter((stream) => stream.dormant);
    const count = tombstones.length - tombstonesMax + Math.floor(tombstonesMax / EVICTION_SHARE);
    tombstones.sort((a, b) => a.lastAtActive - b.lastAtActive || compareStreams(a, b));
    state.limits.tombstonesMax += count;
    for (const stream of tombstones.slice(0, count)) forget(step, stream);
    rebuildWheel(state);
  }
}

/** Builds the wheel anew, so that it holds no stream that is forgotten and none too late. */
export function rebuildWheel(state: State): void {
  state.wheel = createWheel(state.activeTime);
  for (const stream of state.streams.values()) {
    stream.timerAt = -1;
    watch(state.wheel, stream, streamDeadline(state, stream));
  }
}

/** Seals every open part of a site and protocol ('' = every one), after giving up what is missing (an operator's close_all). */
export function closeAll(step: Step, site: string, protocol: string): void {
  const { state } = step;
  const streams = [...state.streams.values()]
    .filter((stream) => !stream.dormant && (site === '' || stream.site === site))
    .sort(compareStreams);
  for (const stream of streams) {
    while (stream.pending.length > 0 && isOf(stream.pending[0] as PendingEvent, protocol)) foldPastGap(step, stream);
    if (stream.held.length > 0 && isOf(stream.held[0] as PendingEvent, protocol)) foldWaited(step, stream, state.activeTime);
    settleStream(state, stream);
  }
  const sessions = streams
    .flatMap((stream) => stream.sessions)
    .filter((session) => protocol === '' || session.context.protocol === protocol);
  sealAll(step, sessions.sort(compareSessions), 'closed');
}

const isOf = (pending: PendingEvent, protocol: string): boolean => protocol === '' || pending.source.protocol === protocol;

function sealAll(step: Step, sessions: readonly Session[], reason: SealReason): void {
  for (const session of sessions) {
    if (session.sealed) continue;
    if (reason === 'size') session.limitHits++;
    emitSealed(step, session, reason);
    settleStream(step.state, session.stream);
  }
}

/** All open parts, in no order. */
export function openSessionsOf(state: State): Session[] {
  const sessions: Session[] = [];
  for (const stream of state.streams.values()) for (const session of stream.sessions) sessions.push(session);
  return sessions;
}

/** Order of text by UTF-16 unit: the same on every machine. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** By site and session; within a site keys differ in their sessions only. */
export const compareStreams = (a: Stream, b: Stream): number => compareText(a.site, b.site) || compareText(a.key, b.key);

export const compareSessions = (a: Session, b: Session): number =>
  compareStreams(a.stream, b.stream) || compareText(a.video.video, b.video.video) || a.video.visitId - b.video.visitId || a.part - b.part;
