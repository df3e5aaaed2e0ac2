// A statement together with its parameters, ready to be run inside a flush.
import type { DatabaseConnection, Statement } from '../infra/runtime/ports.ts';

/** Parameters are checked where the pair is made: `prepared(statement, params)`. */
export type PreparedStatement = { statement: Statement<readonly unknown[], unknown>; params: readonly unknown[] };

/** Pairs a statement with parameters of its own type. */
export function prepared<P extends readonly unknown[], R>(statement: Statement<P, R>, params: P): PreparedStatement {
  return { statement: statement as unknown as PreparedStatement['statement'], params };
}

/** Runs prepared statements in order. */
export async function runAll(connection: DatabaseConnection, statements: readonly PreparedStatement[]): Promise<void> {
  for (const { statement, params } of statements) await connection.query(statement, params);
}
