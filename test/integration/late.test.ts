// F24 and F25 with real processes: copies and stragglers that come after their session was sealed. The sealed row stays as it is,
// copies are counted, stragglers become supplements, and the query API adds both together.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { watchTimes } from '../../infra/cli/audience/truth.ts';
import {
  acceptedCopies,
  PATIENT_FOLD,
  type RunResult,
  sealAll,
  sendAudience,
  systemDriver,
  withDatabase,
} from '../support/audience-run.ts';
import { storedSessions } from '../support/facts.ts';
import { checkInvariants } from '../support/invariants.ts';
import { differences, expectedSessions } from '../support/oracle.ts';
import { ask } from '../support/query-facts.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const VIEWERS = 80;

/** Figures of all parts of a site, added up. */
const TOTALS = `SELECT sum(received)::int8 AS received, sum(late)::int8 AS late, sum(total_watch_ms)::int8 AS total, sum(plays)::int8 AS plays,
    (sum(duplicates) + (SELECT coalesce(sum(duplicates), 0) FROM duplicate_counts))::int8 AS duplicates, count(*) FILTER (WHERE part > 0) AS supplements
  FROM sessions`;

describe('after the seal', { timeout: 300_000 }, () => {
  let system: TestSystem;
  let run: RunResult;
  let sealed: Record<string, number>;

  const totals = (): Promise<Record<string, number>> =>
    withDatabase(system.database, async (client) => {
      const row = (await client.query(TOTALS)).rows[0] as Record<string, string>;
      return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)]));
    });

  before(async () => {
    system = await startSystem({ env: { processor: PATIENT_FOLD } });
    const delivery = { speed: 200, duplicates: 0.2, late: 0.12 };
    run = await sendAudience(system, { viewers: VIEWERS, seed: 'late', spreadMs: 3_000, delivery });
    await sealAll(system, acceptedCopies(run.results));
    sealed = await totals();
  });
  after(() => system?.stop());

  it('counts copies of sealed sessions and nothing else (V4, F24)', async () => {
    const driver = systemDriver(system);
    const again = await Promise.all(
      run.plans.map((plan) => driver.run({ ...plan, deliveries: plan.deliveries.filter(({ copy }) => copy === 0) }, 0)),
    );
    const copies = again.flat().reduce((sum, { eventIndexes }) => sum + eventIndexes.length, 0);
    await sealAll(system, acceptedCopies(run.results) + copies);
    assert.deepEqual(await totals(), { ...sealed, duplicates: (sealed['duplicates'] as number) + copies });
    sealed = await totals();
  });

  it('puts stragglers into supplements and leaves sealed rows as they were (V8, F25)', async () => {
    const driver = systemDriver(system);
    const held = (await Promise.all(run.plans.map((plan) => driver.runHeld(plan)))).flat();
    assert.ok(held.length > 20);
    assert.ok(held.every(({ outcome }) => outcome === 'accepted'));
    const log = await totals();
    const heldCopies = held.reduce((sum, { eventIndexes }) => sum + eventIndexes.length, 0);
    await sealAll(system, (log['received'] as number) + (log['duplicates'] as number) + heldCopies);
    const lateEvents = run.plans.reduce((sum, plan) => sum + plan.lateIndexes.length, 0);
    const now = await totals();
    assert.equal(now['received'], (sealed['received'] as number) + lateEvents);
    assert.equal(now['duplicates'], (sealed['duplicates'] as number) + heldCopies - lateEvents);
    assert.ok((now['supplements'] as number) > 0);
    await withDatabase(system.database, async (client) => {
      const stored = await storedSessions(client, system.site);
      const expected = expectedSessions(run.plans);
      const facts = new Map([...stored].filter(([key]) => expected.has(key)).map(([key, { facts: each }]) => [key, each]));
      // A late custom event belongs to the session as well, so they are not compared here.
      const found = differences(expected, facts).filter((line) => !line.includes(': customEvents '));
      assert.deepEqual(found.slice(0, 10), []);
      assert.deepEqual(await checkInvariants(client), []);
    });
  });

  it('answers with all parts added up, unique watch time as the union of their sections', async () => {
    const rows = await withDatabase(system.database, async (client) => {
      const { rows: found } = await client.query(`SELECT session, video, from_ms, to_ms FROM watch_sections`);
      return found as { session: string; video: string; from_ms: string; to_ms: string }[];
    });
    const sections = new Map<string, { fromMs: number; toMs: number }[]>();
    for (const row of rows) {
      const key = `${row.session}/${row.video}`;
      sections.set(key, [...(sections.get(key) ?? []), { fromMs: Number(row.from_ms), toMs: Number(row.to_ms) }]);
    }
    let unique = 0;
    for (const each of sections.values()) unique += watchTimes(each).uniqueWatchMs;
    const now = await totals();
    const { data } = (await ask(system, '/v1/plays')) as { data: Record<string, number> };
    assert.deepEqual([data['totalWatchMs'], data['plays'], data['uniqueWatchMs']], [now['total'], now['plays'], unique]);
  });
});
