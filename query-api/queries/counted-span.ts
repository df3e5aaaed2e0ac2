// What a question about counted events means for its site: the zone, where its three cut-offs lie, and since when there is anything.
import { COUNTED_PROTOCOL } from '../../schemas/door-sessions.ts';
import { isoOf } from '../core/civil.ts';
import { type Bound, bound } from './bound.ts';

/** Cut-offs as epoch ms; `oldest` the UTC day of the oldest event that may count, null = none does. */
export type CountedSpanRow = { timezone: string; daily: number; weekly: number; monthly: number; oldest: string | null };

/** So many days, weeks and calendar months before now on the site's clock, or the site's MAX_AGE (door setting `maxAgeMs`) if that is less. */
export const countedSpan = (asked: { site: string; type: string; lookback: number; nowMs: number }): Bound<CountedSpanRow> =>
  bound(
    'counted_span',
    `WITH zone AS (
  SELECT timezone, $2::timestamptz AT TIME ZONE timezone AS now, ${OLDEST_KEPT('$1::text', '$2::timestamptz')} AS kept FROM sites WHERE site = $1::text
)
SELECT timezone, greatest((now - make_interval(days => $3::int)) AT TIME ZONE timezone, kept) AS daily,
  greatest((now - make_interval(weeks => $3::int)) AT TIME ZONE timezone, kept) AS weekly,
  greatest((now - make_interval(months => $3::int)) AT TIME ZONE timezone, kept) AS monthly,
  (SELECT min(r.day) FROM rollup_events_daily r WHERE r.site = $1::text AND r.door = '${COUNTED_PROTOCOL}' AND r.type = $4::text
    AND r.last_append_at > coalesce((SELECT flushed_at FROM event_flushes
      WHERE site = $1::text AND protocol = '${COUNTED_PROTOCOL}' AND type = $4::text), '-infinity')) AS oldest
FROM zone`,
    [asked.site, isoOf(asked.nowMs), asked.lookback, asked.type],
  );

/** Events older than this are not shown: null without a MAX_AGE above 0. */
export const OLDEST_KEPT = (site: string, now: string): string =>
  `(SELECT ${now} - make_interval(secs => (d.settings ->> 'maxAgeMs')::float8 / 1000) FROM site_doors d
    WHERE d.site = ${site} AND d.protocol = '${COUNTED_PROTOCOL}' AND jsonb_typeof(d.settings -> 'maxAgeMs') = 'number'
      AND (d.settings ->> 'maxAgeMs')::float8 BETWEEN 1 AND 1e13)`;
