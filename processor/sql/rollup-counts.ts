// The additive columns that rollup_daily and rollup_hourly share, in one order for both statements.

export const ROLLUP_COUNTS = [
  'sessions',
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
  'bitrate_known_ms',
  'switches_up',
  'switches_down',
  'supplements',
  'views',
] as const;
export type RollupCount = (typeof ROLLUP_COUNTS)[number];

/** `$n::bigint[], …` for the counts, from parameter n on. */
export const countParameters = (first: number): string => ROLLUP_COUNTS.map((_count, index) => `$${first + index}::bigint[]`).join(', ');

/** `a = r.a + excluded.a, …` and the merge of the startup histograms. */
export const COUNT_MERGE = `${ROLLUP_COUNTS.map((count) => `${count} = r.${count} + excluded.${count}`).join(', ')},
      startup_counts = CASE WHEN excluded.startup_counts = '{}' THEN r.startup_counts
        WHEN r.startup_counts = '{}' THEN excluded.startup_counts ELSE array_add(r.startup_counts, excluded.startup_counts) END`;
