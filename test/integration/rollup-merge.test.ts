// Closed days of the rollups become one row for all partitions: every answer is the same before and after, with supplements that come
// later and with processors that write meanwhile; and a question then reads one row where it read one for each partition.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { mergeClosedDays } from '../../infra/cli/rollups.ts';
import { auditEventRollups } from '../../infra/cli/sql/audit-event-rollups.ts';
import { auditRollups } from '../../infra/cli/sql/audit-rollups.ts';
import { createDatabase, createReadPool, type ReadPool } from '../../infra/runtime/postgres.ts';
import { playhead } from '../support/cli.ts';
import { clearParts, SEED_SITE, SEED_START_MS, type SeedPart, seedParts, writeParts } from '../support/query-seed.ts';
import { type Loose, type QueryServer, startQueryServer } from '../support/query-server.ts';

const RANGE = 'from=2025-11-24&to=2025-11-28';
const QUESTIONS = [
  `/v1/plays?${RANGE}&granularity=day`,
  `/v1/plays?${RANGE}&granularity=hour`,
  `/v1/plays?${RANGE}&granularity=day&timezone=Europe/Amsterdam&minWatchMs=10000`,
  `/v1/plays?${RANGE}&groupBy=country`,
  `/v1/plays?${RANGE}&groupBy=video&minWatchMs=3000`,
  `/v1/plays?${RANGE}&video=intro&state=sealed`,
  `/v1/quality?${RANGE}`,
  `/v1/sources?${RANGE}`,
  `/v1/engagement?${RANGE}&video=intro`,
  `/v1/engagement?${RANGE}&video=tour&state=sealed`,
  `/v1/events?${RANGE}`,
];
const TABLES = ['rollup_daily', 'rollup_hourly', 'rollup_engagement', 'rollup_events_daily', 'rollup_events_hourly'];

/** Many sealed sessions, the same every time. */
const crowd = (seed: number): SeedPart[] =>
  fc
    .sample(seedParts({ sessionsMax: 40, supplements: false, open: false }), { numRuns: 12, seed })
    .flatMap((seeds, n) => seeds.map(({ part, open }) => ({ open, part: { ...part, session: `${n}-${part.session}` } })));

describe('merging closed days over partitions (D9)', { timeout: 240_000 }, () => {
  let server: QueryServer;
  let pool: ReadPool;

  before(async () => {
    server = await startQueryServer();
    pool = createReadPool({ url: server.database.url, applicationName: 'test', poolSize: 3, statementTimeoutMs: 30_000, readOnly: false });
  });
  after(async () => {
    await pool?.close();
    await server?.stop();
  });

  const answers = async (): Promise<unknown[]> => {
    const found: unknown[] = [];
    for (const question of QUESTIONS) {
      const { status, body } = await server.ask(question);
      // Engagement of a video that nobody opened is a 404, then as now.
      assert.ok(status === 200 || (status === 404 && question.includes('engagement')), `${question}: ${JSON.stringify(body)}`);
      found.push({ question, status, data: body.data });
    }
    return found;
  };
  const differences = async (): Promise<unknown[]> => {
    const statements = Object.values({ ...auditRollups, ...auditEventRollups });
    return (await Promise.all(statements.map((statement) => pool.query(statement, [null])))).flat();
  };
  const customOf = (seeds: readonly SeedPart[]) =>
    seeds.map(({ part }, seq) => ({
      site: SEED_SITE,
      session: part.session,
      video: part.video,
      at: part.startedAt,
      name: seq % 2 === 0 ? 'like' : 'share',
      positionMs: -1,
      data: '',
      seq,
    }));
  const rowsIn = async (table: string): Promise<{ rows: number; keys: number }> => {
    const key = (
      await server.sql(
        `SELECT a.attname AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
         WHERE i.indrelid = $1::regclass AND i.indisprimary AND a.attname <> 'partition'`,
        [table],
      )
    ).map(({ name }: Loose) => name);
    const [row] = await server.sql(`SELECT count(*)::int AS rows, count(DISTINCT (${key.join(', ')}))::int AS keys FROM ${table}`);
    return row;
  };

  it('gives every answer as before, for any sessions, and again when supplements come later', () =>
    fc.assert(
      fc.asyncProperty(
        seedParts({ sessionsMax: 50, supplements: false, open: true }),
        seedParts({ sessionsMax: 15, supplements: true, open: false }),
        fc.boolean(),
        fc.boolean(),
        async (seeds, later, twice, events) => {
          await clearParts(server.connection);
          await writeParts(server.connection, seeds, events ? { custom: customOf(seeds) } : {});
          const first = await answers();
          await mergeClosedDays(pool, 0);
          if (twice) await mergeClosedDays(pool, 0);
          assert.deepEqual(await answers(), first);
          for (const table of TABLES) {
            const { rows, keys } = await rowsIn(table);
            assert.equal(rows, keys, `${table} has one row a key`);
          }
          const moved = later.map(({ part, open }) => ({ open, part: { ...part, session: `later-${part.session}` } }));
          await writeParts(server.connection, moved, { after: 10_000 });
          const second = await answers();
          assert.deepEqual(await differences(), []);
          await mergeClosedDays(pool, 0);
          assert.deepEqual(await answers(), second);
          assert.deepEqual(await differences(), []);
        },
      ),
      { numRuns: 6, endOnFailure: true },
    ));

  it('loses and doubles nothing while others write into the same days (D9, I7)', async () => {
    await clearParts(server.connection);
    const database = createDatabase({ url: server.database.url, instance: 'other' });
    const connection = await database.connect('test');
    const seeds = crowd(11);
    assert.ok(seeds.length > 30, `${seeds.length} sessions`);
    let writing = true;
    const merges = (async () => {
      let gone = 0;
      while (writing) gone += (await mergeClosedDays(pool, 0)).reduce((sum, each) => sum + each.gone, 0);
      return gone;
    })();
    for (let round = 0; round < 12; round++) {
      const again = seeds.map(({ part, open }) => ({ open, part: { ...part, session: `${part.session}-${round}` } }));
      await writeParts(connection, again, { after: round * 1_000, custom: customOf(again) });
    }
    writing = false;
    assert.ok((await merges) > 0, 'rows were merged meanwhile');
    assert.deepEqual(await differences(), []);
    await mergeClosedDays(pool, 0);
    assert.deepEqual(await differences(), []);
    await database.close();
  });

  it('leaves days that are not over, and the command says what it did', async () => {
    await clearParts(server.connection);
    const seeds = crowd(12);
    const shiftMs = Math.floor(Date.now() / 86_400_000) * 86_400_000 - SEED_START_MS;
    const today = seeds.map(({ part, open }) => ({
      open,
      part: { ...part, session: `today-${part.session}`, startedAt: (part.startedAt % 86_400_000) + SEED_START_MS + shiftMs },
    }));
    await writeParts(server.connection, [...seeds, ...today]);
    const of = async (when: string): Promise<number> =>
      (await server.sql(`SELECT count(*)::int AS n FROM rollup_daily WHERE day ${when} current_date - 2 AND partition >= 0`))[0].n;
    const recent = await of('>=');
    const { code, stdout, stderr } = await playhead({ DATABASE_URL: server.database.url }, 'rollups', 'merge');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^rollup_daily +\d+ +\d+ +\d+$/m);
    assert.equal(await of('>='), recent);
    assert.ok(recent > 0);
    assert.deepEqual(await differences(), []);
  });
});
