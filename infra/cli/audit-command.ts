// `playhead audit`
import { Command } from 'commander';
import type { ReadPool } from '../runtime/postgres.ts';
import { judgePartition, verdictLine } from './audit.ts';
import { say, withDatabase } from './context.ts';
import { auditEmissions } from './sql/audit-emissions.ts';
import { auditEventRollups } from './sql/audit-event-rollups.ts';
import { auditRollups, ROLLUP_DIFFERENCES_MAX } from './sql/audit-rollups.ts';
import { writeCheckResult } from './sql/check-result.ts';

const HELP = `
Reads only (but for the line that --record keeps), at any time, also while processors run. One line per partition, one per table of rollups;
exit code 0 if all is well, 2 if not. docs/checks.md explains each line.
Checked: emission numbers dense (I4), offsets and epochs never fall (I5), no row under an old epoch (I8), every rollup equals its rows (I7),
the ledger balances (I1).

Where retention or an erasure has removed rows, give --since: the edge of retention plus the longest life of a session (24 h) plus
the tombstone horizon (6 h).

  15 4 * * *  playhead audit --record         once a night; the query API shows the result to Prometheus`;

type Options = { since?: string; record: boolean };

/** Whether the database is what the invariants say it must be. */
export function auditCommand(): Command {
  return new Command('audit')
    .description('check the stored data against the invariants')
    .option('--since <instant>', 'judge only what was appended since (ISO 8601)')
    .option('--record', 'keep the result in the database, from where the query API shows it to Prometheus', false)
    .addHelpText('after', HELP)
    .action(({ since, record }: Options) =>
      withDatabase({ readOnly: !record }, async (pool) => {
        const rows = await pool.query(auditEmissions, [since ?? null]);
        const verdicts = rows.map((row) => judgePartition(row, since !== undefined));
        for (const verdict of verdicts) say(verdictLine(verdict));
        const broken = verdicts.filter(({ problems }) => problems.length > 0).length;
        const differences = await sayRollups(pool, since ?? null);
        const problems = verdicts.reduce((sum, verdict) => sum + verdict.problems.length, 0) + differences;
        if (record) await pool.query(writeCheckResult, ['audit', verdicts.length - broken, broken, 0, problems]);
        say(
          problems === 0
            ? `${verdicts.length} partitions, all as it should be`
            : `${broken} of ${verdicts.length} partitions have problems, ${differences} rollup figures differ: stop writing and keep the evidence`,
        );
        if (problems > 0) process.exitCode = 2;
      }),
    );
}

/** Compares each table of rollups with its rows; returns how many figures differ. */
async function sayRollups(pool: ReadPool, since: string | null): Promise<number> {
  let count = 0;
  for (const [table, statement] of Object.entries({ ...auditRollups, ...auditEventRollups })) {
    const differences = await pool.query(statement, [since]);
    count += differences.length;
    const more = differences.length === ROLLUP_DIFFERENCES_MAX ? ' or more' : '';
    say(differences.length === 0 ? `${table}: ok` : `${table}: ${differences.length}${more} figures differ from their rows (I7)`);
    for (const { place, figure, rollup, rows } of differences) say(`  ${place}: ${figure} is ${rollup}, the rows say ${rows}`);
  }
  return count;
}
