// What every command needs: settings, a quiet logger, a database that is closed again.
import { InvalidArgumentError } from 'commander';
import type { Logger } from 'pino';
import { messageOf, PlayheadError } from '../runtime/errors.ts';
import { createLogger } from '../runtime/log.ts';
import { createReadPool, type ReadPool } from '../runtime/postgres.ts';
import { type CliConfig, environment, loadCliConfig } from './config.ts';
import { allVariables } from './variables.ts';

const STATEMENT_TIMEOUT_MS = 600_000;

/** @throws PlayheadError ERR_CONFIG. */
export const cliConfig = (): CliConfig => loadCliConfig(environment(), allVariables());

/** Only warnings reach the terminal: a command's own words are its output. */
export const cliLogger = (): Logger => createLogger({ service: 'cli', instance: `${process.pid}`, level: 'fatal' });

export const say = (line: string): void => void process.stdout.write(`${line}\n`);

/**
 * Runs with a connection to the database. `readOnly` true for commands that only look.
 * @throws PlayheadError ERR_DATABASE that names the address, without its password.
 */
export async function withDatabase<T>(options: { readOnly: boolean }, run: (pool: ReadPool, config: CliConfig) => Promise<T>): Promise<T> {
  const config = cliConfig();
  const pool = createReadPool({
    url: config.databaseUrl,
    applicationName: 'playhead:cli',
    poolSize: 1,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    readOnly: options.readOnly,
  });
  try {
    return await run(pool, config);
  } catch (error) {
    if (error instanceof PlayheadError) throw error;
    const reason =
      (error as { code?: string }).code === '42P01' ? 'it has no tables yet, run npm run migrate first' : messageOf(error) || 'no answer';
    throw new PlayheadError(
      'ERR_DATABASE',
      `The database at ${addressOf(config.databaseUrl)} could not be used: ${reason}. Check DATABASE_URL.`,
      { cause: error },
    );
  } finally {
    await pool.close();
  }
}

function addressOf(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `${host}${pathname}`;
  } catch {
    return 'DATABASE_URL';
  }
}

/** Rows as columns of equal width under their names. */
export function table(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const [first] = rows;
  if (first === undefined) return '(none)';
  const names = Object.keys(first);
  const cell = (value: unknown): string => (value === null || value === undefined ? '' : String(value));
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => cell(row[name]).length)));
  const line = (values: readonly string[]): string =>
    values
      .map((value, index) => value.padEnd(widths[index] as number))
      .join('  ')
      .trimEnd();
  return [line(names), ...rows.map((row) => line(names.map((name) => cell(row[name]))))].join('\n');
}

/** A parser of whole numbers for commander. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < low || value > high) {
      throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}`);
    }
    return value;
  };
}
