// Viewers with known truth through the whole system on a real broker and a real database: every figure of every session, of
// plays, engagement and sources equals the truth to the millisecond, in the tables and from the query API.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  acceptedCopies,
  eventually,
  expectTruth,
  PATIENT_FOLD,
  type RunResult,
  sealAll,
  sendAudience,
  withDatabase,
} from '../support/audience-run.ts';
import { canonicalRows } from '../support/invariants.ts';
import { expectedSessions } from '../support/oracle.ts';
import {
  compareCustomEvents,
  compareEngagement,
  comparePlays,
  compareSessions,
  compareSources,
  compareTimelines,
} from '../support/query-facts.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

describe('end to end', { timeout: 300_000 }, () => {
  let system: TestSystem;
  let run: RunResult;

  before(async () => {
    system = await startSystem({ env: { processor: PATIENT_FOLD } });
    run = await sendAudience(system, {
      viewers: 200,
      seed: 'end-to-end',
      spreadMs: 8_000,
      delivery: { speed: 120, duplicates: 0.15, disorder: 0.2, disorderMs: 1_000, loss: 0.04 },
    });
    await sealAll(system, acceptedCopies(run.results));
  });
  after(() => system?.stop());

  it('has every session in the tables as it was, and the invariants hold (I1, I3 to I8)', () => expectTruth(system, run));

  it('answers every session as it was', () => compareSessions(system, expectedSessions(run.plans)));

  it('answers plays as they were, in total and by video', () => comparePlays(system, run.plans));

  it('answers engagement as it was, from rollups and from rows', () => compareEngagement(system, run.plans));

  it('answers the events of a session in their order, each once', () => compareTimelines(system, run.plans, 40));

  it('answers custom events as they were sent', () => compareCustomEvents(system, run.plans));

  it('answers sources as they were', () => compareSources(system, run.plans));

  it('gives equal rows when the log is folded again into an empty database (I6)', async () => {
    const again = await startSystem({ replayOf: system, services: ['processor'], env: { processor: PATIENT_FOLD } });
    try {
      await sealedAs(system, again);
      const [first, second] = await Promise.all([rowsOf(system), rowsOf(again)]);
      for (const table of Object.keys(first)) assert.deepEqual(second[table], first[table], table);
    } finally {
      await again.stop();
    }
  });
});

const rowsOf = (system: TestSystem): Promise<Record<string, string[]>> => withDatabase(system.database, canonicalRows);

/** Waits until the second system has folded as far as the first one had when all was sealed. */
async function sealedAs(first: TestSystem, second: TestSystem): Promise<void> {
  const count = (system: TestSystem): Promise<number> =>
    withDatabase(system.database, async (client) =>
      Number((await client.query('SELECT coalesce(sum(emission_seq), 0) AS n FROM partition_progress')).rows[0].n),
    );
  const wanted = await count(first);
  await eventually(
    async () => (await count(second)) >= wanted,
    async () => `${await count(second)} of ${wanted} emissions`,
    60_000,
  );
}
