import type { Statement } from '../../infra/runtime/ports.ts';
import { COUNT_MERGE, countParameters, ROLLUP_COUNTS } from './rollup-counts.ts';

const COUNTS = ROLLUP_COUNTS.join(', ');

/**
 * Adds to the hourly totals. Parameters: partition, then one array per column: site, scope, video, hour (epoch ms), watch_class,
 * the counts in ROLLUP_COUNTS order, startup_counts as array literals.
 */
export const upsertRollupHourly: Statement<readonly unknown[], never> = {
  name: 'processor_upsert_rollup_hourly',
  text: `
    INSERT INTO rollup_hourly AS r (site, scope, video, hour, watch_class, partition, ${COUNTS}, startup_counts)
    SELECT site, scope, video, to_timestamp(hour_ms::float8 / 1000), watch_class, $1, ${COUNTS}, startup_counts::integer[]
    FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::smallint[], ${countParameters(7)},
      $${7 + ROLLUP_COUNTS.length}::text[])
      AS u (site, scope, video, hour_ms, watch_class, ${COUNTS}, startup_counts)
    ON CONFLICT (site, scope, video, hour, watch_class, partition) DO UPDATE SET ${COUNT_MERGE}`,
};
