// The query layer answers the same from rollups and from rows, whatever the question: supplements, provisional sessions,
// thresholds, zones and dimensions included (design.md section 8).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import type { Database, DatabaseConnection } from '../../infra/runtime/ports.ts';
import { createDatabase, createReadPool, type ReadPool } from '../../infra/runtime/postgres.ts';
import { type Answers, createAnswers } from '../../query-api/answers.ts';
import { figureBlock } from '../../query-api/core/figures.ts';
import { parseDimension, parseFilter } from '../../query-api/core/filter.ts';
import { bucketsOf, type Granularity } from '../../query-api/core/interval.ts';
import type { Question, SessionState } from '../../query-api/core/question.ts';
import { createQueryMetrics } from '../../query-api/metrics.ts';
import { sessionList } from '../../query-api/queries/session-list.ts';
import {
  clearParts,
  SEED_DAYS,
  SEED_SITE,
  SEED_START_MS,
  SEED_VIDEOS,
  seedParts,
  VIDEO_DURATION_MS,
  writeParts,
} from '../support/query-seed.ts';
import { type TestDatabase, testDatabase } from '../support/servers.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const instant = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 0, max: SEED_DAYS }).map((day) => SEED_START_MS + day * DAY_MS) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: SEED_DAYS * 24 }).map((hour) => SEED_START_MS + hour * HOUR_MS) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: SEED_DAYS * DAY_MS }).map((ms) => SEED_START_MS + ms) },
);
const filterText = fc.constantFrom(
  'country:NL',
  '!country:NL',
  'browser:Firefox',
  '!device:mobile',
  'source:',
  'meta.plan:free',
  'video:intro',
  '!video:intro',
);
const question: fc.Arbitrary<Question> = fc
  .record({
    a: instant,
    b: instant,
    timezone: fc.constantFrom('UTC', 'UTC', 'Europe/Amsterdam', 'Asia/Kolkata'),
    granularity: fc.constantFrom<Granularity | undefined>(undefined, undefined, 'hour', 'day', 'week'),
    videos: fc.oneof(fc.constant<string[]>([]), fc.subarray([...SEED_VIDEOS])),
    filters: fc.oneof(fc.constant<string[]>([]), fc.array(filterText, { maxLength: 2 })),
    groupBy: fc.constantFrom(undefined, undefined, 'country', 'browser', 'video', 'page', 'traffic', 'meta.plan'),
    minWatchMs: fc.constantFrom(0, 0, 1, 1_000, 1_500, 10_000),
    state: fc.constantFrom<SessionState>('all', 'all', 'sealed', 'provisional'),
  })
  .map(({ a, b, filters, groupBy, ...rest }) => {
    const range = { fromMs: Math.min(a, b), toMs: Math.max(a, b) + (a === b ? DAY_MS : 0) };
    return {
      ...rest,
      site: SEED_SITE,
      range,
      buckets: rest.granularity === undefined ? [range] : (bucketsOf(range, rest.granularity, rest.timezone) ?? []),
      filters: (filters as string[]).map((text) => parseFilter(text) as NonNullable<ReturnType<typeof parseFilter>>),
      groupBy: groupBy === 'traffic' ? ({ kind: 'traffic' } as const) : groupBy === undefined ? undefined : parseDimension(groupBy),
    };
  });

describe('query planner', { timeout: 300_000 }, () => {
  let database: TestDatabase;
  let writers: Database;
  let connection: DatabaseConnection;
  let pool: ReadPool;
  let answers: Answers;

  before(async () => {
    database = await testDatabase();
    writers = createDatabase({ url: database.url, instance: 'test' });
    connection = await writers.connect('test');
    await connection.query({ name: 'test_site', text: 'INSERT INTO sites (site) VALUES ($1)' }, [SEED_SITE]);
    for (const video of SEED_VIDEOS)
      await connection.query(
        {
          name: 'test_video',
          text: 'INSERT INTO videos (site, id, duration_ms, first_seen_at, last_seen_at) VALUES ($1, $2, $3, now(), now())',
        },
        [SEED_SITE, video, VIDEO_DURATION_MS],
      );
    pool = createReadPool({ url: database.url, applicationName: 'test', poolSize: 2, statementTimeoutMs: 20_000 });
    answers = createAnswers({
      pool,
      monotonicMs: () => systemScheduler.monotonicMs(),
      metrics: createQueryMetrics(new Registry()),
      partitions: 4,
    });
  });
  after(async () => {
    await pool?.close();
    await writers?.close();
    await database?.drop();
  });

  const groupsOf = async (asked: Question, choice: 'best' | 'rows') => {
    const { groups, path } = await answers.figures(asked, choice);
    const plain = groups
      .map(({ bucket, value, sums }) => ({
        bucket,
        value,
        sums: { ...sums, startupCounts: sums.startupCounts.slice(0, 120) },
        block: figureBlock(sums),
      }))
      .sort((a, b) => a.bucket - b.bucket || (a.value < b.value ? -1 : 1));
    return { plain, path };
  };

  /** A group in which nothing happened may be there (a row of zeros) or not: both mean nothing. */
  const told = <T extends { sums: { sessions: number; attempts: number } }>(groups: T[]): T[] =>
    groups.filter(({ sums }) => sums.sessions > 0 || sums.attempts > 0);

  for (const options of [
    { supplements: false, open: false, sessionsMax: 60 },
    { supplements: false, open: true, sessionsMax: 60 },
    { supplements: true, open: true, sessionsMax: 60 },
  ])
    it(`answers figures equally by both paths, ${JSON.stringify(options)}`, async () => {
      const paths = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(seedParts(options), fc.array(question, { minLength: 20, maxLength: 20 }), async (parts, questions) => {
          await clearParts(connection);
          await writeParts(connection, parts);
          for (const asked of questions) {
            const best = await groupsOf(asked, 'best');
            paths.set(best.path, (paths.get(best.path) ?? 0) + 1);
            assert.deepEqual(told(best.plain), told((await groupsOf(asked, 'rows')).plain), JSON.stringify(asked));
          }
        }),
        { numRuns: 12 },
      );
      assert.ok(options.supplements || (paths.get('rollup') ?? 0) > 20, 'the rollup path was hardly taken');
    });

  it('lists exactly the sessions that the figures count, with the same watch times', async () => {
    await fc.assert(
      fc.asyncProperty(
        seedParts({ supplements: true, open: true, sessionsMax: 50 }),
        fc.array(question, { minLength: 20, maxLength: 20 }),
        async (parts, questions) => {
          await clearParts(connection);
          await writeParts(connection, parts);
          for (const asked of questions) {
            const whole: Question = { ...asked, granularity: undefined, groupBy: undefined, buckets: [asked.range] };
            if (whole.filters.some(({ negated, dimension }) => negated && dimension.kind === 'plain' && dimension.name === 'video'))
              continue;
            const list = await answers.ask(sessionList(whole, { after: undefined, limit: 1_000 }));
            const sums = (await answers.figures(whole, 'rows')).groups[0]?.sums;
            const total = (pick: (row: (typeof list)[number]) => number): number => list.reduce((sum, row) => sum + pick(row), 0);
            assert.deepEqual(
              [list.length, total((row) => row.unique_watch_ms), total((row) => row.total_watch_ms), total((row) => Number(row.open))],
              [sums?.sessions ?? 0, sums?.uniqueWatchMs ?? 0, sums?.totalWatchMs ?? 0, sums?.provisional ?? 0],
              JSON.stringify(whole),
            );
          }
        },
      ),
      { numRuns: 10 },
    );
  });

  for (const options of [
    { supplements: false, open: true, sessionsMax: 40 },
    { supplements: true, open: true, sessionsMax: 40 },
  ])
    it(`answers engagement equally by both paths, ${JSON.stringify(options)}`, async () => {
      const paths = new Set<string>();
      await fc.assert(
        fc.asyncProperty(seedParts(options), fc.array(question, { minLength: 10, maxLength: 10 }), async (parts, questions) => {
          await clearParts(connection);
          await writeParts(connection, parts);
          for (const asked of questions) {
            const whole: Question = {
              ...asked,
              filters: [],
              minWatchMs: 0,
              granularity: undefined,
              groupBy: undefined,
              buckets: [asked.range],
            };
            const best = await answers.engagement(whole, 'intro', { ranges: 100 });
            paths.add(best.path);
            const rows = await answers.engagement(whole, 'intro', { ranges: 100 }, 'rows');
            assert.deepEqual(best.points, rows.points, JSON.stringify(whole));
          }
        }),
        { numRuns: 12 },
      );
      assert.ok(options.supplements || paths.has('rollup'), 'the rollup path was never taken');
    });
});
