// Who may write: claims, zombies, lost answers, rebalances, a database that is away (D2-D8, D28, D34).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { checkInvariants } from '../support/invariants.ts';
import { contents, createTestLog, fillLog, killAll, runProcessor, sql, until, untilFolded } from '../support/processor-harness.ts';
import { testDatabase } from '../support/servers.ts';
import { type Fate, unreliable } from '../support/unreliable-database.ts';

const log = createTestLog();
fillLog(log);

async function invariantsHold(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    assert.deepEqual(await checkInvariants(client), []);
  } finally {
    await client.end();
  }
}

async function inDatabase(run: (url: string) => Promise<void>): Promise<void> {
  const { url, drop } = await testDatabase();
  try {
    await run(url);
  } finally {
    killAll();
    await drop();
  }
}

const expected = await (async () => {
  const { url, drop } = await testDatabase();
  const running = await runProcessor({ test: log, url });
  await untilFolded(log, url);
  await running.stop();
  const rows = await contents(url);
  await drop();
  return rows;
})();

/** A gate that the named call waits at, from its n-th time on. */
function gate(call: string, nth = 1) {
  let open: () => void = () => {};
  let reached: () => void = () => {};
  let count = 0;
  let shut = true;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const arrived = new Promise<void>((resolve) => {
    reached = resolve;
  });
  return {
    arrived,
    open: () => {
      shut = false;
      open();
    },
    hold: (name: string): Promise<void> | undefined => {
      if (name !== call || !shut) return undefined;
      count += 1;
      if (count < nth) return undefined;
      reached();
      return opened;
    },
  };
}

for (const call of ['begin', 'processor_lock_progress']) {
  test(`a zombie that wakes at ${call} after another claim writes nothing (F3, I8)`, () =>
    inDatabase(async (url) => {
      // The first BEGIN of a partition is its claim: the zombie sleeps in a flush.
      const sleep = gate(call, call === 'begin' ? 3 : 1);
      let fenced = 0;
      const zombie = await runProcessor({
        test: log,
        url,
        instance: 'zombie',
        wrapDatabase: (database) => unreliable(database, { fateOf: () => 'run', hold: sleep.hold }),
        metrics: {
          fenced: () => {
            fenced += 1;
          },
        },
      });
      await sleep.arrived;
      const owner = await runProcessor({ test: log, url, instance: 'owner' });
      await untilFolded(log, url);
      zombie.consumer.kill();
      sleep.open();
      await until('the zombie is fenced', () => fenced > 0);
      zombie.die();
      await owner.stop();
      assert.deepEqual(await contents(url), expected);
      await invariantsHold(url);
    }));
}

test('a writer frozen in the middle of its transaction is disconnected by the next claim (D5)', () =>
  inDatabase(async (url) => {
    const sleep = gate('processor_move_progress');
    const zombie = await runProcessor({
      test: log,
      url,
      instance: 'zombie',
      wrapDatabase: (database) => unreliable(database, { fateOf: () => 'run', hold: sleep.hold }),
    });
    await sleep.arrived;
    zombie.consumer.kill();
    const owner = await runProcessor({ test: log, url, instance: 'owner', frozenWriterMs: 500 });
    await untilFolded(log, url, 20_000);
    assert.ok(owner.terminated.length > 0);
    assert.match(owner.terminated[0] as string, /^playhead:writer:zombie/);
    sleep.open();
    zombie.die();
    await owner.stop();
    assert.deepEqual(await contents(url), expected);
    await invariantsHold(url);
  }));

for (const fate of ['fail', 'lose'] as const) {
  test(`a COMMIT that ${fate === 'fail' ? 'never arrived' : 'was applied'} while its answer was lost is decided from the progress row (D4, F15)`, () =>
    inDatabase(async (url) => {
      let commits = 0;
      const fateOf = (call: string): Fate => (call === 'commit' && ++commits % 2 === 0 ? fate : 'run');
      const running = await runProcessor({ test: log, url, wrapDatabase: (database) => unreliable(database, { fateOf }) });
      await untilFolded(log, url);
      await running.stop();
      assert.ok(commits > 3);
      assert.deepEqual(await contents(url), expected);
      await invariantsHold(url);
    }));
}

test('a connection that breaks at any call is replaced, and the same rows are written (F13, F15)', () =>
  inDatabase(async (url) => {
    let calls = 0;
    const fateOf = (): Fate => {
      calls += 1;
      return calls % 37 === 0 ? 'lose' : calls % 53 === 0 ? 'fail' : 'run';
    };
    const running = await runProcessor({ test: log, url, wrapDatabase: (database) => unreliable(database, { fateOf }) });
    await untilFolded(log, url, 30_000);
    await running.stop();
    assert.deepEqual(await contents(url), expected);
    await invariantsHold(url);
  }));

test('a database that is away pauses the partitions; they go on when it is back (F14, D34)', () =>
  inDatabase(async (url) => {
    let away = false;
    const running = await runProcessor({
      test: log,
      url,
      task: { bufferOutputsMax: 5, flushIntervalMs: 20 },
      wrapDatabase: (database) => unreliable(database, { fateOf: () => (away ? 'fail' : 'run') }),
    });
    await until(
      'running',
      () => running.processor.views().every((view) => view.mode === 'running') && running.processor.views().length === 2,
    );
    away = true;
    await new Promise((resolve) => setTimeout(resolve, 400));
    for (const view of running.processor.views()) assert.deepEqual([view.mode, view.halt], ['running', undefined]);
    away = false;
    await untilFolded(log, url, 20_000);
    await running.stop();
    assert.deepEqual(await contents(url), expected);
  }));

test('a slow database is back-pressure: the buffer stays bounded and every row arrives (F17, D34)', () =>
  inDatabase(async (url) => {
    let buffered = 0;
    const slow = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));
    const running = await runProcessor({
      test: log,
      url,
      task: { bufferOutputsMax: 8, flushOutputsMax: 4 },
      wrapDatabase: (database) => unreliable(database, { fateOf: () => 'run', hold: slow }),
    });
    const watch = setInterval(() => {
      for (const view of running.processor.views()) buffered = Math.max(buffered, view.nextOffset - view.committedOffset);
    }, 2);
    await untilFolded(log, url, 30_000);
    clearInterval(watch);
    await running.stop();
    assert.ok(buffered <= 40, `${buffered} records were folded ahead of the database`);
    assert.deepEqual(await contents(url), expected);
  }));

test('two processors share the partitions; one joins and one leaves in the middle, warm state goes on (F5, D27, D28)', () =>
  inDatabase(async (url) => {
    const late = createTestLog(4);
    fillLog(late, 20);
    const alone = await runProcessor({ test: late, url, instance: 'a', group: 'shared', task: { flushIntervalMs: 30 } });
    await until(
      'some progress',
      async () => Number((await sql(url, 'SELECT coalesce(sum(next_offset), 0) AS n FROM partition_progress'))[0]?.['n']) > 20,
    );
    const joined = await runProcessor({ test: late, url, instance: 'b', group: 'shared', task: { flushIntervalMs: 30 } });
    await until('both own partitions', () => joined.consumer.assigned().length === 2 && alone.consumer.assigned().length === 2);
    late.beacon('site', 'later', 60_000, [{ seq: 0, type: 'playing', at: 60_000, positionMs: 0 }]);
    await untilFolded(late, url);
    await joined.stop();
    await until('all back', () => alone.consumer.assigned().length === 4);
    late.beacon('site', 'later', 62_000, [{ seq: 1, type: 'heartbeat', at: 62_000, positionMs: 1_900 }]);
    late.closeAll(63_000);
    await untilFolded(late, url);
    await alone.stop();
    assert.ok(alone.logs.some((line) => line.includes('"warm":true')));
    await invariantsHold(url);
    const rows = await contents(url);
    await inDatabase(async (other) => {
      const running = await runProcessor({ test: late, url: other });
      await untilFolded(late, other);
      await running.stop();
      assert.deepEqual(await contents(other), rows);
    });
  }));

test('two groups on one database by mistake: rows stay exact, claims name both (F36, D6)', { timeout: 60_000 }, () =>
  inDatabase(async (url) => {
    const [one, other] = [
      await runProcessor({ test: log, url, instance: 'one' }),
      await runProcessor({ test: log, url, instance: 'other' }),
    ];
    await untilFolded(log, url, 20_000);
    await one.stop();
    await other.stop();
    assert.deepEqual(await contents(url), expected);
    await invariantsHold(url);
    const groups = await sql(url, 'SELECT DISTINCT consumer_group FROM partition_claims');
    assert.equal(groups.length, 2);
  }),
);

test('a clean stop leaves a snapshot at the committed position (D27)', () =>
  inDatabase(async (url) => {
    const running = await runProcessor({ test: log, url, task: { snapshotIntervalMs: 3_600_000 } });
    await untilFolded(log, url);
    await running.stop();
    const rows = await sql(
      url,
      'SELECT p.partition FROM partition_progress p JOIN snapshots s USING (partition, next_offset, emission_seq)',
    );
    assert.equal(rows.length, 2);
  }));

test('rows of a restored database copy go back together with the position and are written again (D7, F19)', () =>
  inDatabase(async (url) => {
    const running = await runProcessor({ test: log, url, task: { snapshotIntervalMs: 3_600_000 } });
    await untilFolded(log, url);
    // As a restore from a copy taken before the first flush would leave it, epoch and token included.
    const tables = ['sessions', 'watch_sections', 'custom_events', 'dead_letters', 'duplicate_counts', 'beacons', 'snapshots'];
    const rollups = ['rollup_daily', 'rollup_hourly', 'rollup_engagement', 'rollup_events_hourly', 'rollup_events_daily', 'open_sessions'];
    await sql(
      url,
      `WITH p AS (UPDATE partition_progress SET next_offset = 0, emission_seq = 0, fingerprint_offset = NULL, fingerprint_hash = NULL, stream_time = NULL) SELECT 1`,
    );
    for (const table of [...tables, ...rollups]) await sql(url, `DELETE FROM ${table}`);
    // A record more per partition, so that each one flushes and notices.
    log.tickAll(56_000);
    await untilFolded(log, url, 20_000);
    await running.stop();
    const rows = await contents(url);
    for (const table of [...tables, ...rollups].filter((name) => name !== 'snapshots'))
      assert.deepEqual(rows[table], expected[table], table);
    await invariantsHold(url);
  }));
