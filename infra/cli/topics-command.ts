// `playhead topics create | check`
import { Command } from 'commander';
import { systemScheduler } from '../runtime/clock.ts';
import { cliConfig, cliLogger, say, withDatabase } from './context.ts';
import { checkTopic, prepareSchemas, prepareTopic } from './topics.ts';

/** Makes or checks the topic and the schemas. */
export function topicsCommand(): Command {
  const command = new Command('topics').description('the topic of beacons and its schemas');
  command
    .command('create')
    .description('make the topic and register the schemas, unless that was done; then check both')
    .option('--without-database', 'do not remember schema ids in the database', false)
    .action(async ({ withoutDatabase }: { withoutDatabase: boolean }) => {
      const config = cliConfig();
      const shared = { config, logger: cliLogger(), scheduler: systemScheduler };
      const made = await prepareTopic(shared);
      say(`topic ${config.topic}: ${made ? 'made' : 'exists and fits'}, ${config.partitions} partitions`);
      if (config.domainEventsTopic !== '') {
        const madeToo = await prepareTopic(shared, config.domainEventsTopic);
        say(`topic ${config.domainEventsTopic}: ${madeToo ? 'made' : 'exists and fits'}, ${config.partitions} partitions`);
      }
      const ids = withoutDatabase
        ? await prepareSchemas({ ...shared, mode: 'register' })
        : await withDatabase({ readOnly: false }, (pool) => prepareSchemas({ ...shared, mode: 'register', pool }));
      say(
        `schemas registered: ${Object.entries(ids)
          .map(([name, id]) => `${name} ${id}`)
          .join(', ')}`,
      );
    });
  command
    .command('check')
    .description('say what is wrong with the topic or the schemas; changes nothing')
    .action(async () => {
      const shared = { config: cliConfig(), logger: cliLogger(), scheduler: systemScheduler };
      await checkTopic(shared);
      if (shared.config.domainEventsTopic !== '') await checkTopic(shared, shared.config.domainEventsTopic);
      await prepareSchemas({ ...shared, mode: 'verify' });
      say(`topic ${shared.config.topic} and its schemas are as they should be`);
    });
  return command;
}
