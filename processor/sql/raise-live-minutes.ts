import type { Statement } from '../../infra/runtime/ports.ts';

/** Keeps the largest number of viewers seen per site, partition and minute of stream time. */
export const raiseLiveMinutes: Statement<
  [partition: number, minuteMs: number, sites: readonly string[], viewers: readonly number[]],
  never
> = {
  name: 'processor_raise_live_minutes',
  text: `
    INSERT INTO live_minutes AS m (site, minute, partition, viewers)
    SELECT u.site, to_timestamp($2::float8 / 1000), $1, u.viewers FROM unnest($3::text[], $4::integer[]) AS u (site, viewers)
    ON CONFLICT (site, minute, partition) DO UPDATE SET viewers = greatest(m.viewers, excluded.viewers)`,
};
