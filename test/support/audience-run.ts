// One run of a simulated audience against the whole system: send, let everything be sealed, compare with the truth.
import assert from 'node:assert/strict';
import pg from 'pg';
import { type CrowdResult, planCrowd, sendCrowd } from '../../infra/cli/audience/audience.ts';
import { SHORT_VIDEOS } from '../../infra/cli/audience/catalog.ts';
import type { DeliveryOptions, DeliveryPlan } from '../../infra/cli/audience/delivery.ts';
import { createDriver, type Driver } from '../../infra/cli/audience/driver.ts';
import type { ViewingOptions } from '../../infra/cli/audience/viewing.ts';
import { systemClock, systemScheduler } from '../../infra/runtime/clock.ts';
import { eventChecksum } from './checksum.ts';
import { storedSessions } from './facts.ts';
import { checkInvariants } from './invariants.ts';
import { readLog } from './log-contents.ts';
import { differences, expectedSessions, sessionKey } from './oracle.ts';
import type { TestSystem } from './system.ts';

export type RunOptions = {
  viewers: number;
  seed: string;
  /** Sending of all viewers begins within this time. */
  spreadMs: number;
  delivery: DeliveryOptions;
  viewing?: Partial<ViewingOptions>;
  /** Players that never send again what was not accepted: then not everything arrives, and nobody knows what did. */
  impatient?: boolean;
};

export type RunResult = { plans: DeliveryPlan[]; results: CrowdResult[] };

/** Viewers' clocks begin this long ago and run fast, so that no viewing lies in the future. */
const PAST_MS = 3 * 3_600_000;
const SETTLE_TIMEOUT_MS = 90_000;

/**
 * Long grace for systems whose figures are compared with the truth: on a busy machine, or after a fault, what a player sends
 * again can come later than the five seconds of the default, and would then be a supplement.
 */
export const PATIENT_FOLD = { PLAYHEAD_FOLD_GRACE_MS: '600000' };

/** A driver for the system's gateway. */
export function systemDriver(system: TestSystem, attemptsMax = 200): Driver {
  return createDriver(
    { scheduler: systemScheduler },
    { endpoint: system.ingest, key: system.writeKey, retryPauseMaxMs: 500, attemptsMax, requestTimeoutMs: 8_000 },
  );
}

/** Sends a crowd; every request of patient players must end up accepted. `meanwhile` runs beside it. */
export async function sendAudience(system: TestSystem, options: RunOptions, meanwhile?: () => Promise<void>): Promise<RunResult> {
  const gapMs = options.spreadMs / options.viewers;
  const plans = planCrowd({
    viewers: options.viewers,
    seed: options.seed,
    startsAt: systemClock.now() - PAST_MS,
    videos: SHORT_VIDEOS,
    gapMs: Math.floor(gapMs),
    delivery: options.delivery,
    viewing: options.viewing ?? {},
  });
  const driver = createDriver(
    { scheduler: systemScheduler },
    {
      endpoint: system.ingest,
      key: system.writeKey,
      retryPauseMaxMs: 500,
      attemptsMax: options.impatient ? 1 : 200,
      requestTimeoutMs: 8_000,
    },
  );
  const [results] = await Promise.all([sendCrowd(driver, plans, gapMs), meanwhile?.()]);
  if (options.impatient) return { plans, results };
  const problems = results.flatMap(({ records }) =>
    records.filter((record) => record.outcome !== 'accepted' || record.rejected.length > 0),
  );
  assert.deepEqual(problems.slice(0, 3), [], `${problems.length} requests were not accepted as a whole`);
  return { plans, results };
}

/** A connection to the system's database for the length of `use`. */
export async function withDatabase<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Waits until `done` answers true. @throws with what `describe` says if it does not within `timeoutMs`. */
export async function eventually(done: () => Promise<boolean>, describe: () => Promise<string>, timeoutMs: number): Promise<void> {
  const deadline = systemScheduler.monotonicMs() + timeoutMs;
  while (!(await done())) {
    if (systemScheduler.monotonicMs() > deadline) throw new Error(`still not so after ${timeoutMs} ms: ${await describe()}`);
    await systemScheduler.sleep(250);
  }
}

const BALANCE = `SELECT coalesce(sum((ledger->>'eventsInLog')::int8), 0)::int8 AS events, coalesce(sum((ledger->>'waiting')::int8), 0)::int8 AS waiting,
    (SELECT count(*) FROM open_sessions)::int8 AS open, (SELECT count(*) FROM sessions)::int8 AS sealed FROM partition_progress`;

/** Waits until that many event copies were folded, has every session closed and waits until all of it is in the tables. */
export async function sealAll(system: TestSystem, events: number): Promise<void> {
  await withDatabase(system.database, async (client) => {
    const balance = async (): Promise<Record<string, number>> => {
      const { rows } = await client.query(BALANCE);
      return Object.fromEntries(Object.entries(rows[0] as Record<string, string>).map(([name, value]) => [name, Number(value)]));
    };
    const describe = async (): Promise<string> => `at least ${events} events expected, ${JSON.stringify(await balance())}`;
    await eventually(async () => ((await balance())['events'] as number) >= events, describe, SETTLE_TIMEOUT_MS);
    await system.closeAll();
    await eventually(async () => (await balance())['open'] === 0 && (await balance())['waiting'] === 0, describe, SETTLE_TIMEOUT_MS);
  });
}

/** Event copies that were certainly written to the log. */
export const acceptedCopies = (results: readonly CrowdResult[]): number =>
  results
    .flatMap(({ records }) => records)
    .filter(({ outcome }) => outcome === 'accepted')
    .reduce((sum, record) => sum + record.eventIndexes.length, 0);

/** Event copies that may have been written beyond those, by attempts whose fate is unknown. */
export const unknownCopies = (results: readonly CrowdResult[]): number =>
  results.flatMap(({ records }) => records).reduce((sum, record) => sum + record.unknownAttempts * record.eventIndexes.length, 0);

/** What the log holds of one viewing: copies by place of the event, and which videos' lengths it tells. */
type Logged = { copies: Map<number, number>; told: Set<string> };

/** The log's own account of an audience whose events are numbered: by session id. */
async function loggedBySession(system: TestSystem): Promise<Map<string, Logged>> {
  const sessions = new Map<string, Logged>();
  for (const { beacon } of await readLog(system)) {
    const logged: Logged = sessions.get(beacon.session) ?? { copies: new Map(), told: new Set() };
    sessions.set(beacon.session, logged);
    if (beacon.context !== null && beacon.context.durationMs > 0) logged.told.add(beacon.video);
    for (const { seq } of beacon.events) logged.copies.set(seq, (logged.copies.get(seq) ?? 0) + 1);
  }
  return sessions;
}

/** I1 and I2 at the log: accepted events are in it, refused ones are not, and nothing is that was never sent. */
function compareLog(run: RunResult, logged: ReadonlyMap<string, Logged>): void {
  for (const { plan, records } of run.results) {
    const { session } = plan.viewing.viewer;
    const sent = new Map<number, { accepted: number; possible: number }>();
    for (const { eventIndexes, outcome, unknownAttempts } of records) {
      for (const index of eventIndexes) {
        const known = sent.get(index) ?? { accepted: 0, possible: 0 };
        if (outcome === 'accepted') known.accepted++;
        known.possible += unknownAttempts + (outcome === 'accepted' ? 1 : 0);
        sent.set(index, known);
      }
    }
    const copies = logged.get(session)?.copies ?? new Map<number, number>();
    for (const [index, { accepted, possible }] of sent) {
      const there = copies.get(index) ?? 0;
      assert.ok(
        there >= accepted && there <= possible,
        `${session} event ${index}: ${there} copies in the log, ${accepted} to ${possible} sent`,
      );
    }
    for (const index of copies.keys()) assert.ok(sent.has(index), `${session} event ${index} is in the log but was never sent`);
  }
}

/** Numbers that the log holds, ascending. */
const indexesOf = (logged: Logged | undefined): number[] => [...(logged?.copies.keys() ?? [])].sort((a, b) => a - b);

/**
 * I1 to I8: the log holds what was accepted and nothing that was refused, every figure of every session in the tables is what the
 * log's events tell, to the millisecond, copies and losses are counted, and the invariants hold.
 */
export async function expectTruth(system: TestSystem, run: RunResult): Promise<void> {
  const logged = await loggedBySession(system);
  compareLog(run, logged);
  const expected = expectedSessions(run.plans, ({ viewing }) => {
    const found = logged.get(viewing.viewer.session);
    const untold = new Set(viewing.videos.map(({ id }) => id).filter((id) => !found?.told.has(id)));
    return { indexes: indexesOf(found), untold };
  });
  await withDatabase(system.database, async (client) => {
    const stored = await storedSessions(client, system.site);
    const facts = new Map([...stored].map(([key, session]) => [key, session.facts]));
    const found = differences(expected, facts);
    assert.deepEqual(found.slice(0, 10), [], `${found.length} differences`);
    for (const { viewing } of run.plans) {
      const { session } = viewing.viewer;
      const indexes = indexesOf(logged.get(session));
      for (const { id } of viewing.videos) {
        const row = stored.get(sessionKey(session, id));
        const mine = indexes.filter((index) => viewing.events[index]?.video === id);
        const sum = mine.reduce((total, seq) => BigInt.asUintN(64, total + eventChecksum(system.site, session, seq)), 0n);
        if (row) assert.deepEqual([row.checksum, row.late], [sum.toString(16).padStart(16, '0'), 0], `${session}/${id} checksum, late`);
      }
    }
    for (const [key, { startedAt, exactStart }] of expected) {
      if (exactStart) assert.equal(stored.get(key)?.startedAt, startedAt, `${key} starts when the viewer's clock said`);
    }
    let duplicates = 0;
    let lost = 0;
    for (const session of logged.values()) {
      const indexes = indexesOf(session);
      lost += (indexes.at(-1) as number) + 1 - indexes.length;
      for (const copies of session.copies.values()) duplicates += copies - 1;
    }
    const { rows } = await client.query(
      `SELECT (SELECT coalesce(sum(duplicates), 0) FROM sessions)::int8 + (SELECT coalesce(sum(duplicates), 0) FROM duplicate_counts)::int8
              AS duplicates, (SELECT sum(lost) FROM sessions)::int8 AS lost`,
    );
    assert.deepEqual({ duplicates: Number(rows[0].duplicates), lost: Number(rows[0].lost) }, { duplicates, lost });
    assert.deepEqual(await checkInvariants(client), []);
  });
}
