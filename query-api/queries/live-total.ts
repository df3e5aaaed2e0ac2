// Everybody who watches now, on all sites: for whoever watches the servers.
import { type Bound, bound } from './bound.ts';

export const liveTotal = (): Bound<{ viewers: number }> =>
  bound('live_total', 'SELECT coalesce(sum(viewers), 0)::int8 AS viewers FROM live_viewers', []);
