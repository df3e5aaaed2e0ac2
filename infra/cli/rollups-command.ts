// `playhead rollups merge`
import { Command } from 'commander';
import { say, table, wholeNumber, withDatabase } from './context.ts';
import { mergeClosedDays } from './rollups.ts';

/** Supplements come within 30 hours of their session. */
const CLOSED_DAYS_DEFAULT = 2;
const CLOSED_DAYS_MAX = 3_650;

const HELP = `
Each partition adds to rollup rows of its own, so that no two ever wait for one another, and a question over old days reads every
partition's. Rows of closed days become one row for all partitions; no figure changes. What still comes for such a day is added beside it,
counts at once, and is merged by the next run. Safe beside running processors, at any time, as often as you like.

  15 2 * * *  playhead rollups merge`;

/** Care for the rollups. */
export function rollupsCommand(): Command {
  const command = new Command('rollups').description('care for the rollups');
  command
    .command('merge')
    .description('make one row of the partitions of closed days')
    .option('--closed-days <n>', 'days that have been over for so long', wholeNumber(0, CLOSED_DAYS_MAX), CLOSED_DAYS_DEFAULT)
    .addHelpText('after', HELP)
    .action(({ closedDays }: { closedDays: number }) =>
      withDatabase({ readOnly: false }, async (pool) => {
        const totals = await mergeClosedDays(pool, closedDays);
        say(table(totals.map(({ table: name, days, gone, merged }) => ({ table: name, days, 'rows before': gone, 'rows after': merged }))));
      }),
    );
  return command;
}
