// `playhead gaps list | accept`
import { userInfo } from 'node:os';
import { Command } from 'commander';
import { PlayheadError } from '../runtime/errors.ts';
import { say, table, wholeNumber, withDatabase } from './context.ts';
import { gapInsert } from './sql/gap-insert.ts';
import { gapList } from './sql/gap-list.ts';

const OFFSET_MAX = Number.MAX_SAFE_INTEGER;
const PARTITION_MAX = 32_767;

type AcceptOptions = { partition: number; from: number; to: number; reason: string; operator: string };

/** Lost log: the only way past it is an operator's word, kept for ever (D25, D31). */
export function gapsCommand(): Command {
  const command = new Command('gaps').description('log that was lost before it was read');
  command
    .command('list')
    .description('what has been accepted')
    .action(() =>
      withDatabase({ readOnly: true }, async (pool) => {
        const rows = await pool.query(gapList, []);
        say(
          table(
            rows.map((row) => ({
              partition: row.partition,
              from: row.from_offset,
              to: row.to_offset,
              reason: row.reason,
              operator: row.operator,
              accepted: new Date(row.accepted_at).toISOString(),
            })),
          ),
        );
      }),
    );
  command
    .command('accept')
    .description('go on without the records [from, to) of a partition; the processor that waits for it names the numbers')
    .requiredOption('--partition <n>', 'partition', wholeNumber(0, PARTITION_MAX))
    .requiredOption('--from <offset>', 'first lost offset', wholeNumber(0, OFFSET_MAX))
    .requiredOption('--to <offset>', 'first offset that is there', wholeNumber(0, OFFSET_MAX))
    .requiredOption('--reason <text>', 'what happened; shown with every figure that the gap touches')
    .option('--operator <name>', 'who says so', userInfo().username)
    .action((options: AcceptOptions) =>
      withDatabase({ readOnly: false }, async (pool) => {
        const { partition, from, to, reason, operator } = options;
        if (to < from) throw new PlayheadError('ERR_OPTION', `--to ${to} lies before --from ${from}.`);
        const rows = await pool.query(gapInsert, [partition, from, to, reason, operator]);
        if (rows.length === 0)
          throw new PlayheadError(
            'ERR_GAP',
            `A gap of partition ${partition} from ${from} is already accepted: see \`playhead gaps list\`.`,
          );
        say(`accepted: partition ${partition} goes on at ${to}; its processor notices within seconds`);
      }),
    );
  return command;
}
