// `playhead sites alias set | remove | list` and `playhead sites door`
import { Command } from 'commander';
import { ALIAS_KINDS } from '../../ingest/core/aliases.ts';
import { aliasKind, listAliases, removeAlias, type Settings, setAlias, setDoor, settingFrom } from './aliases.ts';
import { say, table, withDatabase } from './context.ts';

const collect = (text: string, before: Settings): Settings => {
  const [name, value] = settingFrom(text);
  return { ...before, [name]: value };
};

const KIND = `a protocol, or host: ${ALIAS_KINDS.join(', ')}`;

/** Foreign identifiers that mean a site. */
export function aliasCommand(): Command {
  const command = new Command('alias').description(
    'identifiers of other protocols (space hash, measurement id, host name ...) that mean a site',
  );
  command
    .command('set')
    .description('tie an identifier to a site, or move it to another')
    .argument('<protocol>', KIND)
    .argument('<foreign-id>', 'the identifier as clients send it')
    .argument('<site>')
    .option('--setting <name=value>', 'setting of the door for this identifier; repeat for several', collect, {} as Settings)
    .action((kind: string, foreignId: string, site: string, { setting }: { setting: Settings }) =>
      withDatabase({ readOnly: false }, async (pool) => {
        const before = await setAlias(pool, { kind: aliasKind(kind), foreignId, site, settings: setting });
        say(`${kind} ${foreignId} is ${site}${before === '' || before === site ? '' : ` (it was ${before})`}`);
      }),
    );
  command
    .command('remove')
    .description('untie an identifier')
    .argument('<protocol>', KIND)
    .argument('<foreign-id>')
    .action((kind: string, foreignId: string) =>
      withDatabase({ readOnly: false }, async (pool) => {
        say(`${kind} ${foreignId} is no longer ${await removeAlias(pool, aliasKind(kind), foreignId)}`);
      }),
    );
  command
    .command('list')
    .description('all identifiers, and what sites want of doors')
    .option('--site <site>', 'of one site only', '')
    .action(({ site }: { site: string }) =>
      withDatabase({ readOnly: true }, async (pool) => {
        const rows = await listAliases(pool, site);
        say(
          table(
            rows.map((row) => ({
              site: row.site,
              protocol: row.protocol,
              identifier: row.foreign_id ?? '(all)',
              settings: Object.entries(row.settings)
                .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
                .join(' '),
            })),
          ),
        );
      }),
    );
  return command;
}

/** What a site wants of a door, whoever's identifier a request names. */
export function doorCommand(): Command {
  return new Command('door')
    .description('what a site wants of a door: settings by name; the value null takes one away')
    .argument('<site>')
    .argument('<protocol>')
    .argument('<name=value...>')
    .action((site: string, protocol: string, given: string[]) =>
      withDatabase({ readOnly: false }, async (pool) => {
        const settings = await setDoor(pool, site, aliasKind(protocol), Object.fromEntries(given.map(settingFrom)));
        say(`${site}, ${protocol}: ${JSON.stringify(settings)}`);
      }),
    );
}
