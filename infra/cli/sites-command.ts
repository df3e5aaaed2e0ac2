// `playhead sites list | create | viewer-keys | alias | door`
import { Argument, Command } from 'commander';
import { PlayheadError } from '../runtime/errors.ts';
import { aliasCommand, doorCommand } from './aliases-command.ts';
import { say, table, withDatabase } from './context.ts';
import { createSite } from './keys.ts';
import { siteList } from './sql/site-list.ts';
import { siteViewerKeys } from './sql/site-viewer-keys.ts';

/** Sites: every session, key and figure belongs to exactly one. */
export function sitesCommand(): Command {
  const command = new Command('sites').description('sites: every session, key and figure belongs to exactly one');
  command
    .command('list')
    .description('all sites')
    .action(() =>
      withDatabase({ readOnly: true }, async (pool) => {
        const rows = await pool.query(siteList, []);
        say(
          table(
            rows.map((row) => ({
              site: row.site,
              timezone: row.timezone,
              'viewer keys': row.viewer_keys ? 'on' : 'off',
              'live keys': row.keys,
            })),
          ),
        );
      }),
    );
  command
    .command('create')
    .description('make a site')
    .argument('<site>', 'a-z, 0-9, dot, dash, underscore')
    .option('--timezone <name>', 'IANA name', 'UTC')
    .action((site: string, { timezone }: { timezone: string }) =>
      withDatabase({ readOnly: false }, async (pool) => {
        const made = await createSite(pool, site, timezone);
        say(made ? `site ${site} made; next: playhead keys create --site ${site} --kind write` : `site ${site} exists`);
      }),
    );
  command
    .command('viewer-keys')
    .description('switch daily-salted viewer hashes of a site on or off (off unless you need viewer counts)')
    .argument('<site>')
    .addArgument(new Argument('<state>').choices(['on', 'off']))
    .action((site: string, state: string) =>
      withDatabase({ readOnly: false }, async (pool) => {
        const rows = await pool.query(siteViewerKeys, [site, state === 'on']);
        if (rows.length === 0) throw new PlayheadError('ERR_SITE', `There is no site ${site}: see \`playhead sites list\`.`);
        say(`viewer keys of ${site} are ${state}`);
      }),
    );
  command.addCommand(aliasCommand());
  command.addCommand(doorCommand());
  return command;
}
