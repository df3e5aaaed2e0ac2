// Row locks on the progress of partitions: one holder, waiters in order, a lock timeout.
import type { SimConnection } from './sim-database.ts';
import type { World } from './world.ts';

const LOCK_TIMEOUT_MS = 2_000;

type Waiter = { connection: SimConnection; granted: () => void; over: boolean };

export type Locks = {
  /** Grants now or later; `timedOut` after the lock timeout. A lock held already is granted again. */
  take(connection: SimConnection, partition: number, granted: () => void, timedOut: () => void): void;
  /** Frees what this connection holds. */
  release(connection: SimConnection): void;
  /** Lets it wait for nothing any more. */
  forget(connection: SimConnection): void;
  /** Who holds what the connection with this process id waits for. */
  holdersBlocking(pid: number): SimConnection[];
};

export function createLocks(world: World): Locks {
  const holders = new Map<number, SimConnection>();
  const waiters = new Map<number, Waiter[]>();
  const queueOf = (partition: number): Waiter[] => {
    const queue = waiters.get(partition) ?? [];
    waiters.set(partition, queue);
    return queue;
  };
  const passOn = (partition: number): void => {
    const queue = queueOf(partition);
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (next.over) continue;
      next.over = true;
      // Outside a transaction the lock lasts for the statement only.
      if (next.connection.transaction !== undefined) holders.set(partition, next.connection);
      next.granted();
      if (holders.has(partition)) return;
    }
  };
  return {
    take(connection, partition, granted, timedOut) {
      const holder = holders.get(partition);
      if (holder === undefined || holder === connection) {
        if (connection.transaction !== undefined) holders.set(partition, connection);
        granted();
        return;
      }
      world.note('lockWait');
      const waiter: Waiter = { connection, granted, over: false };
      queueOf(partition).push(waiter);
      world.schedule(undefined, LOCK_TIMEOUT_MS, 'lock timeout', () => {
        if (waiter.over) return;
        waiter.over = true;
        world.note('lockTimeout');
        timedOut();
      });
    },
    release(connection) {
      for (const [partition, holder] of [...holders]) {
        if (holder !== connection) continue;
        holders.delete(partition);
        passOn(partition);
      }
    },
    forget(connection) {
      for (const queue of waiters.values()) for (const waiter of queue) if (waiter.connection === connection) waiter.over = true;
    },
    holdersBlocking(pid) {
      const found: SimConnection[] = [];
      for (const [partition, queue] of waiters) {
        const holder = holders.get(partition);
        if (holder !== undefined && queue.some((waiter) => !waiter.over && waiter.connection.pid === pid)) found.push(holder);
      }
      return found;
    },
  };
}
