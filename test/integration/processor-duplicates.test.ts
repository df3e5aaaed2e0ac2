// D8: a number that is taken although nothing was committed under it. Here the progress row alone goes back, as when somebody restores one
// table: rows and rollups are all there, and the fold makes them again.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { contents, createTestLog, fillLog, killAll, runProcessor, sql, until, untilFolded } from '../support/processor-harness.ts';
import { testDatabase } from '../support/servers.ts';

afterEach(killAll);

/** A database with the whole log in it and the progress of its first third. */
async function withProgressAlonePutBack(run: (url: string, log: ReturnType<typeof createTestLog>) => Promise<void>): Promise<void> {
  const { url, drop } = await testDatabase();
  try {
    const log = createTestLog();
    log.beacon('site', 'early', 0, [{ seq: 0, type: 'custom', at: 0, detail: null }]);
    log.tickAll(100);
    const first = await runProcessor({ test: log, url });
    await untilFolded(log, url);
    await first.stop();
    await sql(url, 'CREATE TABLE kept AS SELECT * FROM partition_progress');
    fillLog(log);
    const second = await runProcessor({ test: log, url, instance: 'p2' });
    await untilFolded(log, url);
    await second.stop();
    await run(url, log);
  } finally {
    killAll();
    await drop();
  }
}

const putBack = (url: string): Promise<unknown> =>
  sql(
    url,
    `UPDATE partition_progress p SET next_offset = k.next_offset, emission_seq = k.emission_seq, fingerprint_offset = k.fingerprint_offset,
      fingerprint_hash = k.fingerprint_hash, stream_time = k.stream_time, ledger = k.ledger FROM kept k WHERE k.partition = p.partition`,
  );

test('rows that are there already stay, nothing is counted twice, and what the fold gave is kept apart (D8)', () =>
  withProgressAlonePutBack(async (url, log) => {
    const before = await contents(url);
    await putBack(url);
    let aside = 0;
    const metrics = {
      setAside(count: number) {
        aside += count;
      },
    };
    const third = await runProcessor({ test: log, url, instance: 'p3', setAsideDuplicates: true, metrics });
    await untilFolded(log, url);
    // What comes later is written as ever.
    log.beacon('site', 'later', 70_000, [{ seq: 0, type: 'playing', at: 70_000, positionMs: 0 }]);
    log.closeAll(71_000);
    await untilFolded(log, url);
    await third.stop();
    const rows = await sql<{ kind: string; n: number }>(
      url,
      'SELECT kind, count(*)::int AS n FROM set_aside_emissions GROUP BY 1 ORDER BY 1',
    );
    assert.deepEqual(
      rows.map(({ kind }) => kind),
      ['custom', 'dead', 'duplicate', 'sealed'],
    );
    assert.ok(aside > rows.reduce((sum, { n }) => sum + n, 0), 'beacons of the raw log count too');
    assert.ok(third.logs.some((line) => line.includes('never committed') && line.includes('"numbers":[')));
    const after = await contents(url);
    const added = (table: string): string[] => (after[table] ?? []).filter((row) => !(before[table] ?? []).includes(row));
    assert.equal(added('sessions').length, 1);
    assert.match(added('sessions')[0] as string, /"later"/);
    for (const table of ['custom_events', 'dead_letters', 'duplicate_counts']) assert.deepEqual(after[table], before[table], table);
    assert.equal(added('beacons').length, 1);
    const [sums] = await sql<Record<string, number>>(
      url,
      `SELECT (SELECT count(*) FROM sessions WHERE part = 0)::int AS rows,
        (SELECT sum(sessions) FROM rollup_hourly WHERE scope = 'site')::int AS hours,
        (SELECT sum(sessions) FROM rollup_daily WHERE scope = 'site' AND dimension = '')::int AS days`,
    );
    assert.deepEqual(sums, { rows: sums?.['rows'], hours: sums?.['rows'], days: sums?.['rows'] });
  }));

test('or the partition halts and says so, which is what tests want (D8)', () =>
  withProgressAlonePutBack(async (url, log) => {
    await putBack(url);
    const third = await runProcessor({ test: log, url, instance: 'p3' });
    await until('both partitions halted', () => third.processor.views().every(({ halt }) => halt?.reason === 'duplicate_emission'));
    assert.deepEqual(await sql(url, 'SELECT 1 FROM set_aside_emissions'), []);
    await third.stop();
  }));
