// The self-audit (D30): are the numbering (I4), the order (I5), the epochs (I8), the rollups (I7) and the ledger (I1) what they must
// be? Reads only. Pure judgement over the rows of two statements.
import type { EmissionAuditRow } from './sql/audit-emissions.ts';

/** One partition's verdict: `problems` empty = as it should be. */
export type PartitionVerdict = { partition: number; emissions: number; nextOffset: number; difference: number; problems: string[] };

/**
 * Judges one partition. `partial` = rows may have been dropped by retention below the first one seen, so numbering is judged from
 * there on.
 */
export function judgePartition(row: EmissionAuditRow, partial: boolean): PartitionVerdict {
  const problems: string[] = [];
  const first = partial ? (row.lowest ?? row.emission_seq + 1) : 1;
  const expected = row.emission_seq - first + 1;
  if (row.rows !== row.numbers) problems.push(`I4: ${row.rows - row.numbers} emission numbers are used more than once`);
  if (row.numbers !== expected)
    problems.push(`I4: ${expected} emissions expected from ${first} to ${row.emission_seq}, ${row.numbers} found`);
  if (row.highest !== null && row.highest > row.emission_seq)
    problems.push(`I4: a row has the number ${row.highest}, beyond the progress row's ${row.emission_seq}`);
  if (row.lowest !== null && row.lowest < first) problems.push(`I4: a row has the number ${row.lowest}, below ${first}`);
  if (row.offset_falls > 0) problems.push(`I5: the source offset falls ${row.offset_falls} times in emission order`);
  if (row.epoch_falls > 0) problems.push(`I5: the epoch falls ${row.epoch_falls} times in emission order`);
  if (row.stale_rows > 0) problems.push(`I8: ${row.stale_rows} rows were written under an epoch older than a claim before them`);
  if (row.rows_ahead > 0) problems.push(`I5: ${row.rows_ahead} rows come from offsets beyond the progress row's ${row.next_offset}`);
  const difference = ledgerDifference(row.ledger);
  if (difference !== 0) problems.push(`I1: the ledger is off by ${difference} events`);
  problems.push(...surplus(row));
  return { partition: row.partition, emissions: row.emission_seq, nextOffset: row.next_offset, difference, problems };
}

/** What is stored beyond what the ledger says. Less is right: sessions are open, and retention drops rows. */
function surplus({ ledger, stored_events: events, stored_duplicates: duplicates }: EmissionAuditRow): string[] {
  const of = (name: string): number => ledger[name] ?? 0;
  const found: string[] = [];
  const folded = of('folded') + of('late') + of('dead');
  if (events > folded) found.push(`I1: sessions and dead letters hold ${events} events, the ledger ${folded}`);
  if (duplicates > of('duplicates')) found.push(`I1: rows count ${duplicates} duplicates, the ledger ${of('duplicates')}`);
  return found;
}

/** Events in the log less those accounted for; 0 unless something is wrong. */
export function ledgerDifference(ledger: Readonly<Record<string, number>>): number {
  const of = (name: string): number => ledger[name] ?? 0;
  return of('eventsInLog') - of('folded') - of('late') - of('dead') - of('duplicates') - of('waiting');
}

/** The verdict as one line. */
export function verdictLine(verdict: PartitionVerdict): string {
  const { partition, emissions, nextOffset, problems } = verdict;
  const head = `partition ${partition}: ${emissions} emissions, next offset ${nextOffset}`;
  return problems.length === 0 ? `${head}: ok` : `${head}: ${problems.join('; ')}`;
}
