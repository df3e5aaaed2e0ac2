// The outbox: what is committed reaches the topic of domain events, in order, at least once, and can be told apart exactly by its numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import avro from 'avsc';
import { pino } from 'pino';
import { systemClock, systemScheduler } from '../../infra/runtime/clock.ts';
import type { Database, LogWriter } from '../../infra/runtime/ports.ts';
import { createDatabase } from '../../infra/runtime/postgres.ts';
import { createOutbox, OUTBOX_DEFAULTS, type Outbox, type OutboxDeps, type OutboxSettings } from '../../processor/outbox.ts';
import { createWriters } from '../../processor/writers.ts';
import { createDomainCodec, schemaText } from '../../schemas/codec.ts';
import { createMemoryLog, type MemoryLog } from '../support/log-memory.ts';
import { createTestLog, fillLog, killAll, runProcessor, sql, untilFolded } from '../support/processor-harness.ts';
import { testDatabase } from '../support/servers.ts';

const IDS = { session: 41, 'custom-event': 42 };
const TOPIC = 'playhead.sessions';
const types = new Map([
  [IDS.session, avro.Type.forSchema(JSON.parse(schemaText('session')))],
  [IDS['custom-event'], avro.Type.forSchema(JSON.parse(schemaText('custom-event')))],
]);
const source = createTestLog(2);
fillLog(source);

type Event = { partition: number; emissionSeq: number; session: string; part?: number; name?: string; sections?: unknown[] };
type View = ReturnType<OutboxDeps['views']>[number];

const { url } = await testDatabase();
const running = await runProcessor({ test: source, url });
await untilFolded(source, url);
await running.stop();
const epochs = await sql<{ partition: number; epoch: number }>(url, 'SELECT partition, epoch FROM partition_progress ORDER BY partition');
const VIEWS: View[] = epochs.map(({ partition, epoch }) => ({ partition, epoch, mode: 'running' }));
test.after(killAll);

/** Everything that must be in the topic: `partition/number session part or name`. */
const expected = (
  await sql<{ text: string }>(
    url,
    `SELECT partition || '/' || emission_seq || ' ' || session || ' ' || what AS text FROM (
  SELECT partition, emission_seq, session, part::text AS what FROM sessions
  UNION ALL SELECT partition, emission_seq, session, name FROM custom_events) e ORDER BY partition, emission_seq`,
  )
).map(({ text }) => text);

const targetLog = (): MemoryLog => createMemoryLog({ partitions: 2, clock: systemClock });

function eventsIn(log: MemoryLog): Event[] {
  return [0, 1].flatMap((partition) =>
    log.records(partition).map(({ value, key }) => {
      const bytes = value as Buffer;
      assert.equal(bytes[0], 0);
      const event = types.get(bytes.readInt32BE(1))?.fromBuffer(bytes.subarray(5)) as Event;
      assert.equal(event.partition, partition);
      assert.equal(String(key), `site/${event.session}`);
      return event;
    }),
  );
}

const nameOf = (event: Event): string => `${event.partition}/${event.emissionSeq} ${event.session} ${event.part ?? event.name}`;

/** What a consumer keeps that remembers the highest number of each partition. */
function deduped(events: readonly Event[]): string[] {
  const highest = new Map<number, number>();
  return events.flatMap((event) => {
    if (event.emissionSeq <= (highest.get(event.partition) ?? 0)) return [];
    highest.set(event.partition, event.emissionSeq);
    return [nameOf(event)];
  });
}

type Made = { outbox: Outbox; database: Database; close(): Promise<void> };

function makeOutbox(options: {
  log: LogWriter;
  views?: readonly View[];
  settings?: Partial<OutboxSettings>;
  wrap?: (database: Database) => Database;
  waiting?: (partition: number, emissions: number) => void;
}): Made {
  const raw = createDatabase({ url, instance: 'outbox' });
  const writers = createWriters({ database: options.wrap?.(raw) ?? raw, connectionsMax: 1 });
  const outbox = createOutbox({
    writers,
    log: options.log,
    codec: createDomainCodec(IDS),
    scheduler: systemScheduler,
    logger: pino({ level: 'silent' }),
    metrics: { published() {}, failed() {}, waiting: options.waiting ?? (() => {}), forget() {} },
    views: () => options.views ?? VIEWS,
    settings: { ...OUTBOX_DEFAULTS, topic: TOPIC, intervalMs: 5, emissionsMax: 7, ...options.settings },
  });
  return {
    outbox,
    database: raw,
    async close() {
      writers.close();
      await raw.close();
    },
  };
}

const reset = (): Promise<unknown> => sql(url, 'DELETE FROM outbox_progress');
const positions = async (): Promise<number[]> =>
  (await sql<{ at: number }>(url, 'SELECT published_seq::int AS at FROM outbox_progress ORDER BY partition')).map(({ at }) => at);
const committed = async (): Promise<number[]> =>
  (await sql<{ at: number }>(url, 'SELECT emission_seq::int AS at FROM partition_progress ORDER BY partition')).map(({ at }) => at);

async function drain(outbox: Outbox): Promise<void> {
  while (await outbox.round());
}

test('every sealed part and custom event is published once, in the order of its numbers', async () => {
  await reset();
  assert.ok(
    expected.some((text) => text.endsWith(' 0')) &&
      expected.some((text) => text.endsWith(' 1')) &&
      expected.some((text) => text.endsWith('chapter')),
  );
  const log = targetLog();
  const { outbox, close } = makeOutbox({ log: log.writer });
  await drain(outbox);
  assert.deepEqual(eventsIn(log).map(nameOf), expected);
  assert.deepEqual(await positions(), await committed());
  const sections = await sql<{ count: number }>(url, 'SELECT count(*)::int AS count FROM watch_sections');
  const published = eventsIn(log).reduce((sum, event) => sum + (event.sections?.length ?? 0), 0);
  assert.equal(published, sections[0]?.count);
  assert.equal(await outbox.round(), false);
  assert.equal(eventsIn(log).length, expected.length, 'nothing twice while nothing fails');
  await close();
});

test('a kill between append and position repeats records; numbers tell them apart', async () => {
  let repeated = 0;
  for (let deaths = 1; deaths <= 6; deaths++) {
    await reset();
    const log = targetLog();
    let left = deaths;
    // Dies when a position is to be moved for the n-th time: its records are in the log, the position is not moved.
    const dying = makeOutbox({
      log: log.writer,
      settings: { emissionsMax: 3 },
      wrap: (database) => ({
        ...database,
        connect: async (role) => {
          const connection = await database.connect(role);
          return {
            query: (statement, params) => {
              if (statement.name === 'processor_move_outbox' && --left === 0) return Promise.reject(new Error('killed'));
              return connection.query(statement, params);
            },
            copy: (payload) => connection.copy(payload),
            begin: () => connection.begin(),
            commit: () => connection.commit(),
            rollback: () => connection.rollback(),
            destroy: () => connection.destroy(),
          };
        },
      }),
    });
    await assert.rejects(drain(dying.outbox), /killed/);
    await dying.close();
    const next = makeOutbox({ log: log.writer });
    await drain(next.outbox);
    const events = eventsIn(log);
    repeated += events.length - expected.length;
    assert.deepEqual(deduped(events), expected);
    assert.equal(new Set(events.map((event) => JSON.stringify(event))).size, expected.length, 'copies are equal');
    await next.close();
  }
  assert.ok(repeated >= 6, `the control: ${repeated} records were repeated`);
});

test('an append of which nothing is known is repeated', async () => {
  await reset();
  const log = targetLog();
  let calls = 0;
  const { outbox, close } = makeOutbox({
    log: {
      ...log.writer,
      append: async (batches) => {
        const results = await log.writer.append(batches);
        calls += 1;
        return calls % 2 === 1
          ? new Map([...results].map(([partition]) => [partition, { outcome: 'unknown', error: new Error('timeout') }]))
          : results;
      },
    },
  });
  outbox.start();
  while ((await positions()).join() !== (await committed()).join()) await systemScheduler.sleep(10);
  await outbox.stop();
  const events = eventsIn(log);
  assert.ok(events.length > expected.length);
  assert.deepEqual(deduped(events), expected);
  await close();
});

test('two owners at once at worst repeat', async () => {
  await reset();
  const log = targetLog();
  const slow: LogWriter = {
    ...log.writer,
    append: async (batches) => {
      await systemScheduler.sleep(Math.random() * 10);
      return log.writer.append(batches);
    },
  };
  const [one, two] = [makeOutbox({ log: slow }), makeOutbox({ log: slow, settings: { emissionsMax: 5 } })];
  one.outbox.start();
  two.outbox.start();
  while ((await positions()).join() !== (await committed()).join()) await systemScheduler.sleep(10);
  await Promise.all([one.outbox.stop(), two.outbox.stop()]);
  assert.deepEqual(deduped(eventsIn(log)), expected);
  await Promise.all([one.close(), two.close()]);
});

test('nothing is published for a claim that no longer stands, nor before the partition runs', async () => {
  await reset();
  const log = targetLog();
  for (const change of [{ epoch: 0 }, { mode: 'restoring' as const }, { mode: 'fenced' as const }]) {
    const { outbox, close } = makeOutbox({ log: log.writer, views: VIEWS.map((view) => ({ ...view, ...change })) });
    assert.equal(await outbox.round(), false);
    await close();
  }
  assert.deepEqual([eventsIn(log), await positions()], [[], []]);
});

test('a batch is cut below what the log takes', async () => {
  await reset();
  const log = targetLog();
  const sizes: number[] = [];
  const { outbox, close } = makeOutbox({
    settings: { emissionsMax: 1_000, batchBytesMax: 1_200 },
    log: {
      ...log.writer,
      append: (batches) => {
        for (const records of batches.values()) sizes.push(records.reduce((sum, { value }) => sum + value.length, 0));
        return log.writer.append(batches);
      },
    },
  });
  await drain(outbox);
  assert.ok(sizes.length > 4 && sizes.every((size) => size < 1_200), sizes.join());
  assert.deepEqual(eventsIn(log).map(nameOf), expected);
  await close();
});

test('what is not in the topic yet is seen to wait, also while the log refuses or is not ready', async () => {
  await reset();
  const log = targetLog();
  const all = await committed();
  const seen = new Map<number, number>();
  const waiting = (partition: number, emissions: number): void => void seen.set(partition, emissions);
  const refusing = { outcome: 'unknown', error: new Error('no such topic') } as const;
  for (const broken of [
    { ready: () => false },
    { append: async (batches: ReadonlyMap<number, unknown>) => new Map([...batches.keys()].map((partition) => [partition, refusing])) },
  ]) {
    seen.clear();
    const { outbox, close } = makeOutbox({ log: { ...log.writer, ...broken } as LogWriter, waiting });
    await outbox.round().catch((thrown: Error) => assert.match(thrown.message, /no such topic/));
    assert.deepEqual([seen.get(0), seen.get(1)], all, 'everything waits');
    await close();
  }
  const { outbox, close } = makeOutbox({ log: log.writer, waiting });
  await drain(outbox);
  assert.deepEqual([seen.get(0), seen.get(1)], [0, 0], 'nothing waits any more');
  await close();
});
