// What the fold must know of a door: the few protocols whose beacons leave out something that the others tell (protocols.md).
import type { Protocol } from '../../schemas/beacon.ts';

/** Doors without heartbeats: a player that falls silent is credited one interval, ms (sections 2 and 3). */
const SILENT_CREDIT_MS: Partial<Record<Protocol, number>> = { mave: 5_000, mave_socket: 5_000 };

/** Doors that do not report every seek: a jump that time forbids is one (sections 2, 3 and 5). */
const JUMPS_ARE_SEEKS: Partial<Record<Protocol, boolean>> = { mave: true, mave_socket: true, peertube: true };

/** Credit for silence at a door, ms of elapsed time; 0 where it has heartbeats. */
export const silentCreditMs = (protocol: string): number => SILENT_CREDIT_MS[protocol as Protocol] ?? 0;

export const jumpsAreSeeks = (protocol: string): boolean => JUMPS_ARE_SEEKS[protocol as Protocol] ?? false;
