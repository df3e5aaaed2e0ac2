// The invariants of reliability.md section 1 that can be read from a database alone: I1 (the ledger closes), I4, I5, I7, I8,
// and the canonical rows that I6 compares. Shares nothing with the fold; every check names what it found.
import type { Client } from 'pg';

export type Violation = { invariant: string; detail: string };

type Row = Record<string, unknown>;

/** Tables whose rows carry an emission number of their own. */
const EMISSION_TABLES = ['sessions', 'custom_events', 'dead_letters', 'duplicate_counts'] as const;
/** Columns that are not a function of the log. */
const AUDIT_COLUMNS: readonly string[] = ['epoch', 'writer'];

const ALL_EMISSIONS = EMISSION_TABLES.map(
  (table) => `SELECT partition, emission_seq, source_offset, epoch, '${table}' AS kind FROM ${table}`,
).join(' UNION ALL ');

/** Runs every check; an empty list means that all hold. */
export async function checkInvariants(client: Client): Promise<Violation[]> {
  const checks = [ledgerCloses, emissionsAreDense, originsNeverFall, rollupsAgree, noRowUnderAnOldEpoch];
  const found: Violation[] = [];
  for (const check of checks) found.push(...(await check(client)));
  return found;
}

async function rowsOf(client: Client, text: string): Promise<Row[]> {
  return (await client.query(text)).rows as Row[];
}

/** I1: per partition, event copies in the log = folded + late + dead-lettered + duplicates; and the rows say the same. */
async function ledgerCloses(client: Client): Promise<Violation[]> {
  const rows = await rowsOf(
    client,
    `SELECT p.partition,
            (ledger->>'eventsInLog')::int8 AS in_log, (ledger->>'folded')::int8 AS folded, (ledger->>'late')::int8 AS late,
            (ledger->>'dead')::int8 AS dead, (ledger->>'duplicates')::int8 AS duplicates, (ledger->>'waiting')::int8 AS waiting,
            (SELECT coalesce(sum(received), 0) FROM sessions s WHERE s.partition = p.partition) AS received_rows,
            (SELECT coalesce(sum(late), 0) FROM sessions s WHERE s.partition = p.partition) AS late_rows,
            (SELECT coalesce(sum(events), 0) FROM dead_letters d WHERE d.partition = p.partition) AS dead_rows,
            (SELECT coalesce(sum(duplicates), 0) FROM sessions s WHERE s.partition = p.partition)
              + (SELECT coalesce(sum(duplicates), 0) FROM duplicate_counts d WHERE d.partition = p.partition) AS duplicate_rows
     FROM partition_progress p ORDER BY p.partition`,
  );
  const found: Violation[] = [];
  for (const row of rows) {
    const n = (column: string): number => Number(row[column]);
    const say = (detail: string): void => void found.push({ invariant: 'I1', detail: `partition ${n('partition')}: ${detail}` });
    const accounted = n('folded') + n('late') + n('dead') + n('duplicates') + n('waiting');
    if (n('in_log') !== accounted) say(`${n('in_log')} events in the log, ${accounted} accounted for`);
    if (n('waiting') !== 0) say(`${n('waiting')} events still wait for a missing number`);
    if (n('received_rows') !== n('folded') + n('late')) say(`rows hold ${n('received_rows')} events, ledger ${n('folded')} + ${n('late')}`);
    if (n('late_rows') !== n('late')) say(`rows hold ${n('late_rows')} late events, ledger ${n('late')}`);
    if (n('dead_rows') !== n('dead')) say(`dead letters hold ${n('dead_rows')} events, ledger ${n('dead')}`);
    if (n('duplicate_rows') !== n('duplicates')) say(`rows count ${n('duplicate_rows')} duplicates, ledger ${n('duplicates')}`);
  }
  return found;
}

/** I4: emission numbers over all emission tables are exactly 1..n, and n is what the progress row says. */
async function emissionsAreDense(client: Client): Promise<Violation[]> {
  const rows = await rowsOf(
    client,
    `SELECT p.partition, p.emission_seq AS n, count(e.emission_seq) AS rows, count(DISTINCT e.emission_seq) AS numbers,
            coalesce(min(e.emission_seq), 1) AS least, coalesce(max(e.emission_seq), 0) AS most
     FROM partition_progress p LEFT JOIN (${ALL_EMISSIONS}) e ON e.partition = p.partition
     GROUP BY p.partition, p.emission_seq
     HAVING NOT (count(e.emission_seq) = p.emission_seq AND count(DISTINCT e.emission_seq) = p.emission_seq
                 AND coalesce(min(e.emission_seq), 1) = 1 AND coalesce(max(e.emission_seq), 0) = p.emission_seq)`,
  );
  return rows.map((row) => ({ invariant: 'I4', detail: JSON.stringify(row) }));
}

/** I5, from the rows alone: ordered by emission number, source offset and epoch never fall. */
async function originsNeverFall(client: Client): Promise<Violation[]> {
  const rows = await rowsOf(
    client,
    `SELECT * FROM (
       SELECT partition, emission_seq, source_offset, epoch,
              lag(source_offset) OVER w AS offset_before, lag(epoch) OVER w AS epoch_before
       FROM (${ALL_EMISSIONS}) e WINDOW w AS (PARTITION BY partition ORDER BY emission_seq)) steps
     WHERE source_offset < offset_before OR epoch < epoch_before`,
  );
  return rows.map((row) => ({ invariant: 'I5', detail: JSON.stringify(row) }));
}

/** Columns of sessions that a rollup sums up. */
const SUMMED = [
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
] as const;

/** Streams are no sessions of viewers. */
const OF_VIEWERS = "protocol <> 'analytics_engine'";

/** I7: per site, video and hour (and day), the rollup rows add up to the session and supplement rows, and to the custom events. */
async function rollupsAgree(client: Client): Promise<Violation[]> {
  const sums = SUMMED.map((column) => `sum(${column})::int8 AS ${column}`).join(', ');
  const compare = (left: string, right: string): string =>
    `SELECT 'only in rows' AS side, * FROM ((${left}) EXCEPT (${right})) a UNION ALL SELECT 'only in rollups', * FROM ((${right}) EXCEPT (${left})) b`;
  const hourly = await rowsOf(
    client,
    compare(
      `SELECT site, video, date_trunc('hour', started_at, 'UTC') AS bucket, ${sums} FROM sessions WHERE ${OF_VIEWERS} GROUP BY 1, 2, 3`,
      `SELECT site, video, hour AS bucket, ${sums} FROM rollup_hourly WHERE scope = 'video' GROUP BY 1, 2, 3`,
    ),
  );
  const daily = await rowsOf(
    client,
    compare(
      `SELECT site, '' AS video, (started_at AT TIME ZONE 'UTC')::date AS bucket, ${sums} FROM sessions WHERE ${OF_VIEWERS} GROUP BY 1, 2, 3`,
      `SELECT site, video, day AS bucket, ${sums} FROM rollup_daily WHERE scope = 'site' AND dimension = '' GROUP BY 1, 2, 3`,
    ),
  );
  const events = await rowsOf(
    client,
    compare(
      `SELECT site, video, name, date_trunc('hour', at, 'UTC') AS bucket, count(*)::int8 AS events FROM custom_events WHERE video <> '' GROUP BY 1, 2, 3, 4
       UNION ALL SELECT site, '', name, date_trunc('day', at, 'UTC'), count(*)::int8 FROM custom_events GROUP BY 1, 2, 3, 4`,
      `SELECT site, video, name, hour AS bucket, sum(events)::int8 AS events FROM rollup_events_hourly WHERE scope = 'video' GROUP BY 1, 2, 3, 4
       UNION ALL SELECT site, video, name, day::timestamp AT TIME ZONE 'UTC', sum(events)::int8 FROM rollup_events_daily WHERE scope = 'site' GROUP BY 1, 2, 3, 4`,
    ),
  );
  return [...hourly, ...daily, ...events].map((row) => ({ invariant: 'I7', detail: JSON.stringify(row) }));
}

/** I8: for every claim (epoch e, emission number s at claim time) no row with a higher number has a lower epoch. */
async function noRowUnderAnOldEpoch(client: Client): Promise<Violation[]> {
  const rows = await rowsOf(
    client,
    `SELECT c.partition, c.epoch AS claim_epoch, c.start_seq, e.emission_seq, e.epoch, e.kind
     FROM partition_claims c JOIN (${ALL_EMISSIONS}) e ON e.partition = c.partition AND e.emission_seq > c.start_seq AND e.epoch < c.epoch
     LIMIT 20`,
  );
  return rows.map((row) => ({ invariant: 'I8', detail: JSON.stringify(row) }));
}

/**
 * I6: every row that is a function of the log, as text, without the audit columns, per table in the order of the log.
 * Two databases that folded the same log give equal dumps.
 */
export async function canonicalRows(client: Client): Promise<Record<string, string[]>> {
  const order: Record<string, string> = {
    sessions: 'partition, emission_seq',
    watch_sections: 'partition, emission_seq, section',
    custom_events: 'partition, emission_seq',
    dead_letters: 'partition, emission_seq',
    duplicate_counts: 'partition, emission_seq',
    beacons: 'partition, log_offset',
  };
  const dump: Record<string, string[]> = {};
  for (const [table, by] of Object.entries(order)) {
    const columns = await rowsOf(
      client,
      `SELECT column_name FROM information_schema.columns WHERE table_name = '${table}' AND table_schema = 'public' ORDER BY ordinal_position`,
    );
    const kept = columns.map((row) => String(row['column_name'])).filter((column) => !AUDIT_COLUMNS.includes(column));
    const rows = await rowsOf(client, `SELECT (ROW(${kept.join(', ')}))::text AS row FROM ${table} ORDER BY ${by}`);
    dump[table] = rows.map((row) => String(row['row']));
  }
  return dump;
}
