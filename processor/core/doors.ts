// What the fold must know of a door: the few protocols whose beacons leave out something that the others tell (protocols.md).
import type { Protocol } from '../../schemas/beacon.ts';
import type { ControlledSetting } from './settings.ts';

/** Where a door's sessions close otherwise than ours (protocols.md 0.2); control records change it like any setting. */
const DOOR_SETTINGS: Partial<Record<Protocol, Partial<Record<ControlledSetting, number>>>> = {
  mave_socket: { leaveLingerMs: 60_000 },
  peertube: { idleGapMs: 3_600_000 },
  mux: { idleGapMs: 3_600_000 },
};

/** What a door sets differently; -1 = nothing. */
export const doorSetting = (protocol: string, name: ControlledSetting): number => DOOR_SETTINGS[protocol as Protocol]?.[name] ?? -1;

/** Client times older than this are not believed, ms (protocols.md 0.3, section 8). */
const BACKDATE_MAX_MS: Partial<Record<Protocol, number>> = { ga4: 259_200_000 };
const BACKDATE_DEFAULT_MAX_MS = 86_400_000;
export const backdateMaxMs = (protocol: string): number => BACKDATE_MAX_MS[protocol as Protocol] ?? BACKDATE_DEFAULT_MAX_MS;

/** Doors without heartbeats: a player that falls silent is credited one interval, ms (sections 2 and 3). */
const SILENT_CREDIT_MS: Partial<Record<Protocol, number>> = { mave: 5_000, mave_socket: 5_000 };

/** Doors that do not report every seek: a jump that time forbids is one (sections 2, 3 and 5). */
const JUMPS_ARE_SEEKS: Partial<Record<Protocol, boolean>> = { mave: true, mave_socket: true, peertube: true };

/** Credit for silence at a door, ms of elapsed time; 0 where it has heartbeats. */
export const silentCreditMs = (protocol: string): number => SILENT_CREDIT_MS[protocol as Protocol] ?? 0;

export const jumpsAreSeeks = (protocol: string): boolean => JUMPS_ARE_SEEKS[protocol as Protocol] ?? false;

/** Doors whose events have nothing to do with each other: a custom event keeps its own client time, however old (section 6). */
const OWN_TIMES: Partial<Record<Protocol, boolean>> = { analytics_engine: true };

export const keepsOwnTimes = (protocol: string): boolean => OWN_TIMES[protocol as Protocol] ?? false;
