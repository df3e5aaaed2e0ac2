// After a fault: everything comes to rest, then the ten invariants (reliability.md section 1). The oracle knows the audience, the log
// and the definitions, and shares no code with the fold beyond schemas. I6 is checked by a second system that folds the log again.
import type { DeliveryPlan } from '../../infra/cli/audience/delivery.ts';
import { observe } from '../../infra/cli/audience/observed.ts';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogAdmin } from '../../infra/runtime/kafka.ts';
import { eventChecksum } from '../support/checksum.ts';
import { storedSessions } from '../support/facts.ts';
import { canonicalRows, checkInvariants, type Violation } from '../support/invariants.ts';
import { testLogger } from '../support/log-kafka.ts';
import { differences, type ExpectedSession, expectedSessions, factsOf, sessionKey } from '../support/oracle.ts';
import { type SystemOptions, startSystem, type TestSystem } from '../support/system.ts';
import { checkIdle, checkLogs, checkMemory } from '../support/usage.ts';
import { eventKey, type LoadResult } from './load.ts';
import { type LogCopies, readLog } from './log-copies.ts';
import { type Stage, withClient } from './stage.ts';

/** I9: time to come to rest after the last fault, on top of the session timeout. */
const REST_MS = 45_000;
const POLL_MS = 100;
/** I10: a process of a small load stays below this. */
const USAGE_MAX = { rssMb: 512, heapMb: 256 };
const SHOWN_MAX = 4;

/** `late`: what was not at rest in time (I9). */
export type Rested = { highs: number[]; restMs: number; late: Violation[] };

const violation = (invariant: string, found: readonly string[]): Violation[] =>
  found.length === 0
    ? []
    : [
        {
          invariant,
          detail: `${found.slice(0, SHOWN_MAX).join('; ')}${found.length > SHOWN_MAX ? ` and ${found.length - SHOWN_MAX} more` : ''}`,
        },
      ];

async function highsOf(system: TestSystem): Promise<number[]> {
  const admin = createLogAdmin({
    brokers: system.brokers,
    topic: system.topic,
    clientId: 'chaos',
    logger: testLogger,
    scheduler: systemScheduler,
  });
  try {
    const highs: number[] = [];
    for (let partition = 0; partition < system.partitions; partition++) highs.push((await admin.bounds(partition)).high);
    return highs;
  } finally {
    await admin.close();
  }
}

/** Progress rows against the ends of the log; an empty list = lag 0 everywhere. */
async function behind(database: string, highs: readonly number[]): Promise<string[]> {
  return withClient(database, async (client) => {
    const { rows } = await client.query('SELECT partition, next_offset FROM partition_progress');
    const next = new Map(rows.map((row) => [Number(row.partition), Number(row.next_offset)]));
    return highs.flatMap((high, partition) =>
      (next.get(partition) ?? 0) >= high ? [] : [`partition ${partition} at ${next.get(partition) ?? 0} of ${high}`],
    );
  });
}

/** I9: one owner that runs for every partition, none that waits. */
async function ownersWrong(system: TestSystem): Promise<string[]> {
  let running = 0;
  let waiting = 0;
  for (const { metrics } of system.instances('processor')) {
    const report = (await (await fetch(`${metrics}/readyz`)).json()) as { checks: Record<string, { ok: boolean; detail: string }> };
    const count = (mode: string): number => Number(new RegExp(`(\\d+) ${mode}`).exec(report.checks['assignment']?.detail ?? '')?.[1] ?? 0);
    running += count('running');
    waiting += count('claiming') + count('restoring');
    if (report.checks['partitions']?.ok === false) return [report.checks['partitions'].detail];
  }
  return running === system.partitions && waiting === 0 ? [] : [`${running} of ${system.partitions} partitions run, ${waiting} wait`];
}

/**
 * Ends the gateways, so that nothing is added any more, has every session closed and waits until all of it is in the tables; at most
 * `limitMs`, by default as long as I9 allows.
 */
export async function comeToRest(stage: Stage, sessionTimeoutMs: number, limitMs = sessionTimeoutMs + REST_MS): Promise<Rested> {
  const { system } = stage;
  const startedMs = systemScheduler.monotonicMs();
  const deadline = startedMs + limitMs;
  let late: Violation[] = [];
  for (const { instance } of system.instances('ingest')) await system.kill('ingest', 'SIGTERM', { instance });
  const reached = async (highs: readonly number[]): Promise<void> => {
    for (;;) {
      const wrong = [...(await behind(system.database, highs)), ...(await ownersWrong(system))];
      if (wrong.length === 0) return;
      if (systemScheduler.monotonicMs() > deadline) {
        late = violation('I9', wrong);
        return;
      }
      await systemScheduler.sleep(POLL_MS);
    }
  };
  await reached(await highsOf(system));
  await system.closeAll();
  const highs = await highsOf(system);
  await reached(highs);
  return { highs, restMs: systemScheduler.monotonicMs() - startedMs, late };
}

export type Checked = { violations: Violation[]; log: LogCopies };

/** I1 to I5, I7 and I8 of a system at rest. `lateByPlan`: plans whose held deliveries were sent after the seal. */
export async function checkResult(stage: Stage, load: LoadResult, rested: Rested, lateByPlan: boolean): Promise<Checked> {
  const { system } = stage;
  const log = await readLog(system, rested.highs);
  const violations = [...acceptedAreThere(load, log), ...refusedAreNot(load, log)];
  await withClient(system.database, async (client) => {
    violations.push(...(await checkInvariants(client)));
    const stored = await storedSessions(client, system.site);
    const expected = lateByPlan ? expectedWithLate(load.plans) : expectedFrom(load.plans, log);
    // Sessions that are not the audience's have nothing to be compared with; countedOnce finds those that nobody sent.
    const audience = new Set(load.plans.map(({ viewing }) => viewing.viewer.session));
    const facts = new Map(
      [...stored]
        .filter(
          ([
            ,
            {
              facts: { session },
            },
          ]) => audience.has(session),
        )
        .map(([key, each]) => [key, each.facts]),
    );
    violations.push(...violation('I3', differences(expected, facts)));
    const { rows } = await client.query(
      `SELECT session, sum(received)::int8 AS received, sum(late)::int8 AS late, array_agg(checksum) AS checksums FROM sessions WHERE site = $1 GROUP BY session`,
      [system.site],
    );
    violations.push(...countedOnce(load, log, rows as StreamRow[], lateByPlan, system.site));
    const counted = await client.query(
      `SELECT ((SELECT coalesce(sum(duplicates), 0) FROM sessions) + (SELECT coalesce(sum(duplicates), 0) FROM duplicate_counts))::int8 AS duplicates,
              (SELECT coalesce(sum((ledger->>'eventsInLog')::int8), 0) FROM partition_progress)::int8 AS events`,
    );
    const duplicates = [...log.copies.values()].reduce((sum, copies) => sum + copies - 1, 0);
    const events = log.events.reduce((sum, each) => sum + each, 0);
    const row = counted.rows[0];
    if (Number(row.duplicates) !== duplicates)
      violations.push({ invariant: 'I1', detail: `${row.duplicates} duplicates counted, the log holds ${duplicates}` });
    if (Number(row.events) !== events)
      violations.push({ invariant: 'I1', detail: `${row.events} events in the ledger, the log holds ${events}` });
  });
  return { violations, log };
}

/** I1, first half: what was accepted is in the log. */
function acceptedAreThere({ outcomes }: LoadResult, { copies }: LogCopies): Violation[] {
  const lost = [...outcomes].filter(([key, outcome]) => outcome === 'accepted' && !copies.has(key)).map(([key]) => key);
  return violation(
    'I1',
    lost.length === 0 ? [] : [`${lost.length} accepted events are not in the log: ${lost.slice(0, SHOWN_MAX).join(', ')}`],
  );
}

/** I2, second half: what was refused is nowhere. */
function refusedAreNot({ outcomes }: LoadResult, { copies }: LogCopies): Violation[] {
  const found = [...outcomes]
    .filter(([key, outcome]) => outcome === 'refused' && copies.has(key))
    .map(([key]) => `refused event ${key} is in the log`);
  return violation('I2', found);
}

/** The truth of each viewing as far as its events are in the log. */
function expectedFrom(plans: readonly DeliveryPlan[], { copies }: LogCopies): Map<string, ExpectedSession> {
  const expected = new Map<string, ExpectedSession>();
  for (const plan of plans) {
    const { viewing } = plan;
    const { session } = viewing.viewer;
    const there = plan.promptIndexes.filter((index) => copies.has(eventKey(session, viewing.events[index]?.event.seq ?? -1)));
    const whole = there.length === viewing.events.length;
    for (const truth of whole ? viewing.truths : observe(viewing, there)) {
      if (truth.events === 0) continue;
      expected.set(sessionKey(truth.session, truth.video), {
        facts: factsOf(truth),
        startedAt: truth.startedAt,
        exactStart: false,
        end: truth.end,
      });
    }
  }
  return expected;
}

/** Prompt events make the session; the custom events of late ones are rows as well, after those. */
function expectedWithLate(plans: readonly DeliveryPlan[]): Map<string, ExpectedSession> {
  const expected = expectedSessions(plans);
  for (const { viewing, held } of plans) {
    const indexes = held.filter(({ copy }) => copy === 0).flatMap(({ eventIndexes }) => eventIndexes);
    for (const index of indexes) {
      const reported = viewing.events[index];
      const session = reported && expected.get(sessionKey(viewing.viewer.session, reported.video));
      if (!session || reported.event.type !== 'custom') continue;
      const { seq = -1, at, name = '', positionMs = -1, data } = reported.event;
      session.facts.customEvents.push({ seq, at: at - session.startedAt, name, positionMs, data });
    }
  }
  return expected;
}

type StreamRow = { session: string; received: string; late: string; checksums: Buffer[] };

/** I1, I2: over all parts of a session, every event that is in the log is counted once; checksums name a wrong one. */
function countedOnce(load: LoadResult, { copies }: LogCopies, rows: readonly StreamRow[], lateByPlan: boolean, site: string): Violation[] {
  const events = new Map<string, number[]>();
  for (const key of copies.keys()) {
    const at = key.lastIndexOf('#');
    const session = key.slice(0, at);
    const seqs = events.get(session);
    if (seqs) seqs.push(Number(key.slice(at + 1)));
    else events.set(session, [Number(key.slice(at + 1))]);
  }
  const found: string[] = [];
  const late = new Map(load.plans.map(({ viewing, lateIndexes }) => [viewing.viewer.session, lateByPlan ? lateIndexes.length : 0]));
  for (const row of rows) {
    const seqs = events.get(row.session) ?? [];
    if (Number(row.received) !== seqs.length) found.push(`${row.session}: ${row.received} events counted, ${seqs.length} in the log`);
    const planned = late.get(row.session);
    if (planned !== undefined && Number(row.late) !== planned) found.push(`${row.session}: ${row.late} late events, planned ${planned}`);
    const sum = row.checksums.reduce((total, bytes) => BigInt.asUintN(64, total + bytes.readBigUInt64BE()), 0n);
    const expected = seqs.reduce((total, seq) => BigInt.asUintN(64, total + eventChecksum(site, row.session, seq)), 0n);
    if (sum !== expected) found.push(`${row.session}: checksum ${sum.toString(16)}, must be ${expected.toString(16)}`);
    events.delete(row.session);
  }
  for (const session of events.keys()) found.push(`${session}: in the log, in no row`);
  return violation('I1', found);
}

/** I6: the log folded again by one process without faults gives the same bytes. */
export async function checkReplay(stage: Stage, options: SystemOptions, rested: Rested): Promise<Violation[]> {
  const first = await withClient(stage.system.database, canonicalRows);
  const again = await startSystem({ ...options, replayOf: stage.system, services: ['processor'] });
  try {
    const deadline = systemScheduler.monotonicMs() + REST_MS;
    while ((await behind(again.database, rested.highs)).length > 0) {
      if (systemScheduler.monotonicMs() > deadline) return [{ invariant: 'I6', detail: 'the log could not be folded again in time' }];
      await systemScheduler.sleep(POLL_MS);
    }
    const second = await withClient(again.database, canonicalRows);
    const found: string[] = [];
    for (const [table, rows] of Object.entries(first)) {
      const others = second[table] ?? [];
      const at = rows.findIndex((row, index) => row !== others[index]);
      if (rows.length !== others.length || at >= 0)
        found.push(`${table}: ${rows.length} rows, again ${others.length}; first difference: ${rows[at]} / ${others[at]}`);
    }
    return violation('I6', found);
  } finally {
    await again.stop();
  }
}

/** I10: memory over the whole run, then descriptors and connections once the load has ended, then every log. */
export async function checkUsage({ system, idle, usage }: Stage): Promise<Violation[]> {
  const left = await checkIdle(system, idle);
  const logs = new Map(system.started().map(({ name, instance }) => [instance, system.log(name, { instance, lines: 100_000 })]));
  return [...checkMemory(usage, USAGE_MAX), ...left, ...checkLogs(logs)];
}
