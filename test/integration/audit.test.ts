// D30 on a database that a processor filled: `playhead audit` finds nothing in it, and in each damaged copy of it exactly what was damaged.
// docs/checks.md shows the output of the sound one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type Outcome, playhead } from '../support/cli.ts';
import { createTestLog, fillLog, runProcessor, sql, untilFolded } from '../support/processor-harness.ts';
import { type TestDatabase, testDatabase, testDatabaseServer, withDatabaseName } from '../support/servers.ts';

const PAGE = new URL('../../docs/checks.md', import.meta.url);
const audit = (url: string, ...args: string[]): Promise<Outcome> => playhead({ DATABASE_URL: url }, 'audit', ...args);

/** The row with the highest number of partition 1. */
const LAST = `partition = 1 AND emission_seq = (SELECT emission_seq FROM partition_progress WHERE partition = 1)`;
const COPY_OF_A_LETTER = `INSERT INTO dead_letters SELECT site, session, event_index, seq, reason, detail, payload, 0, append_at + interval '1 s',
  partition, emission_seq, source_offset, epoch, writer FROM dead_letters WHERE partition = 0 ORDER BY emission_seq LIMIT 1`;

const DAMAGES: { invariant: string; what: string; damage: string; says: RegExp }[] = [
  {
    invariant: 'I4',
    what: 'a row that is gone',
    damage: 'DELETE FROM custom_events WHERE ctid = (SELECT min(ctid) FROM custom_events WHERE partition = 0)',
    says: /^partition 0: .*: I4: (\d+) emissions expected from 1 to \1, \d+ found$/m,
  },
  {
    invariant: 'I4',
    what: 'a number used twice',
    damage: COPY_OF_A_LETTER,
    says: /^partition 0: .*: I4: 1 emission numbers are used more than once$/m,
  },
  {
    invariant: 'I4',
    what: 'a position that fell behind its rows',
    damage: 'UPDATE partition_progress SET emission_seq = emission_seq - 1 WHERE partition = 1',
    says: /^partition 1: .*I4: a row has the number \d+, beyond the progress row's \d+$/m,
  },
  {
    invariant: 'I5',
    what: 'rows out of log order',
    damage: `UPDATE sessions SET source_offset = 0 WHERE ${LAST}`,
    says: /^partition 1: .*: I5: the source offset falls 1 times in emission order$/m,
  },
  {
    invariant: 'I5',
    what: 'a row from beyond the position',
    damage: `UPDATE sessions SET source_offset = 1000000 WHERE ${LAST}`,
    says: /^partition 1: .*: I5: 1 rows come from offsets beyond the progress row's \d+$/m,
  },
  {
    invariant: 'I8',
    what: 'a row written under an old epoch',
    damage: `UPDATE sessions SET epoch = 0 WHERE ${LAST}`,
    says: /^partition 1: .*: I5: the epoch falls 1 times in emission order; I8: 1 rows were written under an epoch older than a claim before them$/m,
  },
  {
    invariant: 'I7',
    what: 'an hour that counts one play too many',
    damage: `UPDATE rollup_hourly SET plays = plays + 1 WHERE ctid = (SELECT min(ctid) FROM rollup_hourly WHERE scope = 'video' AND plays > 0)`,
    says: /^rollup_hourly: 1 figures differ from their rows \(I7\)\n {2}site=site scope=video video=intro watch_class=\d+ hour=\S+ \S+: plays is (\d+), the rows say \d+$/m,
  },
  {
    invariant: 'I7',
    what: 'a day under another country',
    damage: `UPDATE rollup_daily SET value = 'DE' WHERE dimension = 'country' AND scope = 'site' AND watch_class = (SELECT max(watch_class) FROM rollup_daily)`,
    says: /^ {2}site=site scope=site dimension=country value=DE watch_class=\d+ day=2026-11-20: sessions is \d+, the rows say 0$/m,
  },
  {
    invariant: 'I7',
    what: 'a startup time that nobody had',
    damage: `UPDATE rollup_daily SET startup_counts[1] = 5 WHERE ctid = (SELECT min(ctid) FROM rollup_daily WHERE dimension = '')`,
    says: /^rollup_daily: 1 figures differ[\s\S]*: startups is \d+, the rows say \d+$/m,
  },
  {
    invariant: 'I7',
    what: 'a range that was watched once more than left',
    damage: 'UPDATE rollup_engagement SET watch_steps[3] = watch_steps[3] + 1 WHERE ctid = (SELECT min(ctid) FROM rollup_engagement)',
    says: /^rollup_engagement: 1 figures differ[\s\S]*video=intro duration_ms=60000 day=2026-11-20: watch_steps is 1, the rows say 0$/m,
  },
  {
    invariant: 'I7',
    what: 'an hour that counts an event too many',
    damage:
      'UPDATE rollup_events_hourly SET events = events + 1 WHERE ctid = (SELECT min(ctid) FROM rollup_events_hourly WHERE partition = 0)',
    says: /^rollup_events_hourly: 1 figures differ[\s\S]*site=site scope=\w+ .*name=chapter hour=2026-11-20 1\d:00:00\+\d+: events is \d+, the rows say \d+$/m,
  },
  {
    invariant: 'I1',
    what: 'a balance that is off',
    damage: `UPDATE partition_progress SET ledger = jsonb_set(ledger, '{eventsInLog}', '1000000') WHERE partition = 0`,
    says: /^partition 0: .*: I1: the ledger is off by \d+ events$/m,
  },
  {
    invariant: 'I1',
    what: 'a session that claims more events than came',
    damage: `UPDATE sessions SET received = received + 1000 WHERE ${LAST}`,
    says: /^partition 1: .*: I1: sessions and dead letters hold \d+ events, the ledger \d+$/m,
  },
];

describe('playhead audit (D30)', { timeout: 240_000 }, () => {
  let database: TestDatabase;
  let admin: string;

  before(async () => {
    database = await testDatabase();
    admin = await testDatabaseServer();
    const test = createTestLog();
    fillLog(test);
    // Two processors one after the other, so that claims lie between the rows.
    for (const instance of ['p1', 'p2']) {
      const running = await runProcessor({ test, url: database.url, instance });
      await untilFolded(test, database.url);
      await running.stop();
      test.beacon('site', `after-${instance}`, 60_000, [{ seq: 0, type: 'playing', at: 60_000, positionMs: 0 }]);
      test.closeAll(61_000);
    }
    const last = await runProcessor({ test, url: database.url, instance: 'p3' });
    await untilFolded(test, database.url);
    await last.stop();
  });
  after(() => database?.drop());

  /** Runs over a copy of the database. */
  async function onCopy(damage: string, use: (url: string) => Promise<void>): Promise<void> {
    const name = `${new URL(database.url).pathname.slice(1)}_copy`;
    await sql(admin, `CREATE DATABASE ${name} TEMPLATE ${new URL(database.url).pathname.slice(1)}`);
    try {
      const url = withDatabaseName(admin, name);
      await sql(url, damage);
      await use(url);
    } finally {
      await sql(admin, `DROP DATABASE ${name} WITH (FORCE)`);
    }
  }

  it('finds nothing in what a processor wrote, and docs/checks.md shows what it says', async () => {
    const { code, stdout, stderr } = await audit(database.url);
    assert.equal(code, 0, stdout + stderr);
    const shown = /```text\n(partition 0: [\s\S]*?)```/.exec(readFileSync(PAGE, 'utf8'))?.[1];
    assert.equal(stdout, shown);
    const [counts] = await sql<Record<string, number>>(
      database.url,
      `SELECT (SELECT count(*) FROM sessions)::int AS sessions, (SELECT count(*) FROM sessions WHERE part > 0)::int AS supplements,
        (SELECT count(*) FROM duplicate_counts)::int AS duplicates, (SELECT count(*) FROM dead_letters)::int AS letters`,
    );
    for (const [name, count] of Object.entries(counts ?? {})) assert.ok(count > 0, `no ${name}: the audit looked at less than it should`);
  });

  it('keeps its result when asked to', async () => {
    await onCopy('SELECT', async (url) => {
      assert.equal((await audit(url, '--record')).code, 0);
      const rows = await sql(url, 'SELECT name, sound, unsound, skipped, problems FROM check_results');
      assert.deepEqual(rows, [{ name: 'audit', sound: 2, unsound: 0, skipped: 0, problems: 0 }]);
    });
  });

  it('judges only what is left when told since when', async () => {
    await onCopy('DELETE FROM custom_events WHERE emission_seq = 1; DELETE FROM sessions WHERE emission_seq = 1', async (url) => {
      const since = await audit(url, '--since', '2026-11-20T10:00:30Z');
      assert.match(since.stdout, /^partition 0: .*: ok$/m);
    });
  });

  for (const { invariant, what, damage, says } of DAMAGES) {
    it(`${invariant}: notices ${what} (negative control)`, () =>
      onCopy(damage, async (url) => {
        const { code, stdout, stderr } = await audit(url);
        assert.equal(code, 2, stdout + stderr);
        assert.match(stdout, says);
        assert.match(stdout, /^\d of 2 partitions have problems, \d+ rollup figures differ: stop writing and keep the evidence$/m);
      }));
  }
});
