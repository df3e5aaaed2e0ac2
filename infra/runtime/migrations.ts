// Runs the numbered migrations of infra/sql, forward only, one runner at a time (advisory lock), with a table of what ran per
// layer. Layers: core (plain PostgreSQL 15+), timescale (the parts of TimescaleDB under the Apache licence) and
// timescale-tsl (those under the Timescale licence, only when asked for: P8). No figure depends on the latter two.
//
// A migration whose first line is `--! breaking` makes older binaries refuse to run: its name is kept as the comment of the
// core layer's table, and a binary that does not know that name stops (checkSchema).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import { codeOf, messageOf, PlayheadError } from './errors.ts';
import type { Statement } from './ports.ts';
import { createReadPool, type ReadPool } from './postgres.ts';

/** off: core only. auto: TimescaleDB's Apache parts where the extension exists. apache, tsl: the extension must exist. */
export const TIMESCALE_MODES = ['off', 'auto', 'apache', 'tsl'] as const;
export type TimescaleMode = (typeof TIMESCALE_MODES)[number];

/** What ran, by layer: file names without `.sql`, in order; empty = nothing was left to do. */
export type Migrated = { core: string[]; timescale: string[]; timescaleTsl: string[] };

type Layer = 'core' | 'timescale' | 'timescale-tsl';

/** Directory of the migrations: one folder per layer. */
export const SQL_DIRECTORY: string = fileURLToPath(new URL('../sql', import.meta.url));

const MIGRATION_LOCK = 7_305_110_418;
const STATEMENT_TIMEOUT_MS = 15_000;
/** Codes of a connection that never came about: no server, no such name, wrong password, no such database. */
const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH', '28P01', '28000', '3D000']);
const BREAKING = '--! breaking';

const tableOf = (layer: Layer): string => `migrations_${layer.replace('-', '_')}`;

const timescaleAvailable: Statement<[], { available: boolean }> = {
  name: 'timescale-available',
  text: "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') AS available",
};

const coreState: Statement<[], { exists: boolean; breaking: string | null }> = {
  name: 'core-migration-state',
  text: "SELECT to_regclass('migrations_core') IS NOT NULL AS exists, obj_description(to_regclass('migrations_core')) AS breaking",
};

const coreNames: Statement<[], { name: string }> = { name: 'core-migrations', text: 'SELECT name FROM migrations_core ORDER BY id' };

/** Names of a layer's migrations in order, without `.sql`; [] if the layer has none. */
export function migrationNames(layer: Layer, directory: string = SQL_DIRECTORY): string[] {
  try {
    return readdirSync(join(directory, layer))
      .filter((file) => file.endsWith('.sql'))
      .map((file) => file.slice(0, -4))
      .sort();
  } catch {
    return [];
  }
}

function lastBreaking(directory: string): string {
  const breaking = migrationNames('core', directory).filter((name) =>
    readFileSync(join(directory, 'core', `${name}.sql`), 'utf8').startsWith(BREAKING),
  );
  return breaking.at(-1) ?? '';
}

async function runLayer(layer: Layer, options: MigrateOptions): Promise<string[]> {
  const directory = options.directory ?? SQL_DIRECTORY;
  if (migrationNames(layer, directory).length === 0) return [];
  const silent = (): void => {};
  try {
    const ran = await runner({
      databaseUrl: { connectionString: options.databaseUrl, application_name: 'playhead:migrate' },
      dir: join(directory, layer),
      ignorePattern: '.*(?<!\\.sql)$',
      migrationsTable: tableOf(layer),
      direction: 'up',
      advisoryLockMode: 'wait',
      lockValue: MIGRATION_LOCK,
      logger: { debug: silent, info: silent, warn: silent, error: silent },
    });
    return ran.map(({ name }) => name);
  } catch (error) {
    if (UNREACHABLE.has(codeOf(error))) {
      throw new PlayheadError(
        'ERR_DATABASE',
        `The database cannot be reached (${messageOf(error)}): check DATABASE_URL and that the server runs.`,
        { cause: error },
      );
    }
    throw new PlayheadError('ERR_MIGRATION', `Migrations of the ${layer} layer failed and were rolled back: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

export type MigrateOptions = {
  databaseUrl: string;
  timescale: TimescaleMode;
  /** Where the layers lie; by default infra/sql. */
  directory?: string;
};

/**
 * Brings a database up to date. Safe to run any number of times and from several places at once.
 * @throws PlayheadError ERR_MIGRATION (rolled back), ERR_TIMESCALE_MISSING, ERR_DATABASE (no answer).
 */
export async function migrate(options: MigrateOptions): Promise<Migrated> {
  const core = await runLayer('core', options);
  const migrated: Migrated = { core, timescale: [], timescaleTsl: [] };
  await withPool(options.databaseUrl, async (pool) => {
    const breaking = lastBreaking(options.directory ?? SQL_DIRECTORY);
    if (breaking !== '')
      await pool.query({ name: 'mark-breaking', text: `COMMENT ON TABLE migrations_core IS '${breaking.replaceAll("'", '')}'` }, []);
    if (options.timescale === 'off') return;
    const [answer] = await pool.query(timescaleAvailable, []);
    if (answer?.available) {
      migrated.timescale = await runLayer('timescale', options);
      if (options.timescale === 'tsl') migrated.timescaleTsl = await runLayer('timescale-tsl', options);
    } else if (options.timescale !== 'auto') {
      throw new PlayheadError(
        'ERR_TIMESCALE_MISSING',
        `PLAYHEAD_TIMESCALE=${options.timescale} and this PostgreSQL has no TimescaleDB: install the extension or set PLAYHEAD_TIMESCALE=auto.`,
      );
    }
  });
  return migrated;
}

/**
 * Makes sure that this binary and the database fit: every core migration has run, and none that broke older binaries is
 * unknown to us.
 * @throws PlayheadError ERR_SCHEMA_OLD (run the migrations), ERR_SCHEMA_NEW (run a newer binary), ERR_DATABASE.
 */
export async function checkSchema(databaseUrl: string): Promise<void> {
  await withPool(databaseUrl, async (pool) => {
    const known = migrationNames('core');
    const [state] = await pool.query(coreState, []);
    const ran = state?.exists ? (await pool.query(coreNames, [])).map(({ name }) => name) : [];
    const breaking = state?.breaking ?? '';
    if (breaking !== '' && !known.includes(breaking)) {
      throw new PlayheadError(
        'ERR_SCHEMA_NEW',
        `The database was migrated by a newer Playhead (${breaking}) that this one does not fit: run that version or newer.`,
      );
    }
    const missing = known.filter((name) => !ran.includes(name));
    if (missing.length > 0)
      throw new PlayheadError('ERR_SCHEMA_OLD', `The database lacks ${missing.join(', ')}: run npm run migrate first.`);
  });
}

async function withPool<T>(url: string, run: (pool: ReadPool) => Promise<T>): Promise<T> {
  const pool = createReadPool({
    url,
    applicationName: 'playhead:migrate',
    poolSize: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    readOnly: false,
  });
  try {
    return await run(pool);
  } catch (error) {
    if (error instanceof PlayheadError) throw error;
    throw new PlayheadError('ERR_DATABASE', `The database gave no useful answer: ${messageOf(error)}`, { cause: error });
  } finally {
    await pool.close();
  }
}
