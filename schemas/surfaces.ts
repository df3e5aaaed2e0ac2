// The surfaces that players speak to and the times at which theirs differ from everybody's: how long a session may be silent, how long its
// end waits for stragglers, how old a client time may be. The gateway that counts and the fold that decides must agree, so it is part
// of the contract. Source: protocols.md 0.2 and 0.3. Imports types only.
import type { Protocol } from './beacon.ts';

/** Times of one surface, ms; an absent one is that of all surfaces (FOLD_SETTINGS_DEFAULT). */
export type SurfaceTimes = {
  /** Silence after which a session is sealed; at measurement protocols also what ends a visit. */
  idleGapMs?: number;
  /** Wait for stragglers after a session was left. */
  leaveLingerMs?: number;
  /** Wait after the end of the media was reached. */
  endedLingerMs?: number;
  /** Wait for a missing sequence number; at mave for anything older. */
  graceMs?: number;
  /** A client time further behind receipt than this is not believed. */
  backdateMaxMs?: number;
};

/** What surfaces set by themselves. */
export const SURFACE_TIMES: Readonly<Partial<Record<Protocol, Readonly<SurfaceTimes>>>> = Object.freeze({
  // Every event waits this long for older ones, not only what comes after a gap: figures must not come much later than they happen.
  mave: Object.freeze({ graceMs: 5_000 }),
  // The client may come back with the same session (section 3).
  mave_socket: Object.freeze({ leaveLingerMs: 60_000 }),
  // A viewer that has reached the end is the same viewer until its idle gap (section 5).
  peertube: Object.freeze({ idleGapMs: 3_600_000, endedLingerMs: 3_600_000 }),
  ga4: Object.freeze({ backdateMaxMs: 259_200_000 }),
  mux: Object.freeze({ idleGapMs: 3_600_000 }),
});

/** How old a client time may be where its surface says nothing else, ms. */
export const BACKDATE_DEFAULT_MAX_MS = 86_400_000;

/** How old a client time of a surface may be where nothing else is set, ms: events of Analytics Engine keep theirs, however old (section 6). */
export const backdateUnsetMs = (surface: Surface): number =>
  SURFACE_TIMES[surface]?.backdateMaxMs ?? (surface === 'analytics_engine' ? Number.POSITIVE_INFINITY : BACKDATE_DEFAULT_MAX_MS);

/** Surfaces with a door: their settings are PLAYHEAD_<NAME>_IDLE_GAP_MS, _LINGER_MS and _BACKDATE_MAX_MS, the name in capitals. */
export const SURFACES = ['native', 'mave', 'mave_socket', 'peertube', 'analytics_engine', 'microticks', 'ga', 'ga4'] as const;
export type Surface = (typeof SURFACES)[number];

/** Surfaces on which reaching the end closes nothing: the wait after it is their idle gap. */
export const ENDED_IS_IDLE: ReadonlySet<string> = new Set<Surface>(['peertube']);
