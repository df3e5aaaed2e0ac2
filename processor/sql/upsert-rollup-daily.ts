import type { Statement } from '../../infra/runtime/ports.ts';
import { COUNT_MERGE, countParameters, ROLLUP_COUNTS } from './rollup-counts.ts';

const COUNTS = ROLLUP_COUNTS.join(', ');

/**
 * Adds to the daily rows. Parameters: partition, then one array per column: site, scope, video, dimension, day (days since 1970-01-01),
 * value, watch_class, the counts in ROLLUP_COUNTS order, startup_counts as array literals ('{0,1}').
 */
export const upsertRollupDaily: Statement<readonly unknown[], never> = {
  name: 'processor_upsert_rollup_daily',
  text: `
    INSERT INTO rollup_daily AS r (site, scope, video, dimension, day, value, watch_class, partition, ${COUNTS}, startup_counts)
    SELECT site, scope, video, dimension, DATE '1970-01-01' + day, value, watch_class, $1, ${COUNTS}, startup_counts::integer[]
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[], $8::smallint[], ${countParameters(9)},
      $${9 + ROLLUP_COUNTS.length}::text[])
      AS u (site, scope, video, dimension, day, value, watch_class, ${COUNTS}, startup_counts)
    ON CONFLICT (site, scope, video, dimension, day, value, watch_class, partition) DO UPDATE SET ${COUNT_MERGE}`,
};
