// The raw beacons of one session id, in log order.
import { type Bound, bound } from './bound.ts';

export type SessionBeaconRow = { append_at: number; partition: number; log_offset: number; payload: Buffer };

/** Most beacons decoded for one answer. */
export const SESSION_BEACONS_MAX = 20_000;

export const sessionBeacons = (site: string, session: string): Bound<SessionBeaconRow> =>
  bound(
    'session_beacons',
    `SELECT append_at, partition, log_offset, payload FROM beacons WHERE site = $1::text AND session = $2::text
ORDER BY append_at, partition, log_offset LIMIT ${SESSION_BEACONS_MAX + 1}`,
    [site, session],
  );
