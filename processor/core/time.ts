// The clocks: log time of a partition (stream time, log-active time) and event time of a session (D12, D13, D15).
import type { BeaconEvent } from '../../schemas/beacon.ts';
import { keepsOwnTimes } from './doors.ts';
import { settingOf } from './settings.ts';
import type { BeaconSource, Session, State, VideoRecord } from './state.ts';

/** An event further ahead of the gateway's clock than this was stamped by a wrong clock. Source: protocols.md 0.3. */
export const CLOCK_AHEAD_MAX_MS = 600_000;
/** A step back by less is disorder, by more the player's clock was set. */
export const CLOCK_DISORDER_MAX_MS = 60_000;
/** Instants outside [0, 2100-01-01) are not believed. */
const INSTANT_MAX = 4_102_444_800_000;

/** True for an instant that can be stored and calculated with. */
export const isInstant = (value: number): boolean => Number.isSafeInteger(value) && value >= 0 && value < INSTANT_MAX;

/** Moves both log clocks on by one record. Stream time never goes back, one step adds no more than the cap (V9). */
export function advanceLogTime(state: State, appendAt: number): void {
  if (!isInstant(appendAt) || appendAt <= state.streamTime) return;
  if (state.streamTime >= 0) state.activeTime += Math.min(appendAt - state.streamTime, state.settings.stepCapMs);
  state.streamTime = appendAt;
}

/** The event on the clock it was stamped by: the client's, or the gateway's where the beacon has no client clock. */
export const stampOf = (source: BeaconSource, event: BeaconEvent): number =>
  (source.baseAt >= 0 ? source.baseAt : source.receivedAt) + event.at;

/** How far behind receipt a client time of that site and surface may lie. */
export const backdateMaxMs = (state: State, site: string, source: BeaconSource): number =>
  settingOf(state, 'backdateMaxMs', site, source.protocol);

/** Event time of a session's first event, and what to add to the client's clock from then on. `backMaxMs`: see backdateMaxMs. */
export function anchorClock(source: BeaconSource, event: BeaconEvent, backMaxMs: number): { startedAt: number; clockShiftMs: number } {
  const stamp = stampOf(source, event);
  const clockShiftMs = source.baseAt >= 0 && source.sentAt >= 0 ? source.receivedAt - source.sentAt : 0;
  const startedAt = stamp + clockShiftMs;
  if (startedAt <= source.receivedAt + CLOCK_AHEAD_MAX_MS && startedAt >= source.receivedAt - backMaxMs && startedAt >= 0)
    return { startedAt, clockShiftMs };
  return { startedAt: source.receivedAt, clockShiftMs: source.receivedAt - stamp };
}

/** Event time of an event before it is fitted into its session. */
export const eventTime = (video: VideoRecord, source: BeaconSource, event: BeaconEvent): number =>
  stampOf(source, event) + (source.baseAt >= 0 ? video.clockShiftMs : 0);

/** Event time at which a supplement opens: never before its session's start, and on a corrected clock if the client's went astray. */
export function supplementTime(video: VideoRecord, source: BeaconSource, event: BeaconEvent, backMaxMs: number): number {
  const at = eventTime(video, source, event);
  if (at <= source.receivedAt + CLOCK_AHEAD_MAX_MS && at >= source.receivedAt - backMaxMs) return Math.max(at, video.startedAt);
  if (source.baseAt >= 0) video.clockShiftMs += source.receivedAt - at;
  return Math.max(source.receivedAt, video.startedAt);
}

/**
 * Moves a session's event time to this event. It never goes back: small steps back are disorder and count as no time, large ones and
 * steps far ahead of the gateway's clock mean that the player's clock was set, and the shift is corrected. True = the event is
 * older than the one before it.
 */
export function advanceEventTime(session: Session, source: BeaconSource, event: BeaconEvent): boolean {
  const video = session.video;
  let at = eventTime(video, source, event);
  if (at > source.receivedAt + CLOCK_AHEAD_MAX_MS && at > session.nowAt) {
    const corrected = Math.max(session.nowAt, source.receivedAt);
    if (source.baseAt >= 0) video.clockShiftMs += corrected - at;
    at = corrected;
  }
  if (at < session.nowAt) {
    if (source.baseAt >= 0 && session.nowAt - at > CLOCK_DISORDER_MAX_MS) video.clockShiftMs += session.nowAt - at;
    return true;
  }
  session.nowAt = at;
  return false;
}

/** Event time of a custom event: its session's, except at doors whose events have nothing to do with each other. */
export function customTime(state: State, session: Session, source: BeaconSource, event: BeaconEvent): number {
  if (!keepsOwnTimes(source.protocol)) return session.nowAt;
  const at = stampOf(source, event);
  const backMaxMs = settingOf(state, 'backdateMaxMs', session.stream.site, source.protocol, Number.POSITIVE_INFINITY);
  return isInstant(at) && at <= source.receivedAt + CLOCK_AHEAD_MAX_MS && at >= source.receivedAt - backMaxMs ? at : source.receivedAt;
}
