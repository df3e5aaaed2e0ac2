import type { Statement } from '../../infra/runtime/ports.ts';

/** Second half of rewriting a partition's live viewers. */
export const writeLiveViewers: Statement<
  [partition: number, sites: readonly string[], videos: readonly string[], viewers: readonly number[]],
  never
> = {
  name: 'processor_write_live_viewers',
  text: `
    INSERT INTO live_viewers (partition, site, video, viewers)
    SELECT $1, u.site, u.video, u.viewers FROM unnest($2::text[], $3::text[], $4::integer[]) AS u (site, video, viewers)`,
};
