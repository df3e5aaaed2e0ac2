// I7: hours and sites where the rollups and the session rows disagree; streams are no sessions. Partitions are summed, since closed days may be merged over
// them. $1: only hours that begin since then, null = all.
import { STREAM_PROTOCOLS } from '../../../schemas/door-sessions.ts';
import type { Statement } from '../../runtime/ports.ts';

export type RollupAuditRow = { site: string; hour: number; figure: string; rollup: number; rows: number };

const FIGURES = [
  'sessions',
  'supplements',
  'attempts',
  'plays',
  'unique_watch_ms',
  'total_watch_ms',
  'completions',
  'stalls',
  'stall_ms',
  'start_failures',
  'playback_failures',
  'exits_before_start',
  'bitrate_kbps_ms',
  'switches_up',
  'switches_down',
] as const;

const ofRows = (figure: string): string => {
  if (figure === 'sessions') return 'count(*) FILTER (WHERE part = 0)';
  return figure === 'supplements' ? 'count(*) FILTER (WHERE part > 0)' : `sum(${figure})`;
};
const both = FIGURES.map((figure) => `('${figure}', coalesce(r.${figure}, 0)::bigint, coalesce(s.${figure}, 0)::bigint)`).join(', ');

/** Most differences listed. */
export const ROLLUP_DIFFERENCES_MAX = 100;

export const auditRollups: Statement<[since: string | null], RollupAuditRow> = {
  name: 'cli-audit-rollups',
  text: `WITH r AS (
  SELECT site, hour, ${FIGURES.map((figure) => `sum(${figure}) AS ${figure}`).join(', ')}
  FROM rollup_hourly WHERE scope = 'site' AND ($1::timestamptz IS NULL OR hour >= $1::timestamptz) GROUP BY site, hour
), s AS (
  SELECT site, date_trunc('hour', started_at, 'UTC') AS hour, ${FIGURES.map((figure) => `${ofRows(figure)} AS ${figure}`).join(', ')}
  FROM sessions WHERE protocol <> ALL ('{${STREAM_PROTOCOLS.join(',')}}'::text[])
    AND ($1::timestamptz IS NULL OR date_trunc('hour', started_at, 'UTC') >= $1::timestamptz) GROUP BY 1, 2
)
SELECT site, hour, v.figure, v.rollup, v.rows
FROM r FULL JOIN s USING (site, hour), LATERAL (VALUES ${both}) AS v (figure, rollup, rows)
WHERE v.rollup <> v.rows ORDER BY site, hour, v.figure LIMIT ${ROLLUP_DIFFERENCES_MAX}`,
};
