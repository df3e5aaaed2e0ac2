// `playhead audit`
import { Command } from 'commander';
import { judgePartition, verdictLine } from './audit.ts';
import { say, withDatabase } from './context.ts';
import { auditEmissions } from './sql/audit-emissions.ts';
import { auditEventRollups, EVENT_ROLLUP_DIFFERENCES_MAX } from './sql/audit-event-rollups.ts';
import { auditRollups, ROLLUP_DIFFERENCES_MAX } from './sql/audit-rollups.ts';

const HELP = `
Reads only, at any time, also while processors run. One line per partition, one for the rollups, one for the counts of custom events; exit code 0 if all is well, 2 if not.
Checked: emission numbers dense (I4), offsets and epochs never fall (I5), no row under an old epoch (I8), rollups equal rows (I7),
the ledger balances (I1).

Where retention or an erasure has removed rows, give --since: the edge of retention plus the longest life of a session (24 h) plus
the tombstone horizon (6 h).`;

/** Whether the database is what the invariants say it must be. */
export function auditCommand(): Command {
  return new Command('audit')
    .description('check the stored data against the invariants; reads only')
    .option('--since <instant>', 'judge only what was appended since (ISO 8601)')
    .addHelpText('after', HELP)
    .action(({ since }: { since?: string }) =>
      withDatabase({ readOnly: true }, async (pool) => {
        const rows = await pool.query(auditEmissions, [since ?? null]);
        const verdicts = rows.map((row) => judgePartition(row, since !== undefined));
        for (const verdict of verdicts) say(verdictLine(verdict));
        const differences = await pool.query(auditRollups, [since ?? null]);
        for (const { site, hour, figure, rollup, rows: counted } of differences) {
          say(`rollups: ${site} ${new Date(hour).toISOString()} ${figure} is ${rollup}, its rows say ${counted} (I7)`);
        }
        const more = differences.length === ROLLUP_DIFFERENCES_MAX ? ' or more' : '';
        say(differences.length === 0 ? 'rollups: ok' : `rollups: ${differences.length}${more} differences`);
        const miscounted = await pool.query(auditEventRollups, [since ?? null]);
        for (const { site, name, at, span, rollup, rows: counted } of miscounted)
          say(`event counts: ${site} ${name}, ${span} of ${new Date(at).toISOString()}: ${rollup}, its events are ${counted} (I7)`);
        const moreEvents = miscounted.length === EVENT_ROLLUP_DIFFERENCES_MAX ? ' or more' : '';
        say(miscounted.length === 0 ? 'event counts: ok' : `event counts: ${miscounted.length}${moreEvents} differences`);
        const broken = verdicts.filter(({ problems }) => problems.length > 0).length;
        say(
          broken + differences.length + miscounted.length === 0
            ? `${verdicts.length} partitions, all as it should be`
            : `${broken} of ${verdicts.length} partitions have problems: stop writing and keep the evidence`,
        );
        if (broken + differences.length + miscounted.length > 0) process.exitCode = 2;
      }),
    );
}
