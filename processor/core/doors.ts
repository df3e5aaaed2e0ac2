// What the fold must know of a door: the few protocols whose beacons leave out something that the others tell (protocols.md).
import type { Protocol } from '../../schemas/beacon.ts';

/** Doors without heartbeats: a player that falls silent is credited one interval, ms (sections 2 and 3). */
const SILENT_CREDIT_MS: Partial<Record<Protocol, number>> = { mave: 5_000, mave_socket: 5_000 };

/** Doors that do not report every seek: a jump that time forbids is one (sections 2, 3 and 5). */
const JUMPS_ARE_SEEKS: Partial<Record<Protocol, boolean>> = { mave: true, mave_socket: true, peertube: true };

/** Doors whose players do not tell their playback rate: the fastest that they offer, x 1000 (section 5). */
const RATE_UNTOLD_MILLI: Partial<Record<Protocol, number>> = { peertube: 2_000 };

/** Doors of a connection that can break and come back: `leave` is a departure that a sign of life undoes (section 3). */
const DEPARTURES_RETURN: Partial<Record<Protocol, boolean>> = { mave_socket: true };

/** Stalls shorter than this are noise of the client's own polling, ms (section 3). */
const STALL_MIN_MS: Partial<Record<Protocol, number>> = { mave_socket: 250 };

/** How long a player of a silent door may play on without a word where the duration is unknown (live), ms. */
const SILENT_PLAY_MAX_MS = 14_400_000;

/** Credit for silence at a door, ms of elapsed time; 0 where it has heartbeats. */
export const silentCreditMs = (protocol: string): number => SILENT_CREDIT_MS[protocol as Protocol] ?? 0;

export const jumpsAreSeeks = (protocol: string): boolean => JUMPS_ARE_SEEKS[protocol as Protocol] ?? false;

export const departuresReturn = (protocol: string): boolean => DEPARTURES_RETURN[protocol as Protocol] ?? false;

export const stallMinMs = (protocol: string): number => STALL_MIN_MS[protocol as Protocol] ?? 0;

/**
 * How long a playing player can still play without a word, ms of log-active time: 0 where the door has heartbeats, else to the end of
 * the media (`boundMs` -1 = unknown) from the last proven position.
 */
export function silentPlayMs(protocol: string, boundMs: number, positionMs: number, rateMilli: number): number {
  if (silentCreditMs(protocol) === 0) return 0;
  if (boundMs < 0) return SILENT_PLAY_MAX_MS;
  return Math.min(SILENT_PLAY_MAX_MS, Math.ceil((Math.max(0, boundMs - Math.max(0, positionMs)) * 1_000) / rateMilli));
}

/** Doors whose events have nothing to do with each other: a custom event keeps its own client time, however old (section 6). */
const OWN_TIMES: Partial<Record<Protocol, boolean>> = { analytics_engine: true };

export const keepsOwnTimes = (protocol: string): boolean => OWN_TIMES[protocol as Protocol] ?? false;

/** Doors whose clients leave out a position of 0: a first frame without a position is at the beginning (section 8). */
const ZERO_UNTOLD: Partial<Record<Protocol, boolean>> = { ga: true, ga4: true };

/** Where play begins if the first `playing` does not say it, ms; -1 = unknown. */
export const firstPositionMs = (protocol: string): number => ((ZERO_UNTOLD[protocol as Protocol] ?? false) ? 0 : -1);

/** The rate, x 1000, that advances at a door may have without a word; 0 where players tell their rate. */
export const rateUntoldMilli = (protocol: string): number => RATE_UNTOLD_MILLI[protocol as Protocol] ?? 0;
