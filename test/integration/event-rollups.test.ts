// Counts of custom events: the same from rollups and from the events, whatever is asked and whenever sets were flushed; as cheap for many
// events as for few; filled in for events that were there before the rollups.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { auditEventRollups } from '../../infra/cli/sql/audit-event-rollups.ts';
import { encodeCopy } from '../../infra/runtime/copy-binary.ts';
import { SQL_DIRECTORY } from '../../infra/runtime/migrations.ts';
import type { CustomEventOutput } from '../../processor/core/outputs.ts';
import { rollupRows, rollupStatements } from '../../processor/rollups.ts';
import { emissionRows } from '../../processor/rows.ts';
import { runAll } from '../../processor/statements.ts';
import { type EventCountQuestion, type EventCountRow, eventCounts } from '../../query-api/queries/event-counts.ts';
import { eventFlush } from '../../query-api/queries/event-flush.ts';
import { COUNTED_PROTOCOL, COUNTED_SESSION_PREFIX, isStream } from '../../schemas/door-sessions.ts';
import { clearParts, SEED_SITE } from '../support/query-seed.ts';
import { type QueryServer, startQueryServer } from '../support/query-server.ts';
import { sealedOutput } from '../support/session-examples.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 9, 23);
const DAYS = 5;
const ROWS_MAX = 10_000;
const TABLES = ['rollup_events_hourly', 'rollup_events_daily'] as const;

type Event = {
  counted: boolean;
  type: string;
  name: string;
  video: string;
  uniqueId: string;
  at: number;
  appendAt: number;
  partition: number;
};
/** What happens in the database: a flush of one partition is written, or a set is flushed at an instant of the clock. */
type Step = { kind: 'write'; events: Event[] } | { kind: 'flush'; type: string; at: number };

const instant = fc.oneof(
  fc.integer({ min: 0, max: DAYS }).map((day) => START_MS + day * DAY_MS),
  fc.integer({ min: 0, max: DAYS * 24 }).map((hour) => START_MS + hour * HOUR_MS),
  fc.integer({ min: 0, max: DAYS * DAY_MS }).map((ms) => START_MS + ms),
);
const event = fc.record({
  counted: fc.boolean(),
  type: fc.constantFrom('', '', 'web', 'naïve "☕"'),
  name: fc.constantFrom('click', 'share', '__proto__'),
  video: fc.constantFrom('', 'intro', 'tour'),
  uniqueId: fc.constantFrom('', 'u1'),
  at: instant,
  // Few values: several events of a batch, and flushes, fall on one instant.
  appendAt: fc.integer({ min: 0, max: 40 }).map((n) => START_MS + DAYS * DAY_MS + n * 250),
  partition: fc.integer({ min: 0, max: 2 }),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.array(event, { maxLength: 25 }).map((events) => ({ kind: 'write' as const, events })) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('flush' as const),
      type: fc.constantFrom('', 'web'),
      at: fc.integer({ min: -2, max: 42 }).map((n) => START_MS + DAYS * DAY_MS + n * 250),
    }),
  },
);
const question: fc.Arbitrary<EventCountQuestion> = fc
  .record({
    cuts: fc.array(instant, { minLength: 2, maxLength: 6 }),
    by: fc.constantFrom<EventCountQuestion['by']>({ kind: 'nothing' }, { kind: 'name' }),
    name: fc.constantFrom(undefined, undefined, 'click'),
    videos: fc.constantFrom<string[]>([], [], ['intro'], ['intro', 'tour']),
    set: fc.constantFrom(undefined, ...['', 'web', 'naïve "☕"'].map((type) => ({ type, uniqueId: undefined }))),
  })
  .map(({ cuts, ...rest }) => {
    const boundaries = [...new Set(cuts)].sort((a, b) => a - b);
    const asked = { ...rest, site: SEED_SITE, boundaries: boundaries.length > 1 ? boundaries : [START_MS, START_MS + DAY_MS] };
    // Counted events have no video.
    return asked.set === undefined ? asked : { ...asked, videos: [] };
  });

describe('counts of custom events', { timeout: 240_000 }, () => {
  let server: QueryServer;
  let seq = 0;

  before(async () => {
    server = await startQueryServer();
  });
  after(() => server?.stop());

  const outputOf = (given: Event): CustomEventOutput => {
    seq += 1;
    const { counted, type, uniqueId, name, at, appendAt } = given;
    return {
      kind: 'custom',
      site: SEED_SITE,
      session: counted ? `${COUNTED_SESSION_PREFIX}${seq}` : `s${seq}`,
      video: counted ? '' : given.video,
      at,
      name,
      positionMs: -1,
      data: JSON.stringify(counted ? { ...(type === '' ? {} : { type }), ...(uniqueId === '' ? {} : { uniqueId }) } : { type }),
      seq: -1,
      emissionSeq: seq,
      sourceOffset: seq,
      appendAt,
    };
  };

  async function write(events: readonly Event[]): Promise<void> {
    for (const partition of [0, 1, 2]) {
      const outputs = events.filter((each) => each.partition === partition).map(outputOf);
      for (const { target, rows } of emissionRows(outputs, { partition, epoch: 1, writer: 'test' }))
        await server.connection.copy(encodeCopy(target, rows));
      await runAll(server.connection, rollupStatements(rollupRows(outputs), partition));
    }
  }

  async function take(each: Step): Promise<void> {
    if (each.kind === 'write') return write(each.events);
    const { statement, params } = eventFlush({ site: SEED_SITE, protocol: COUNTED_PROTOCOL, type: each.type, atMs: each.at });
    await server.connection.query(statement, params);
  }

  const audited = async (): Promise<unknown[]> => {
    const found: unknown[] = [];
    for (const statement of Object.values(auditEventRollups))
      for (const since of [null, new Date(START_MS + 30 * HOUR_MS + 1).toISOString()])
        found.push(...(await server.connection.query(statement, [since])));
    return found;
  };

  async function clear(): Promise<void> {
    await clearParts(server.connection);
    await server.sql('TRUNCATE event_flushes');
  }

  const counts = async (asked: EventCountQuestion, choice: 'best' | 'rows') => {
    const { statement, params } = eventCounts(asked, ROWS_MAX, choice);
    const rows: EventCountRow[] = await server.sql(statement.text, params);
    return { name: statement.name, rows: rows.sort((a, b) => a.bucket - b.bucket || (a.value < b.value ? -1 : 1)) };
  };

  /** The same from the steps alone, an event at a time. */
  function truth(steps: readonly Step[], { boundaries, by, name, videos = [], set }: EventCountQuestion): unknown[] {
    const flushed = Math.max(...steps.map((each) => (each.kind === 'flush' && each.type === set?.type ? each.at : -1)));
    const found = new Map<string, number>();
    for (const each of steps.flatMap((given) => (given.kind === 'write' ? given.events : []))) {
      if (set !== undefined && (!each.counted || each.type !== set.type || each.appendAt <= flushed)) continue;
      if (name !== undefined && each.name !== name) continue;
      if (videos.length > 0 && (each.counted || !videos.includes(each.video))) continue;
      const bucket = boundaries.filter((boundary) => boundary <= each.at).length;
      if (bucket === 0 || bucket === boundaries.length) continue;
      const key = `${bucket} ${by.kind === 'name' ? each.name : ''}`;
      found.set(key, (found.get(key) ?? 0) + 1);
    }
    return [...found]
      .map(([key, count]) => ({ bucket: Number(key.split(' ')[0]), value: key.split(' ')[1] ?? '', count }))
      .sort((a, b) => a.bucket - b.bucket || (a.value < b.value ? -1 : 1));
  }

  it('are what happened, from rollups and from the events, however writes and flushes lie', async () => {
    const paths = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), fc.array(question, { minLength: 12, maxLength: 12 }), async (steps, questions) => {
        await clear();
        for (const each of steps) await take(each);
        for (const asked of questions) {
          const wanted = truth(steps, asked);
          const best = await counts(asked, 'best');
          paths.set(best.name, (paths.get(best.name) ?? 0) + 1);
          assert.deepEqual(best.rows, wanted, `${best.name} ${JSON.stringify(asked)}`);
          assert.deepEqual((await counts(asked, 'rows')).rows, wanted, JSON.stringify(asked));
        }
        assert.deepEqual(await audited(), []);
      }),
      { numRuns: 40 },
    );
    assert.ok((paths.get('event_counts_from_rollup') ?? 0) > 200, 'the rollup path was hardly taken');
  });

  it('are named by the audit where they are not what the events say', async () => {
    await clear();
    await take({ kind: 'write', events: fc.sample(event, { seed: 11, numRuns: 20 }) as Event[] });
    await server.sql("UPDATE rollup_events_daily SET events = events + 1 WHERE scope = 'video' AND video = 'intro'");
    await server.sql("DELETE FROM rollup_events_hourly WHERE door <> ''");
    const wrong = (await audited()) as { place: string; figure: string; rollup: number; rows: number }[];
    assert.ok(wrong.some(({ place, rollup, rows }) => /scope=video video=intro .* day=/.test(place) && rollup === rows + 1));
    assert.ok(wrong.some(({ place, rollup }) => /scope=site door=analytics_engine .* hour=/.test(place) && rollup === 0));
  });

  it('flush what is shown already, whatever the clock of the machine says', async () => {
    await clear();
    const events = Array.from({ length: 4 }, (_, i) => ({
      ...{ counted: true, type: '', name: 'click', video: '', uniqueId: '', at: START_MS, partition: 0 },
      appendAt: START_MS + 60_000 + i,
    }));
    await write(events);
    const progress = `INSERT INTO partition_progress (partition, epoch, claim_token, next_offset, emission_seq, fold_version, config_hash, stream_time, ledger)
VALUES (0, 1, gen_random_uuid(), 1, 1, 1, '\\x00', $1, '{}')`;
    await server.sql(progress, [new Date(START_MS + 60_003).toISOString()]);
    // This clock is a minute behind that of the log.
    await take({ kind: 'flush', type: '', at: START_MS });
    const asked = {
      site: SEED_SITE,
      boundaries: [START_MS, START_MS + DAY_MS],
      by: { kind: 'name' as const },
      set: { type: '', uniqueId: undefined },
    };
    assert.deepEqual((await counts(asked, 'best')).rows, []);
    await write(events.slice(0, 2).map((each) => ({ ...each, appendAt: START_MS + 60_004 })));
    for (const choice of ['best', 'rows'] as const)
      assert.deepEqual((await counts(asked, choice)).rows, [{ bucket: 1, value: 'click', count: 2 }]);
    // The log's clock once leapt a day ahead: what comes within the hour counts all the same.
    await server.sql('UPDATE partition_progress SET stream_time = $1', [new Date(START_MS + DAY_MS).toISOString()]);
    await take({ kind: 'flush', type: '', at: START_MS + 120_000 });
    assert.deepEqual((await counts(asked, 'best')).rows, []);
    await write(events.slice(0, 1).map((each) => ({ ...each, appendAt: START_MS + HOUR_MS })));
    assert.deepEqual((await counts(asked, 'best')).rows, [{ bucket: 1, value: 'click', count: 1 }]);
    await server.sql('DELETE FROM partition_progress');
  });

  it('read as many rows for many events as for few (Analytics Engine loads them all)', async () => {
    await clear();
    const boundaries = Array.from({ length: DAYS + 1 }, (_, day) => START_MS + day * DAY_MS - 2 * HOUR_MS).slice(1);
    const read = async (asked: EventCountQuestion): Promise<number> => {
      const { statement, params } = eventCounts(asked, ROWS_MAX);
      assert.equal(statement.name, 'event_counts_from_rollup');
      const [row] = await server.sql(`EXPLAIN (ANALYZE, FORMAT JSON, COSTS OFF, TIMING OFF) ${statement.text}`, params);
      return rowsRead(row['QUERY PLAN'][0].Plan);
    };
    const questions: EventCountQuestion[] = [
      { site: SEED_SITE, boundaries, by: { kind: 'name' }, set: { type: '', uniqueId: undefined } },
      { site: SEED_SITE, boundaries, by: { kind: 'nothing' } },
      { site: SEED_SITE, boundaries, by: { kind: 'name' }, videos: ['intro'] },
    ];
    const batch = Array.from({ length: DAYS * 24 }, (_, hour) =>
      [true, false].map((counted) => ({
        ...{ counted, type: '', name: 'click', video: 'intro', uniqueId: '', at: START_MS + hour * HOUR_MS + 60_000 },
        ...{ appendAt: START_MS + DAYS * DAY_MS, partition: 0 },
      })),
    ).flat();
    await write(batch);
    const rolledUp = async (): Promise<number> => {
      await server.sql('ANALYZE custom_events, rollup_events_hourly, rollup_events_daily');
      const counted = TABLES.map((table) => `(SELECT count(*) FROM ${table})`).join(' + ');
      return (await server.sql(`SELECT (${counted})::int AS rows`))[0].rows;
    };
    const few = await rolledUp();
    for (let i = 0; i < 60; i++) await write(batch);
    assert.equal(await rolledUp(), few);
    for (const asked of questions) {
      const rows = await read(asked);
      assert.ok(rows > 0 && rows <= few, `${rows} rows read, of ${few} in the rollups and ${61 * batch.length} events`);
    }
  });

  it('of one unique id read its events alone', async () => {
    const uniqueId = 'someone';
    const mine = { counted: true, type: '', name: 'click', video: '', uniqueId, at: START_MS + HOUR_MS, appendAt: START_MS, partition: 1 };
    await write([mine, mine, { ...mine, uniqueId: 'else' }]);
    await server.sql('ANALYZE custom_events');
    const asked = {
      site: SEED_SITE,
      boundaries: [START_MS, START_MS + DAY_MS],
      by: { kind: 'name' as const },
      set: { type: '', uniqueId },
    };
    assert.deepEqual((await counts(asked, 'best')).rows, [{ bucket: 1, value: 'click', count: 2 }]);
    const { statement, params } = eventCounts(asked, ROWS_MAX);
    const [row] = await server.sql(`EXPLAIN (ANALYZE, FORMAT JSON, COSTS OFF, TIMING OFF) ${statement.text}`, params);
    assert.match(JSON.stringify(row), /custom_events_unique_id/);
  });

  it('are filled in for events that were there before, and streams leave the rollups of sessions', async () => {
    await clear();
    const steps = fc.sample(fc.array(step, { minLength: 8, maxLength: 12 }), { seed: 3, numRuns: 1 })[0] as Step[];
    for (const each of steps) await take(each);
    const state = async () =>
      Promise.all(
        TABLES.map((table) => server.sql(`SELECT to_jsonb(t) - 'flushed_at' AS row, flushed_at FROM ${table} t ORDER BY t::text`)),
      );
    const sums = (rows: { row: Record<string, unknown> }[][]): string[] =>
      rows.map((list) => {
        const found = new Map<string, number>();
        for (const { row } of list) {
          const { events, first_append_at: _first, last_append_at: _last, ...key } = row;
          found.set(JSON.stringify(key), (found.get(JSON.stringify(key)) ?? 0) + Number(events));
        }
        return JSON.stringify([...found].sort());
      });
    const written = sums(await state());
    assert.ok(written.every((text) => text.length > 1_000));
    const session = await streamAndSession();
    for (const table of TABLES) await server.sql(`DROP TABLE ${table}`);
    await server.sql('DROP INDEX custom_events_unique_id');
    await server.connection.begin();
    for (const statement of (await readFile(`${SQL_DIRECTORY}/core/0009_event_rollups.sql`, 'utf8'))
      .split(/;\n/)
      .filter((text) => /^[A-Z]/m.test(text)))
      await server.sql(statement);
    await server.connection.commit();
    assert.deepEqual(sums(await state()), written);
    assert.deepEqual(await audited(), []);
    const asked = fc.sample(question, { seed: 5, numRuns: 30 });
    for (const each of asked) assert.deepEqual((await counts(each, 'best')).rows, truth(steps, each), JSON.stringify(each));
    for (const table of ['rollup_hourly', 'rollup_daily'])
      assert.deepEqual(await server.sql(`SELECT sum(sessions)::int AS sessions FROM ${table} WHERE scope = 'site'`), [
        { sessions: table === 'rollup_daily' ? 13 * session : session },
      ]);
  });

  /** Rows of a viewer's session and of a stream as a processor wrote them before it knew of streams; how many are sessions. */
  async function streamAndSession(): Promise<number> {
    const outputs = ['epas', COUNTED_PROTOCOL].map((protocol, i) => ({
      ...sealedOutput({ site: SEED_SITE, session: `old${i}`, video: '', totalWatchMs: 0, sections: [], context: { protocol } }),
      emissionSeq: 1_000_000 + i,
    }));
    for (const { target, rows } of emissionRows(outputs, { partition: 0, epoch: 1, writer: 'test' }))
      await server.connection.copy(encodeCopy(target, rows));
    const asBefore = outputs.map((output) =>
      isStream(output.part.context.protocol)
        ? { ...output, part: { ...output.part, context: { ...output.part.context, protocol: 'native' } } }
        : output,
    );
    await runAll(server.connection, rollupStatements(rollupRows(asBefore), 0));
    await server.sql(`UPDATE rollup_daily SET value = '${COUNTED_PROTOCOL}' WHERE dimension = 'protocol' AND value = 'native'`);
    return 1;
  }
});

/** Rows that the scans of a plan gave, filtered ones included. */
function rowsRead(plan: Record<string, never> | Record<string, unknown>): number {
  const node = plan as {
    'Node Type': string;
    'Actual Rows': number;
    'Actual Loops': number;
    'Rows Removed by Filter'?: number;
    Plans?: never[];
  };
  const own =
    /Scan/.test(node['Node Type']) && !/CTE|Subquery|Function/.test(node['Node Type'])
      ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
      : 0;
  return (node.Plans ?? []).reduce((sum, child) => sum + rowsRead(child), own);
}
