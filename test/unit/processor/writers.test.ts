// The writing connections: taken in turn, given back when all went well, and none trusted after one has failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Database, DatabaseConnection } from '../../../infra/runtime/ports.ts';
import { createWriters } from '../../../processor/writers.ts';

type Fake = DatabaseConnection & { id: number; destroyed: boolean };

function fakeDatabase(): { database: Database; made: Fake[] } {
  const made: Fake[] = [];
  const nothing = async (): Promise<void> => {};
  const connect = async (): Promise<Fake> => {
    const connection: Fake = {
      id: made.length,
      destroyed: false,
      query: async () => [],
      copy: async () => 0,
      begin: nothing,
      commit: nothing,
      rollback: nothing,
      destroy() {
        connection.destroyed = true;
      },
    };
    made.push(connection);
    return connection;
  };
  return { made, database: { connect, close: nothing } };
}

test('connections are used again', async () => {
  const { database, made } = fakeDatabase();
  const writers = createWriters({ database, connectionsMax: 2 });
  for (let turn = 0; turn < 5; turn++) await writers.use(async () => {});
  assert.equal(made.length, 1);
});

test('after a failure the idle connections go too: one half-open connection is seldom alone (F16)', async () => {
  const { database, made } = fakeDatabase();
  const writers = createWriters({ database, connectionsMax: 3 });
  await Promise.all([1, 2, 3].map(() => writers.use(() => new Promise((resolve) => setImmediate(resolve)))));
  assert.equal(made.length, 3);
  const failed = writers.use(async () => {
    throw new Error('no answer in 25 s');
  });
  await assert.rejects(failed, /no answer/);
  assert.ok(made.every(({ destroyed }) => destroyed));
  const next = await writers.use(async (connection) => (connection as Fake).id);
  assert.equal(next, 3);
});

test('no more turns than connections at a time', async () => {
  const { database } = fakeDatabase();
  const writers = createWriters({ database, connectionsMax: 2 });
  let now = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
  };
  await Promise.all(Array.from({ length: 9 }, () => writers.use(work)));
  assert.equal(most, 2);
});
