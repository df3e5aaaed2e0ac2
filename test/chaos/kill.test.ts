// F1, F2, F3 and F24 with real processes: services are killed or frozen while an audience with known truth is sending; in the
// end every figure of every session equals the truth and the invariants hold.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import {
  acceptedCopies,
  eventually,
  expectTruth,
  PATIENT_FOLD,
  type RunResult,
  sealAll,
  sendAudience,
  unknownCopies,
  withDatabase,
} from '../support/audience-run.ts';
import { canonicalRows } from '../support/invariants.ts';
import { ask } from '../support/query-facts.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const sleep = (ms: number): Promise<void> => systemScheduler.sleep(ms);

/** Snapshots every second or two, so that a restart has one to begin with and something to replay. */
const env = { processor: { PLAYHEAD_PROCESSOR_SNAPSHOT_INTERVAL_MS: '2000', ...PATIENT_FOLD } };

type Case = {
  seed: string;
  impatient?: boolean;
  spreadMs?: number;
  fault: (system: TestSystem) => Promise<void>;
  /** Fails if the fault had no effect: then the case would prove nothing. */
  tookEffect?: (system: TestSystem, run: RunResult) => Promise<void>;
  afterwards?: (system: TestSystem) => Promise<void>;
};

/** Sends an audience while the fault happens, then has all of it sealed and compared. */
async function survive({ seed, impatient = false, spreadMs = 12_000, fault, tookEffect, afterwards }: Case): Promise<void> {
  const system = await startSystem({ env });
  try {
    const delivery = { speed: 60, duplicates: 0.15, disorder: 0.2, disorderMs: 1_000, loss: 0.03 };
    const run = await sendAudience(system, { viewers: 150, seed, spreadMs, delivery, impatient }, () => fault(system));
    await sealAll(system, acceptedCopies(run.results));
    await expectTruth(system, run);
    await tookEffect?.(system, run);
    await afterwards?.(system);
  } finally {
    await system.stop();
  }
}

const rowsOf = (system: TestSystem): Promise<Record<string, string[]>> => withDatabase(system.database, canonicalRows);

const emissions = (system: TestSystem): Promise<number> =>
  withDatabase(system.database, async (client) =>
    Number((await client.query('SELECT coalesce(sum(emission_seq), 0) AS n FROM partition_progress')).rows[0].n),
  );

/** Requests were cut off, so that the players had to send again. */
async function requestsWereCut(_system: TestSystem, run: RunResult): Promise<void> {
  assert.ok(unknownCopies(run.results) > 0, 'no request was in flight when the gateway died');
}

/** Every partition was claimed again while the audience was there. */
async function partitionsWereClaimedAgain(system: TestSystem): Promise<void> {
  const { rows } = await withDatabase(system.database, (client) => client.query('SELECT min(epoch) AS epoch FROM partition_progress'));
  assert.ok(Number(rows[0].epoch) >= 2, `least epoch ${rows[0].epoch}`);
}

/** I6: a processor that folds the same log without faults, into an empty database, writes the same rows. */
async function foldsAgainToTheSame(system: TestSystem): Promise<void> {
  const again = await startSystem({ replayOf: system, services: ['processor'], env });
  try {
    const wanted = await emissions(system);
    await eventually(
      async () => (await emissions(again)) >= wanted,
      async () => `${await emissions(again)} of ${wanted} emissions`,
      60_000,
    );
    const [first, second] = [await rowsOf(system), await rowsOf(again)];
    for (const table of Object.keys(first)) assert.deepEqual(second[table], first[table], table);
  } finally {
    await again.stop();
  }
}

describe('kill -9 and freeze while viewers watch', { timeout: 900_000 }, () => {
  it('loses and doubles nothing when ingest is killed twice (F1)', () =>
    survive({
      seed: 'kill-ingest',
      async fault(system) {
        for (let round = 0; round < 2; round++) {
          await sleep(3_000);
          await system.kill('ingest', 'SIGKILL');
          await system.start('ingest');
        }
      },
      tookEffect: requestsWereCut,
    }));

  it('counts what nobody knows the fate of at most once, and what was refused never (F1, I2)', () =>
    survive({
      seed: 'impatient',
      impatient: true,
      async fault(system) {
        const stranger = { ...system, writeKey: 'pk_nobody' };
        const refused = await sendAudience(stranger, {
          viewers: 5,
          seed: 'stranger',
          spreadMs: 500,
          delivery: { speed: 1_000 },
          impatient: true,
        });
        const outcomes = new Set(refused.results.flatMap(({ records }) => records.map(({ outcome }) => outcome)));
        assert.deepEqual([...outcomes], ['refused']);
        await sleep(3_000);
        await system.kill('ingest', 'SIGKILL');
        await system.start('ingest');
      },
      tookEffect: requestsWereCut,
    }));

  it('loses and doubles nothing when the processor is killed again and again (F2)', () =>
    survive({
      seed: 'kill-processor',
      async fault(system) {
        for (const aliveMs of [4_000, 3_000, 2_000]) {
          await sleep(aliveMs);
          await system.kill('processor', 'SIGKILL');
          await system.start('processor');
        }
      },
      tookEffect: partitionsWereClaimedAgain,
      afterwards: foldsAgainToTheSame,
    }));

  it('answers again after the query API is killed', () =>
    survive({
      seed: 'kill-query',
      spreadMs: 6_000,
      async fault(system) {
        await sleep(2_000);
        await system.kill('query-api', 'SIGKILL');
        await system.start('query-api');
        await ask(system, '/v1/plays');
      },
    }));

  it('goes on with the other when one of two processors is killed, and when it comes back (F2, F5)', () =>
    survive({
      seed: 'two-processors',
      spreadMs: 15_000,
      async fault(system) {
        await system.start('processor', { instance: 'processor-2' });
        await sleep(4_000);
        await system.kill('processor', 'SIGKILL');
        await sleep(3_000);
        await system.start('processor');
        await sleep(3_000);
        await system.kill('processor', 'SIGKILL', { instance: 'processor-2' });
      },
      tookEffect: partitionsWereClaimedAgain,
      afterwards: foldsAgainToTheSame,
    }));

  it('fences a processor that was frozen and wakes up (F3)', () =>
    survive({
      seed: 'zombie',
      spreadMs: 15_000,
      async fault(system) {
        await system.start('processor', { instance: 'processor-2' });
        await sleep(4_000);
        system.signal('processor', 'SIGSTOP');
        await sleep(40_000);
        system.signal('processor', 'SIGCONT');
        await sleep(3_000);
      },
      tookEffect: partitionsWereClaimedAgain,
      afterwards: foldsAgainToTheSame,
    }));
});
