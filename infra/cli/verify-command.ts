// `playhead verify`
import { Command } from 'commander';
import { resultSettingsOf } from '../../processor/config.ts';
import { createCodec, fetchSchemaText } from '../../schemas/codec.ts';
import { systemScheduler } from '../runtime/clock.ts';
import { createLogAdmin } from '../runtime/kafka.ts';
import type { ReadPool } from '../runtime/postgres.ts';
import type { CliConfig } from './config.ts';
import { cliLogger, say, wholeNumber, withDatabase } from './context.ts';
import { writeCheckResult } from './sql/check-result.ts';
import { verifyProgress } from './sql/verify-progress.ts';
import { prepareSchemas } from './topics.ts';
import { type Verification, verifyPartition } from './verify.ts';

const PARTITION_MAX = 32_767;

const HELP = `
Folds the log of each partition again, from its older snapshot to where the processors stood when the command began, and compares: the
state hash of the newer snapshot, the emission numbers, and every row written since, column by column. It writes no figure, joins no group
and may run while processors do. Run it every night: a processor that no longer repeats itself would otherwise go unnoticed until the
next crash.

Exit code 0: all came out once more. 2: something did not; stop writing and keep the evidence. 3: nothing could be compared.
A partition is skipped, with its reason, while it has no snapshot of this fold version and these settings, or when the log is gone.

  15 3 * * *  playhead verify --record        once a night; the query API shows the result to Prometheus`;

type Options = { partition?: number; fromStart: boolean; record: boolean };

/** Whether the log, folded again, gives what is in the database. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('fold the log again and compare with what the processors wrote')
    .option('--partition <n>', 'this partition only', wholeNumber(0, PARTITION_MAX))
    .option('--from-start', 'from the first record of the log instead of the older snapshot', false)
    .option('--record', 'keep the result in the database, from where the query API shows it to Prometheus', false)
    .addHelpText('after', HELP)
    .action((options: Options) =>
      withDatabase({ readOnly: !options.record }, async (pool, config) => {
        const found = await verifyAll(pool, config, options);
        const of = (outcome: Verification['outcome']): number => found.filter((each) => each.outcome === outcome).length;
        const problems = found.reduce((sum, each) => sum + (each.outcome === 'different' ? each.problems.length + each.more : 0), 0);
        if (options.record) await pool.query(writeCheckResult, ['verify', of('same'), of('different'), of('skipped'), problems]);
        say(`${of('same')} partitions came out once more, ${of('different')} did not, ${of('skipped')} skipped`);
        if (problems > 0) say('stop writing and keep the evidence: a copy of the database, and the log');
        process.exitCode = of('different') > 0 ? 2 : of('same') > 0 ? 0 : 3;
      }),
    );
}

async function verifyAll(pool: ReadPool, config: CliConfig, options: Options): Promise<Verification[]> {
  const deps = { config, logger: cliLogger(), scheduler: systemScheduler };
  const codec = createCodec(await prepareSchemas({ ...deps, mode: 'verify' }));
  const { kafkaBrokers: brokers, topic, partitions } = config;
  const log = createLogAdmin({ brokers, clientId: 'playhead-verify', topic, logger: deps.logger, scheduler: systemScheduler });
  const { settings, configHash } = resultSettingsOf(config);
  const found: Verification[] = [];
  try {
    for (const progress of await pool.query(verifyProgress, [])) {
      if (options.partition !== undefined && progress.partition !== options.partition) continue;
      const verification = await verifyPartition(
        {
          codec,
          fetchFrom: log.fetchFrom,
          learnSchema: async (id) => codec.learn(id, await fetchSchemaText(config.schemaRegistryUrl, id)),
          query: pool.query,
          settings,
          configHash,
          partitions,
          fromStart: options.fromStart,
        },
        progress,
      );
      for (const line of verificationLines(verification)) say(line);
      found.push(verification);
    }
  } finally {
    await log.close();
  }
  return found;
}

/** A verification in words: one line, and one for each problem. */
export function verificationLines(verification: Verification): string[] {
  const head = `partition ${verification.partition}:`;
  if (verification.outcome === 'skipped') return [`${head} skipped: ${verification.reason}`];
  if (verification.outcome === 'different') {
    const { problems, more } = verification;
    return [`${head} DIFFERENT`, ...problems.map((problem) => `  ${problem}`), ...(more > 0 ? [`  and ${more} more`] : [])];
  }
  const { from, to, emissions, snapshots } = verification;
  return [`${head} same: offsets ${from} to ${to}, ${emissions} emissions, ${snapshots} snapshots`];
}
