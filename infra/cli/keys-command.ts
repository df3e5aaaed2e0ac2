// `playhead keys create | list | rotate | revoke`
import { Command, InvalidArgumentError, Option } from 'commander';
import { PlayheadError } from '../runtime/errors.ts';
import { say, table, wholeNumber, withDatabase } from './context.ts';
import { createKey, listKeys, type MadeKey, revokeKey, rotateKey, SCOPES, type Scope } from './keys.ts';

const RATE_MAX = 1_000_000;

type CreateOptions = {
  site: string;
  kind: 'write' | 'read';
  scope: Scope[];
  origin: string[];
  app: boolean;
  rate?: number;
  label: string;
  key?: string;
};

const collect = (value: string, before: string[]): string[] => [...before, value];

function collectScope(value: string, before: Scope[]): Scope[] {
  const scope = SCOPES.find((each) => each === value);
  if (scope === undefined) throw new InvalidArgumentError(`must be one of ${SCOPES.join(', ')}`);
  return [...before, scope];
}

const day = (epochMs: number | null): string => (epochMs === null ? '' : new Date(epochMs).toISOString().slice(0, 16));

function show(made: MadeKey, kind: 'write' | 'read'): void {
  say(`id   ${made.id}`);
  say(`key  ${made.text}${kind === 'read' ? '   (shown now and never again: only its hash is kept)' : ''}`);
}

function addCreate(command: Command): void {
  command
    .command('create')
    .description('make a key, and its site if there is none of that name')
    .requiredOption('--site <site>', 'site it belongs to')
    .addOption(
      new Option('--kind <kind>', 'write for players, read for people and programs').choices(['write', 'read']).makeOptionMandatory(),
    )
    .addOption(
      new Option('--scope <scope>', 'what a read key may do; repeat for several').argParser(collectScope).default([] as Scope[], 'query'),
    )
    .option('--origin <origin>', 'origin that may use a write key; repeat for several; none = any', collect, [])
    .option('--app', 'a write key for apps: requests without an Origin header are fine', false)
    .option('--rate <n>', 'requests a second', wholeNumber(1, RATE_MAX))
    .option(
      '--key <key>',
      'the key itself instead of a random one (write keys only, since a secret must be random); nothing happens if it exists',
    )
    .option('--label <text>', 'for your own memory', '')
    .action((options: CreateOptions) =>
      withDatabase({ readOnly: false }, async (pool) => {
        if (options.key !== undefined && options.kind === 'read')
          throw new PlayheadError('ERR_OPTION', 'A read key is a secret and always random: leave --key away.');
        const scopes = options.kind === 'read' && options.scope.length === 0 ? (['query'] as const) : options.scope;
        const made = await createKey(pool, {
          site: options.site,
          kind: options.kind,
          scopes,
          origins: options.origin,
          app: options.app,
          requestsPerSecond: options.rate ?? null,
          label: options.label,
          ...(options.key === undefined ? {} : { text: options.key }),
        });
        if (made.made) show(made, options.kind);
        else say(`the key ${made.text} exists already; nothing was changed`);
      }),
    );
}

function addList(command: Command): void {
  command
    .command('list')
    .description('all keys, without their secrets')
    .option('--site <site>', 'of one site only', '')
    .action(({ site }: { site: string }) =>
      withDatabase({ readOnly: true }, async (pool) => {
        const rows = await listKeys(pool, site);
        say(
          table(
            rows.map((row) => ({
              id: row.id,
              site: row.site,
              kind: row.kind,
              key: row.write_key ?? `${row.hint}…`,
              'scopes or origins': (row.kind === 'read' ? row.scopes : row.origins).join(' ') || (row.app ? 'app' : 'any'),
              label: row.label,
              created: day(row.created_at),
              state:
                row.revoked_at !== null ? `revoked ${day(row.revoked_at)}` : row.replaced_by ? `replaced by ${row.replaced_by}` : 'live',
            })),
          ),
        );
      }),
    );
}

function addRotate(command: Command): void {
  command
    .command('rotate')
    .description('make the successor of a key; the old one works until you revoke it')
    .argument('<id>', 'id of the old key')
    .action((id: string) =>
      withDatabase({ readOnly: false }, async (pool) => {
        const made = await rotateKey(pool, id);
        show(made, made.text.startsWith('sk_') ? 'read' : 'write');
        say(`once nothing uses the old one any more: playhead keys revoke ${id}`);
      }),
    );
}

function addRevoke(command: Command): void {
  command
    .command('revoke')
    .description('end a key; servers notice within seconds')
    .argument('<id>', 'id of the key')
    .action((id: string) =>
      withDatabase({ readOnly: false }, async (pool) => {
        await revokeKey(pool, id);
        say(`key ${id} is revoked`);
      }),
    );
}

/** Write keys identify a site to the gateway; read keys ask the query API. */
export function keysCommand(): Command {
  const command = new Command('keys').description('write keys (pk_…, public) and read keys (sk_…, secret)');
  addCreate(command);
  addList(command);
  addRotate(command);
  addRevoke(command);
  return command;
}
