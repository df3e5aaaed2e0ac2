import type { Statement } from '../../infra/runtime/ports.ts';

export type UpsertEngagementParams = [
  partition: number,
  sites: readonly string[],
  videos: readonly string[],
  days: readonly number[],
  durationsMs: readonly number[],
  plays: readonly number[],
  playSteps: readonly string[],
  watchSteps: readonly string[],
  supplements: readonly number[],
];

/** Adds to the difference arrays of video-days; steps come as array literals of 101 cells, days as days since 1970-01-01. */
export const upsertRollupEngagement: Statement<UpsertEngagementParams, never> = {
  name: 'processor_upsert_rollup_engagement',
  text: `
    INSERT INTO rollup_engagement AS r (site, video, day, duration_ms, partition, plays, play_steps, watch_steps, supplements)
    SELECT site, video, DATE '1970-01-01' + day, duration_ms, $1, plays, play_steps::integer[], watch_steps::integer[], supplements
    FROM unnest($2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::bigint[])
      AS u (site, video, day, duration_ms, plays, play_steps, watch_steps, supplements)
    ON CONFLICT (site, video, day, duration_ms, partition) DO UPDATE SET
      plays = r.plays + excluded.plays, supplements = r.supplements + excluded.supplements,
      play_steps = array_add(r.play_steps, excluded.play_steps), watch_steps = array_add(r.watch_steps, excluded.watch_steps)`,
};
