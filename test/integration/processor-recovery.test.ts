// The processor's shell on a real PostgreSQL: what it writes, and that interruptions change nothing (I4, I6, D24).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { checkInvariants } from '../support/invariants.ts';
import {
  contents,
  createTestLog,
  fillLog,
  type Mortality,
  runProcessor,
  sql,
  type TestLog,
  untilFolded,
} from '../support/processor-harness.ts';
import { testDatabase } from '../support/servers.ts';

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

/** Rows of a run that nothing disturbed. */
async function undisturbed(log: TestLog): Promise<Record<string, string[]>> {
  const { url, drop } = await testDatabase();
  const running = await runProcessor({ test: log, url });
  await untilFolded(log, url);
  await running.stop();
  await invariantsHold(url);
  const rows = await contents(url);
  await drop();
  return rows;
}

// One partition: its calls come in one order, so that each number names the same call in every run.
const narrow = createTestLog(1);
fillLog(narrow, 5);

// Before the first test is named: the servers of the file stop when its last known test is over.
const expected = await undisturbed(log);
const narrowExpected = await undisturbed(narrow);

test('the undisturbed run has something of everything', () => {
  for (const table of [
    'sessions',
    'watch_sections',
    'custom_events',
    'dead_letters',
    'duplicate_counts',
    'beacons',
    'rollup_daily',
    'rollup_hourly',
    'rollup_engagement',
  ])
    assert.ok((expected[table] as string[]).length > 0, table);
  assert.deepEqual(expected['open_sessions'], []);
});

test('the same log gives the same rows in an empty database, in other cuts (I6)', async () => {
  const { url, drop } = await testDatabase();
  const running = await runProcessor({ test: log, url, task: { flushIntervalMs: 40, flushOutputsMax: 3 } });
  await untilFolded(log, url);
  await running.stop();
  assert.deepEqual(await contents(url), expected);
  await drop();
});

/** Runs until the processor dies or has folded everything, then lets another one finish. */
async function withDeath(mortality: Mortality): Promise<{ died: boolean; at: string }> {
  const { url, drop } = await testDatabase();
  try {
    const first = await runProcessor({ test: narrow, url, mortality, task: { flushIntervalMs: 25, snapshotIntervalMs: 1 } });
    const stopped = untilFolded(narrow, url, 20_000).then(() => first.stop());
    await Promise.race([first.mortal.died, stopped]);
    const died = !first.mortal.alive;
    if (died) {
      stopped.catch(() => {});
      const second = await runProcessor({ test: narrow, url, instance: 'p2' });
      await untilFolded(narrow, url);
      await second.stop();
    }
    assert.deepEqual(
      await contents(url),
      narrowExpected,
      `after dying ${mortality.when} call ${mortality.dieAt}: ${first.mortal.trace.at(-1)}`,
    );
    await invariantsHold(url);
    return { died, at: first.mortal.trace[mortality.dieAt - 1] ?? '' };
  } finally {
    await drop();
  }
}

for (const when of ['before', 'after'] as const) {
  test(`a crash ${when} every call to a port changes no row (F2, I4, I6)`, { timeout: 240_000 }, async () => {
    const names = new Set<string>();
    for (let dieAt = 1, alive = 0; alive < 2 && dieAt < 300; dieAt++) {
      const { died, at } = await withDeath({ dieAt, when });
      if (died) names.add(at);
      else alive += 1;
    }
    for (const name of [
      'begin',
      'commit',
      'copy sessions',
      'processor_claim_progress',
      'processor_move_progress',
      'processor_write_snapshot',
      'bounds',
    ])
      assert.ok(names.has(name), `no run died at ${name}: ${[...names].join(', ')}`);
  });
}

test('dying at random again and again changes no row (I4, I6)', { timeout: 120_000 }, async () => {
  const { url, drop } = await testDatabase();
  let seed = 12_345;
  const next = (): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  for (let life = 0; life < 25; life++) {
    const mortality: Mortality = { dieAt: 1 + (next() % 60), when: next() % 2 === 0 ? 'before' : 'after' };
    const running = await runProcessor({ test: log, url, instance: `life${life}`, mortality });
    await Promise.race([running.mortal.died, untilFolded(log, url).catch(() => {})]);
    running.die();
  }
  const last = await runProcessor({ test: log, url, instance: 'last' });
  await untilFolded(log, url);
  await last.stop();
  assert.deepEqual(await contents(url), expected);
  await invariantsHold(url);
  assert.ok((await sql(url, 'SELECT FROM partition_claims')).length > 4);
  await drop();
});
