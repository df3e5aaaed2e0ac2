// `playhead control settings | close-all`
import { Command } from 'commander';
import { CONTROLLED_MS_MAX, CONTROLLED_SETTINGS } from '../../processor/core/settings.ts';
import type { Control } from '../../schemas/beacon.ts';
import { systemScheduler } from '../runtime/clock.ts';
import { PlayheadError } from '../runtime/errors.ts';
import { cliConfig, cliLogger, say, wholeNumber } from './context.ts';
import { writeControl } from './control.ts';
import { prepareSchemas } from './topics.ts';

type Scope = { site: string; protocol: string };

const optionOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const MEANINGS: Record<(typeof CONTROLLED_SETTINGS)[number], string> = {
  idleGapMs: 'silence after which a session is sealed',
  leaveLingerMs: 'wait for stragglers after a session was left',
  endedLingerMs: 'wait after a video has ended',
  graceMs: 'wait for a missing sequence number',
  ageMaxMs: 'longest life of a session',
  backdateMaxMs: 'how old a client time may be; an older one counts as receipt',
};

async function send(control: Control): Promise<void> {
  const config = cliConfig();
  const shared = { config, logger: cliLogger(), scheduler: systemScheduler };
  const ids = await prepareSchemas({ ...shared, mode: 'verify' });
  const written = await writeControl({ ...shared, ids }, control);
  say(`written to ${written.size} partitions; in force for each as soon as its processor has read it`);
}

const whom = ({ site, protocol }: Scope): string =>
  `${site === '' ? 'every site' : `site ${site}`}, ${protocol === '' ? 'every protocol' : `protocol ${protocol}`}`;

/** Orders to the fold, carried by the log. */
export function controlCommand(): Command {
  const command = new Command('control').description('orders to the processors, written into the log of every partition');
  const settings = command
    .command('settings')
    .description('change when sessions are sealed; counted in log-active time')
    .option('--site <site>', 'for one site only', '')
    .option('--protocol <name>', 'for one protocol only', '');
  for (const name of CONTROLLED_SETTINGS) settings.option(`--${optionOf(name)} <ms>`, MEANINGS[name], wholeNumber(0, CONTROLLED_MS_MAX));
  settings.action(async (options: Scope & Record<string, number>) => {
    const chosen = Object.fromEntries(
      CONTROLLED_SETTINGS.filter((name) => options[name] !== undefined).map((name) => [name, options[name] as number]),
    );
    if (Object.keys(chosen).length === 0) {
      throw new PlayheadError('ERR_OPTION', `Say what to change: ${CONTROLLED_SETTINGS.map((name) => `--${optionOf(name)}`).join(', ')}.`);
    }
    say(
      `${whom(options)}: ${Object.entries(chosen)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}`,
    );
    await send({ command: 'settings', site: options.site, protocol: options.protocol, settings: chosen });
  });
  command
    .command('close-all')
    .description('seal every open session now')
    .option('--site <site>', 'of one site only', '')
    .option('--protocol <name>', 'of one protocol only', '')
    .requiredOption('--yes', 'it cannot be undone: later beacons become supplements')
    .action(async (options: Scope) => {
      say(`sealing all open sessions: ${whom(options)}`);
      await send({ command: 'close_all', site: options.site, protocol: options.protocol, settings: {} });
    });
  return command;
}
