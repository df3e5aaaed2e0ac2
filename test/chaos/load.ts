// The audience of a chaos run, seen from outside: patient viewers that repeat until accepted, impatient ones that give up at once
// and leave their events unknown, and a few that must be refused. Every event's outcome is written down (reliability.md section 1).
import { type CrowdResult, planCrowd, sendCrowd } from '../../infra/cli/audience/audience.ts';
import { SHORT_VIDEOS } from '../../infra/cli/audience/catalog.ts';
import type { DeliveryOptions, DeliveryPlan } from '../../infra/cli/audience/delivery.ts';
import { createDriver, type Driver, type Outcome } from '../../infra/cli/audience/driver.ts';
import { systemClock, systemScheduler } from '../../infra/runtime/clock.ts';
import type { TestSystem } from '../support/system.ts';

export type LoadOptions = { viewers: number; seed: string; spreadMs: number; delivery?: Partial<DeliveryOptions> };

/** Outcome of every event by `session#seq`: the strongest of its copies, accepted > unknown > refused. */
export type Outcomes = ReadonlyMap<string, Outcome>;

export type LoadResult = { plans: DeliveryPlan[]; outcomes: Outcomes; requests: number; retries: number };

export type Load = {
  done: Promise<LoadResult>;
  /** The driver of the patient viewers, for more of the same. */
  driver: Driver;
  plans: readonly DeliveryPlan[];
};

/** Viewers' clocks begin this long ago and run fast, so that no viewing lies in the future. */
const PAST_MS = 3 * 3_600_000;
const SPEED = 60;
const IMPATIENT_SHARE = 0.2;
const IMPATIENT_TIMEOUT_MS = 1_500;
const REFUSED_VIEWERS = 2;
const RANK: Readonly<Record<Outcome, number>> = { refused: 0, unknown: 1, accepted: 2 };

export const eventKey = (session: string, seq: number): string => `${session}#${seq}`;

/** Starts sending at once. Nothing is lost by plan, so that what is missing in the end was lost by the system. */
export function startLoad(system: TestSystem, options: LoadOptions): Load {
  const { viewers, seed, spreadMs } = options;
  const crowd = (name: string, count: number, more: Partial<DeliveryOptions> = {}): DeliveryPlan[] =>
    planCrowd({
      viewers: count,
      seed: `${seed}/${name}`,
      startsAt: systemClock.now() - PAST_MS,
      videos: SHORT_VIDEOS,
      gapMs: Math.floor(spreadMs / viewers),
      delivery: { speed: SPEED, duplicates: 0.1, disorder: 0.2, disorderMs: 400, ...options.delivery, ...more },
    });
  const patient = crowd('patient', viewers);
  // Of a viewer that gives up only those are compared whose every beacon says what the video is.
  const impatient = crowd('impatient', Math.ceil(viewers * IMPATIENT_SHARE), { late: 0 }).filter(saysEverything);
  const refused = crowd('refused', REFUSED_VIEWERS);
  const deps = { scheduler: systemScheduler };
  const { ingest: endpoint, writeKey: key } = system;
  const driver = createDriver(deps, { endpoint, key, retryPauseMaxMs: 500, attemptsMax: 100_000, requestTimeoutMs: 8_000 });
  const hasty = createDriver(deps, { endpoint, key, attemptsMax: 1, requestTimeoutMs: IMPATIENT_TIMEOUT_MS });
  const stranger = createDriver(deps, { endpoint, key: 'pk_0000000000000000000000000', attemptsMax: 1 });
  const gapMs = spreadMs / viewers;
  const send = async (): Promise<LoadResult> => {
    const results = await Promise.all([
      sendCrowd(driver, patient, gapMs),
      sendCrowd(hasty, impatient, spreadMs / Math.max(1, impatient.length)),
      sendCrowd(stranger, refused, gapMs),
    ]);
    const outcomes = new Map<string, Outcome>();
    for (const result of results.flat()) noteOutcomes(outcomes, result);
    const counts = [driver.counts(), hasty.counts()];
    const sum = (name: 'requests' | 'retries'): number => counts.reduce((total, each) => total + each[name], 0);
    return { plans: [...patient, ...impatient], outcomes, requests: sum('requests'), retries: sum('retries') };
  };
  return { done: send(), driver, plans: patient };
}

const saysEverything = ({ deliveries }: DeliveryPlan): boolean => deliveries.every(({ beacon }) => beacon.video.durationMs !== undefined);

/** Adds what is known about the events of a result. */
export function noteOutcomes(outcomes: Map<string, Outcome>, { plan, records }: CrowdResult): void {
  for (const record of records) {
    for (const index of record.eventIndexes) {
      const key = eventKey(record.session, plan.viewing.events[index]?.event.seq ?? -1);
      const before = outcomes.get(key);
      if (before === undefined || RANK[record.outcome] > RANK[before]) outcomes.set(key, record.outcome);
    }
  }
}

export function countOutcomes(outcomes: Outcomes): Record<Outcome, number> {
  const counts = { accepted: 0, refused: 0, unknown: 0 };
  for (const outcome of outcomes.values()) counts[outcome]++;
  return counts;
}
