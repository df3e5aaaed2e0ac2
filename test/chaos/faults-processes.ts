// Faults of our own processes: killed at exact points, frozen, late, joining and leaving in a storm, doubled by mistake.
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { GATEWAY_POINTS, type KillPoint } from '../support/kill-points.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';

/** Places in a processor's work, and how often each is passed before the blow falls. */
const BLOWS: readonly [KillPoint, number][] = [
  ['before_begin', 3],
  ['in_copy', 2],
  ['before_move', 4],
  ['before_commit', 5],
  ['commit_applied', 4],
  ['in_snapshot', 1],
  ['in_restore', 1],
  ['in_claim', 1],
];
const VICTIMS_AT_ONCE = 2;
const SECOND_MS = 1_000;

async function killGateways(stage: Stage): Promise<void> {
  const { system } = stage;
  await system.kill('ingest', 'SIGKILL');
  stage.injected('killed at work');
  for (let round = 0; round < stage.times(1, 8); round++) {
    for (const point of GATEWAY_POINTS) {
      await stage.startArmed('ingest', 'ingest-1', point, 3);
      await stage.taken('ingest', 'ingest-1');
      stage.injected(`killed ${point}`);
    }
  }
  const began = systemScheduler.monotonicMs();
  await system.start('ingest');
  stage.injected('ms to be ready again', Math.round(systemScheduler.monotonicMs() - began));
}

async function killProcessors(stage: Stage): Promise<void> {
  let number = 0;
  for (let round = 0; round < stage.times(1, 10); round++) {
    for (let at = 0; at < BLOWS.length; at += VICTIMS_AT_ONCE) {
      const blows = BLOWS.slice(at, at + VICTIMS_AT_ONCE);
      await Promise.all(
        blows.map(async ([point, count]) => {
          const instance = `victim${++number}`;
          await stage.startArmed('processor', instance, point, count);
          await stage.taken('processor', instance);
          stage.injected(`killed ${point}`);
        }),
      );
    }
  }
}

/** Freezes one that is at work, lets others take over, and thaws it; then one in the middle of COPY, whose lock must be taken away. */
async function freeze(stage: Stage): Promise<void> {
  const { system } = stage;
  const claims = (): Promise<number> => countOf(stage, `SELECT count(*) AS n FROM partition_claims WHERE instance <> 'p1'`);
  const before = await claims();
  system.signal('processor', 'SIGSTOP', { instance: 'p1' });
  stage.injected('frozen at work');
  await stage.until('a takeover from the frozen one', async () => (await claims()) > before);
  await stage.time(SECOND_MS, 50_000);
  system.signal('processor', 'SIGCONT', { instance: 'p1' });
  await stage.time(2 * SECOND_MS, 10_000);
  await stage.startArmed('processor', 'victim', 'in_copy', 3, 'stop');
  await stage.taken('processor', 'victim');
  stage.injected('frozen in COPY');
  await stage.until(
    'the frozen lock holder is ended',
    async () => (await metricSum(stage, 'playhead_processor_terminated_writers_total')) > 0,
  );
  stage.injected('lock holder ended');
  system.signal('processor', 'SIGCONT', { instance: 'victim' });
  await stage.time(2 * SECOND_MS, 10_000);
}

/**
 * NC3, armed: the new owner holds its first flush (its interval is long) while the zombie wakes and writes what it had folded.
 * p1 is the only one at first, so that all partitions move.
 */
async function freezeBeforeFirstFlush(stage: Stage): Promise<void> {
  const { system } = stage;
  await systemScheduler.sleep(2 * SECOND_MS);
  system.signal('processor', 'SIGSTOP', { instance: 'p1' });
  stage.injected('frozen at work');
  await system.start('processor', { instance: 'p2', env: { PLAYHEAD_PROCESSOR_FLUSH_INTERVAL_MS: '8000' } });
  const claimed = (): Promise<number> =>
    countOf(stage, `SELECT count(DISTINCT partition) AS n FROM partition_claims WHERE instance = 'p2'`);
  await stage.until('p2 claims everything', async () => (await claimed()) === system.partitions);
  system.signal('processor', 'SIGCONT', { instance: 'p1' });
  await systemScheduler.sleep(3 * SECOND_MS);
}

async function claimLate(stage: Stage): Promise<void> {
  const { system } = stage;
  for (let round = 0; round < stage.times(1, 5); round++) {
    const instance = `late${round}`;
    await stage.startArmed('processor', instance, 'before_claim', 1, 'stop');
    await stage.taken('processor', instance);
    const started = await countOf(stage, 'SELECT count(*) AS n FROM partition_claims');
    await stage.until(
      'others claim what the stopped one was given',
      async () => (await countOf(stage, 'SELECT count(*) AS n FROM partition_claims')) > started,
    );
    await systemScheduler.sleep(SECOND_MS);
    system.signal('processor', 'SIGCONT', { instance });
    await stage.until(
      'the late claim',
      async () => (await countOf(stage, `SELECT count(*) AS n FROM partition_claims WHERE instance = '${instance}'`)) > 0,
      15_000,
    );
    stage.injected('late claims');
    await stage.time(2 * SECOND_MS, 20_000);
    await system.kill('processor', stage.random.chance(0.5) ? 'SIGKILL' : 'SIGTERM', { instance });
  }
}

async function storm(stage: Stage): Promise<void> {
  const { system, random } = stage;
  const members: string[] = [];
  for (let move = 0; move < stage.times(6, 50); move++) {
    const leaver = members.length > 0 && (members.length > 2 || random.chance(0.5)) ? members.shift() : undefined;
    if (leaver === undefined) {
      const instance = `member${move}`;
      await system.start('processor', { instance });
      members.push(instance);
      stage.injected('joined');
    } else {
      const killed = random.chance(0.5);
      await system.kill('processor', killed ? 'SIGKILL' : 'SIGTERM', { instance: leaver });
      stage.injected(killed ? 'killed' : 'left');
    }
    await stage.time(SECOND_MS, 3 * SECOND_MS);
  }
}

/** The churn between two groups is watched through their claims. */
async function secondCluster(stage: Stage): Promise<void> {
  const { system } = stage;
  await system.start('processor', { instance: 'other', env: { PLAYHEAD_PROCESSOR_GROUP: 'another-group' } });
  await stage.time(6 * SECOND_MS, 60_000);
  const rows = await stage.sql('SELECT DISTINCT consumer_group FROM partition_claims');
  if (rows.length !== 2) throw new Error(`claims name ${rows.length} groups, must be 2`);
  stage.injected('claims', await countOf(stage, 'SELECT count(*) AS n FROM partition_claims'));
  await system.kill('processor', 'SIGTERM', { instance: 'other' });
}

export async function countOf(stage: Stage, text: string): Promise<number> {
  return Number((await stage.sql(text))[0]?.['n'] ?? 0);
}

/** A metric summed over all processors that answer. */
export async function metricSum(stage: Stage, name: string): Promise<number> {
  let sum = 0;
  for (const { metrics } of stage.system.instances('processor')) {
    const text = await fetch(`${metrics}/metrics`, { signal: AbortSignal.timeout(2 * SECOND_MS) }).then(
      (response) => response.text(),
      () => '',
    );
    for (const line of text.split('\n')) if (line.startsWith(name)) sum += Number(line.split(' ').at(-1));
  }
  return sum;
}

export const PROCESS_FAULTS: readonly Fault[] = [
  { id: 'F1', about: 'gateway killed before, during and after a send', alone: false, loadMs: 8_000, inject: killGateways },
  { id: 'F2', about: 'processor killed at every step of its work', alone: false, loadMs: 8_000, inject: killProcessors },
  { id: 'F3', about: 'processor frozen at work and in COPY, then back', alone: false, loadMs: 8_000, inject: freeze },
  { id: 'F4', about: 'a claim that comes late fences the owner', alone: false, loadMs: 8_000, inject: claimLate },
  { id: 'F5', about: 'processors join, leave and die in a storm', alone: false, loadMs: 8_000, inject: storm },
  { id: 'F36', about: 'a second group on the same database', alone: false, loadMs: 8_000, inject: secondCluster },
  {
    id: 'NC3',
    about: 'control without the epoch check: F3 must break I8 or I4',
    alone: false,
    loadMs: 8_000,
    options: { control: 'no_epoch_check', processors: 1, processorEnv: { PLAYHEAD_PROCESSOR_FLUSH_INTERVAL_MS: '1500' } },
    mustBreak: ['I8', 'I4'],
    inject: freezeBeforeFirstFlush,
  },
];
