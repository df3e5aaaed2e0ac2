#!/usr/bin/env -S node --import tsx
// The `playhead` command: everything an operator does to a system from a shell.
import { Command, CommanderError } from 'commander';
import { codeOf, toError } from '../runtime/errors.ts';
import { simulateCommand } from './audience/command.ts';
import { auditCommand } from './audit-command.ts';
import { controlCommand } from './control-command.ts';
import { docsCommand } from './docs-command.ts';
import { gapsCommand } from './gaps-command.ts';
import { keysCommand } from './keys-command.ts';
import { migrateCommand } from './migrate-command.ts';
import { rollupsCommand } from './rollups-command.ts';
import { sitesCommand } from './sites-command.ts';
import { topicsCommand } from './topics-command.ts';
import { verifyCommand } from './verify-command.ts';

const program = new Command('playhead')
  .description('Operate Playhead. Settings come from the environment (.env.example), else from the system that `npm start` runs here.')
  .showHelpAfterError('(add --help for what is possible)')
  .addCommand(migrateCommand())
  .addCommand(topicsCommand())
  .addCommand(sitesCommand())
  .addCommand(keysCommand())
  .addCommand(auditCommand())
  .addCommand(verifyCommand())
  .addCommand(rollupsCommand())
  .addCommand(controlCommand())
  .addCommand(gapsCommand())
  .addCommand(simulateCommand())
  .addCommand(docsCommand())
  .exitOverride();

try {
  await program.parseAsync(process.argv);
} catch (thrown) {
  const error = toError(thrown);
  // Commander has printed its own complaints already.
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    process.stderr.write(codeOf(error) === '' ? `${error.stack}\n` : `${error.message}\n`);
    process.exitCode = 1;
  }
}
