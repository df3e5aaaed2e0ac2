// I4, I5, I8: what the rows of each partition say about their numbering and order, beside the progress row. One statement, so
// that rows and progress are of the same moment. $1: only rows appended since then count (D30), null = all.
import type { Statement } from '../../runtime/ports.ts';

export type EmissionAuditRow = {
  partition: number;
  /** Of the progress row. */
  emission_seq: number;
  next_offset: number;
  epoch: number;
  rows: number;
  numbers: number;
  lowest: number | null;
  highest: number | null;
  /** Rows whose source offset is below that of the row before them. */
  offset_falls: number;
  epoch_falls: number;
  /** Rows written under an epoch older than a claim that was made before them. */
  stale_rows: number;
  /** Rows whose source offset the progress row has not reached. */
  rows_ahead: number;
  /** Event copies in sealed sessions and dead letters, and copies counted; only what was sealed, so never more than the ledger says. */
  stored_events: number;
  stored_duplicates: number;
  ledger: Record<string, number>;
};

export const auditEmissions: Statement<[since: string | null], EmissionAuditRow> = {
  name: 'cli-audit-emissions',
  text: `WITH emissions AS (
  SELECT partition, emission_seq, source_offset, epoch, append_at, received AS events, duplicates FROM sessions
  UNION ALL SELECT partition, emission_seq, source_offset, epoch, append_at, 0, 0 FROM custom_events
  UNION ALL SELECT partition, emission_seq, source_offset, epoch, append_at, events, 0 FROM dead_letters
  UNION ALL SELECT partition, emission_seq, source_offset, epoch, append_at, 0, duplicates FROM duplicate_counts
), ordered AS (
  SELECT partition, emission_seq, source_offset, epoch, events, duplicates,
    source_offset < lag(source_offset) OVER w AS offset_fell,
    epoch < lag(epoch) OVER w AS epoch_fell,
    epoch < (SELECT max(c.epoch) FROM partition_claims c WHERE c.partition = e.partition AND c.start_seq < e.emission_seq) AS stale
  FROM emissions e WHERE $1::timestamptz IS NULL OR append_at >= $1::timestamptz
  WINDOW w AS (PARTITION BY partition ORDER BY emission_seq)
), summed AS (
  SELECT partition, count(*) AS rows, count(DISTINCT emission_seq) AS numbers, min(emission_seq) AS lowest, max(emission_seq) AS highest,
    count(*) FILTER (WHERE offset_fell) AS offset_falls, count(*) FILTER (WHERE epoch_fell) AS epoch_falls, count(*) FILTER (WHERE stale) AS stale_rows,
    sum(events) AS stored_events, sum(duplicates) AS stored_duplicates,
    count(*) FILTER (WHERE source_offset >= (SELECT p.next_offset FROM partition_progress p WHERE p.partition = o.partition)) AS rows_ahead
  FROM ordered o GROUP BY partition
)
SELECT p.partition, p.emission_seq, p.next_offset, p.epoch, coalesce(s.rows, 0) AS rows, coalesce(s.numbers, 0) AS numbers, s.lowest, s.highest,
  coalesce(s.offset_falls, 0) AS offset_falls, coalesce(s.epoch_falls, 0) AS epoch_falls, coalesce(s.stale_rows, 0) AS stale_rows,
  coalesce(s.rows_ahead, 0) AS rows_ahead, coalesce(s.stored_events, 0) AS stored_events, coalesce(s.stored_duplicates, 0) AS stored_duplicates, p.ledger
FROM partition_progress p LEFT JOIN summed s USING (partition) ORDER BY p.partition`,
};
