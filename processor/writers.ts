// The few database connections of a processor that write. Tasks take turns on them; a connection on which anything failed is
// destroyed, never given back (P1), and the idle ones with it, so the next turn begins with a fresh one.
import type { Database, DatabaseConnection } from '../infra/runtime/ports.ts';

export type Writers = {
  /** Runs work on a connection of its own; whatever it throws destroys the connection and is thrown on. */
  use<T>(work: (connection: DatabaseConnection) => Promise<T>): Promise<T>;
  /** A connection beside the writers, for questions about who holds a lock (D5). */
  beside<T>(work: (connection: DatabaseConnection) => Promise<T>): Promise<T>;
  close(): void;
};

/** Creates up to `connectionsMax` connections, when they are first needed. */
export function createWriters(deps: { database: Database; connectionsMax: number }): Writers {
  const idle: DatabaseConnection[] = [];
  const waiting: (() => void)[] = [];
  let busy = 0;
  let closed = false;
  const enter = async (): Promise<void> => {
    if (busy >= deps.connectionsMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy += 1;
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) busy -= 1;
    else next();
  };
  return {
    async use(work) {
      await enter();
      let connection: DatabaseConnection | undefined;
      try {
        connection = idle.pop() ?? (await deps.database.connect('writer'));
        const result = await work(connection);
        if (closed) connection.destroy();
        else idle.push(connection);
        return result;
      } catch (thrown) {
        connection?.destroy();
        // What broke this one may have broken the others without a sign: to find that out one by one costs a time limit each.
        for (const other of idle.splice(0)) other.destroy();
        throw thrown;
      } finally {
        leave();
      }
    },
    async beside(work) {
      const connection = await deps.database.connect('watch');
      try {
        return await work(connection);
      } finally {
        connection.destroy();
      }
    },
    close() {
      closed = true;
      for (const connection of idle.splice(0)) connection.destroy();
    },
  };
}
