// Startup, stalls, renditions and errors of a session. Source of the definitions: CTA-2066, as written in SPEC.md.
import type { BeaconEvent } from '../../schemas/beacon.ts';
import { stallMinMs } from './doors.ts';
import type { Session } from './state.ts';

/** First frame: counts the play and, where play was asked for, the startup time. */
export function firstFrame(session: Session, at: number, announced: boolean): void {
  if (session.played) return;
  session.played = true;
  if (announced && session.attemptAt >= 0) session.startupMs = Math.max(0, at - session.attemptAt);
}

/** A stall begins. Only ever called while playing, so never during startup or within a seek. */
export function openStall(session: Session): void {
  session.stalls++;
  session.stallAt = session.nowAt;
}

/** The stall, if there is one, ends at that event time. */
export function closeStall(session: Session, at: number): void {
  if (session.stallAt < 0) return;
  const stalledMs = Math.max(0, at - session.stallAt);
  if (stalledMs < stallMinMs(session.context.protocol)) session.stalls--;
  else session.stallMs += stalledMs;
  session.stallAt = -1;
}

/** Stalled time up to now, an open stall included. */
export const stallMsUpToNow = (session: Session): number => session.stallMs + (session.stallAt < 0 ? 0 : session.nowAt - session.stallAt);

/** A rendition starts: counts the switch and the bitrate in force from here on. */
export function switchRendition(session: Session, bitrateBps: number): void {
  if (bitrateBps < 0) return;
  const kbps = Math.round(bitrateBps / 1_000);
  if (session.bitrateKbps >= 0 && kbps > session.bitrateKbps) session.switchesUp++;
  if (session.bitrateKbps >= 0 && kbps < session.bitrateKbps) session.switchesDown++;
  session.bitrateKbps = kbps;
}

/** Counts an error by code and fatality. False = it is a new pair and the limit is reached: it is counted under the empty code. */
export function countError(session: Session, event: BeaconEvent, errorsMax: number): boolean {
  const code = event.detail?.code ?? '';
  const fatal = isFatal(event);
  const known = session.errors.find((error) => error.code === code && error.fatal === fatal);
  if (known !== undefined) {
    known.count++;
    return true;
  }
  if (session.errors.length < errorsMax) {
    session.errors = [...session.errors, { code, fatal, count: 1 }];
    return true;
  }
  const rest = session.errors.find((error) => error.code === '' && error.fatal === fatal);
  if (rest === undefined) session.errors = [...session.errors, { code: '', fatal, count: 1 }];
  else rest.count++;
  return false;
}

export const isFatal = (event: BeaconEvent): boolean => event.type === 'error' && event.detail !== null && event.detail.flag === 1;

/** A fatal error before the first frame spoils the start, after it the playback. */
export function markFailure(session: Session): void {
  if (session.played) session.failedAfterStart = true;
  else session.failedBeforeStart = true;
}
