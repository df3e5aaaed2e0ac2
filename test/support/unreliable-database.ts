// A database whose answers can be lost, held back or refused, around a real one.
import type { Database, DatabaseConnection } from '../../infra/runtime/ports.ts';

/** What happens to a call: it runs, fails before it reaches the server, or its answer is lost. */
export type Fate = 'run' | 'fail' | 'lose';

/** Decides by role of the connection and name of the call: `begin`, `commit`, `copy <table>`, `connect` or a statement's name. */
export type Fates = { fateOf: (call: string) => Fate; hold?: (call: string) => Promise<void> | undefined };

const lost = (call: string): Error => Object.assign(new Error(`connection lost at ${call}`), { code: 'ECONNRESET' });

/** Wraps a database. A call that fails or loses its answer also ends the connection, as a reset does. */
export function unreliable(database: Database, fates: Fates): Database {
  const through = async <T>(call: string, end: () => void, run: () => Promise<T>): Promise<T> => {
    await fates.hold?.(call);
    const fate = fates.fateOf(call);
    if (fate === 'fail') {
      end();
      throw lost(call);
    }
    const result = await run();
    if (fate === 'run') return result;
    end();
    throw lost(call);
  };
  const wrap = (inner: DatabaseConnection): DatabaseConnection => {
    const end = (): void => inner.destroy();
    return {
      query: (statement, params) => through(statement.name, end, () => inner.query(statement, params)),
      copy: (payload) => through(`copy ${payload.table}`, end, () => inner.copy(payload)),
      begin: () => through('begin', end, () => inner.begin()),
      commit: () => through('commit', end, () => inner.commit()),
      rollback: () => through('rollback', end, () => inner.rollback()),
      destroy: end,
    };
  };
  return {
    connect: async (role) => {
      let opened: DatabaseConnection | undefined;
      const open = async (): Promise<DatabaseConnection> => {
        opened = await database.connect(role);
        return opened;
      };
      return wrap(await through('connect', () => opened?.destroy(), open));
    },
    close: () => database.close(),
  };
}
