// Faults of the database: restarted, away, an answer lost, connections that swallow everything, put back to an older copy.
import { systemScheduler } from '../../infra/runtime/clock.ts';
import type { Fault } from './fault.ts';
import { countOf, metricSum } from './faults-processes.ts';
import type { Stage } from './stage.ts';

const SECOND_MS = 1_000;

async function restartDatabase(stage: Stage): Promise<void> {
  for (let round = 0; round < stage.times(1, 4); round++) {
    for (const how of ['smart', 'immediate', 'killed'] as const) {
      await stage.servers.postgres.restart(how);
      stage.injected(`restarted: ${how}`);
      await stage.time(1_500, 15_000);
    }
  }
}

/** No rebalance: the processors go on with their heartbeats, and their claims stay. */
async function databaseAway(stage: Stage): Promise<void> {
  const rebalances = await metricSum(stage, 'playhead_processor_rebalances_total');
  stage.database.refuse();
  stage.injected('database out of reach');
  await stage.usage.steady(stage.time(7 * SECOND_MS, 600_000));
  stage.database.heal();
  await stage.time(2 * SECOND_MS, 10_000);
  let now = 0;
  // A busy machine may let a processor miss the question; what it has counted does not get less.
  await stage.until('all processors answer', async () => {
    now = await metricSum(stage, 'playhead_processor_rebalances_total');
    return now >= rebalances;
  });
  if (now !== rebalances) throw new Error(`${now - rebalances} rebalances while the database was away`);
}

/** First the answer to COMMIT is lost, then connections are reset at their 1st, 2nd, 3rd .. message in turn. */
async function loseAtEveryStep(stage: Stage): Promise<void> {
  const wanted = stage.times(4, 40);
  let lost = 0;
  stage.database.intercept((from, bytes) => {
    if (from !== 'server' || lost >= wanted || !bytes.includes('COMMIT\0')) return 'pass';
    lost += 1;
    stage.injected('answers to COMMIT lost');
    return 'reset';
  });
  await stage.until('answers to COMMIT are lost', () => lost >= wanted);
  const steps = stage.times(24, 60);
  const messages = new Map<number, number>();
  let step = 2;
  stage.database.intercept((from, _bytes, connection) => {
    if (step > steps) return 'pass';
    const count = (messages.get(connection) ?? 0) + 1;
    messages.set(connection, count);
    if (count < step) return 'pass';
    step += 1;
    stage.injected(`resets at a message from the ${from}`);
    return 'reset';
  });
  await stage.until('connections are reset at every step', () => step > steps, 120_000);
  stage.database.heal();
}

/**
 * Old connections swallow everything, new ones work: the time limits of the client must cut them. That takes 25 s where the machine
 * is not busy; the time is reported, and bounded by what any wait here is bounded by.
 */
async function halfOpen(stage: Stage): Promise<void> {
  const behind = (): Promise<number> => countOf(stage, 'SELECT extract(epoch FROM now() - min(updated_at)) AS n FROM partition_progress');
  stage.database.halfOpen();
  stage.injected('connections half-open', stage.database.counts().open);
  await systemScheduler.sleep(2 * SECOND_MS);
  const began = systemScheduler.monotonicMs();
  await stage.until('every partition is flushed again', async () => (await behind()) < 2);
  stage.injected('seconds until flushed again', Math.round((systemScheduler.monotonicMs() - began) / SECOND_MS) + 2);
}

async function goBack(stage: Stage): Promise<void> {
  const { postgres } = stage.servers;
  const emissions = (): Promise<number> => countOf(stage, 'SELECT sum(emission_seq) AS n FROM partition_progress');
  for (let round = 0; round < stage.times(1, 3); round++) {
    await postgres.backUp();
    const copied = await emissions();
    await stage.time(5 * SECOND_MS, 60_000);
    const before = await emissions();
    await postgres.putBack();
    stage.injected('emissions gone with the restore', before - copied);
    await stage.time(SECOND_MS, 10_000);
  }
}

export const DATABASE_FAULTS: readonly Fault[] = [
  { id: 'F13', about: 'PostgreSQL restarted, stopped at once, killed', alone: true, loadMs: 8_000, inject: restartDatabase },
  {
    id: 'F14',
    about: 'PostgreSQL out of reach',
    alone: false,
    loadMs: 8_000,
    // A machine that stalls for seconds must not look like a member that left. What waits for the database fills its bound within minutes.
    options: { processorEnv: { CHAOS_SESSION_TIMEOUT_MS: '20000', PLAYHEAD_PROCESSOR_BUFFER_OUTPUTS_MAX: '300' } },
    inject: databaseAway,
  },
  { id: 'F15', about: 'the answer to COMMIT lost; reset at every step', alone: false, loadMs: 8_000, inject: loseAtEveryStep },
  { id: 'F16', about: 'half-open database connections', alone: false, loadMs: 8_000, viewers: 60, inject: halfOpen },
  { id: 'F19', about: 'PostgreSQL put back to a copy made on the way', alone: true, loadMs: 8_000, inject: goBack },
];
