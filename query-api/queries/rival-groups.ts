// Consumer groups that claim the same partitions from one another: two clusters on one database by mistake (F36). The primary key gives
// the latest claims of each partition.
import { type Bound, bound } from './bound.ts';

/** `groups` in alphabetical order, joined by `, `. */
export type RivalGroupsRow = { groups: string; partitions: number; claims: number };

/** Claims before this are history. */
export const RIVALRY_SECONDS = 600;
/** Claims of a partition looked at. */
const CLAIMS_MAX = 50;

export const rivalGroups = (): Bound<RivalGroupsRow> =>
  bound(
    'rival_groups',
    `SELECT groups, count(*)::int8 AS partitions, sum(claims)::int8 AS claims FROM (
  SELECT p.partition, string_agg(DISTINCT c.consumer_group, ', ' ORDER BY c.consumer_group) AS groups, count(*) AS claims
  FROM partition_progress p CROSS JOIN LATERAL (
    SELECT consumer_group, claimed_at FROM partition_claims WHERE partition = p.partition ORDER BY epoch DESC LIMIT ${CLAIMS_MAX}
  ) c
  WHERE c.claimed_at > now() - make_interval(secs => $1::int4)
  GROUP BY p.partition HAVING count(DISTINCT c.consumer_group) > 1
) rivals GROUP BY groups`,
    [RIVALRY_SECONDS],
  );
