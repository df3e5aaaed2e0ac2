// `playhead migrate`
import { Command } from 'commander';
import { checkSchema, migrate } from '../runtime/migrations.ts';
import { cliConfig, say } from './context.ts';

/** Brings the database up to date, or only says whether it is. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .description('bring the database up to date; safe to repeat, and at the same time from several places')
    .option('--check', 'change nothing; fail if a migration is missing', false)
    .action(async ({ check }: { check: boolean }) => {
      const config = cliConfig();
      if (check) {
        await checkSchema(config.databaseUrl);
        say('the database is up to date');
        return;
      }
      const ran = await migrate({ databaseUrl: config.databaseUrl, timescale: config.timescale });
      const names = [...ran.core, ...ran.timescale, ...ran.timescaleTsl];
      say(names.length === 0 ? 'nothing to do, the database is up to date' : `ran ${names.join(', ')}`);
    });
}
