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
export type Outcomes = Map<string, Outcome>;

export type LoadResult = { plans: DeliveryPlan[]; outcomes: Outcomes };

export type Load = {
  /** The results, once nobody arrives any more and all that was sent has an outcome. */
  end(): Promise<LoadResult>;
  /** Nobody new arrives until the work is done; who is there goes on. */
  hold(work: Promise<void>): Promise<void>;
  /** Nobody arrives any more, and what has no outcome yet is given up: it stays unknown. */
  giveUp(): void;
  /** The driver of the patient viewers, for more of the same. */
  driver: Driver;
  /** Patient viewers so far. */
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

type Senders = { patient: Driver; hasty: Driver; stranger: Driver };

function createSenders({ ingest: endpoint, writeKey: key }: TestSystem): Senders {
  const deps = { scheduler: systemScheduler };
  return {
    patient: createDriver(deps, { endpoint, key, retryPauseMaxMs: 500, attemptsMax: 100_000, requestTimeoutMs: 8_000 }),
    hasty: createDriver(deps, { endpoint, key, attemptsMax: 1, requestTimeoutMs: IMPATIENT_TIMEOUT_MS }),
    stranger: createDriver(deps, { endpoint, key: 'pk_0000000000000000000000000', attemptsMax: 1 }),
  };
}

type Wave = { patient: DeliveryPlan[]; impatient: DeliveryPlan[]; refused: DeliveryPlan[] };

function planWave({ viewers, seed, spreadMs, delivery }: LoadOptions, number: number): Wave {
  const crowd = (name: string, count: number, more: Partial<DeliveryOptions> = {}): DeliveryPlan[] =>
    planCrowd({
      viewers: count,
      seed: `${seed}/${number}/${name}`,
      startsAt: systemClock.now() - PAST_MS,
      videos: SHORT_VIDEOS,
      gapMs: Math.floor(spreadMs / viewers),
      delivery: { speed: SPEED, duplicates: 0.1, disorder: 0.2, disorderMs: 400, ...delivery, ...more },
    });
  return {
    patient: crowd('patient', viewers),
    // Of a viewer that gives up only those are compared whose every beacon says what the video is.
    impatient: crowd('impatient', Math.ceil(viewers * IMPATIENT_SHARE), { late: 0 }).filter(saysEverything),
    refused: crowd('refused', REFUSED_VIEWERS),
  };
}

/**
 * Starts sending at once, and goes on with a wave after the other until `end` is called. Nothing is lost by plan, so that what is
 * missing in the end was lost by the system.
 */
export function startLoad(system: TestSystem, options: LoadOptions): Load {
  const { viewers, spreadMs } = options;
  const senders = createSenders(system);
  const patient: DeliveryPlan[] = [];
  const all: DeliveryPlan[] = [];
  const sending: Promise<CrowdResult[]>[] = [];
  let ended = false;
  let held: Promise<void> = Promise.resolve();
  const arrivals = async (): Promise<void> => {
    for (let number = 0; !ended; number++) {
      await held;
      if (ended) return;
      const wave = planWave(options, number);
      patient.push(...wave.patient);
      all.push(...wave.patient, ...wave.impatient);
      const gapMs = spreadMs / viewers;
      sending.push(
        sendCrowd(senders.patient, wave.patient, gapMs),
        sendCrowd(senders.hasty, wave.impatient, spreadMs / Math.max(1, wave.impatient.length)),
        sendCrowd(senders.stranger, wave.refused, gapMs),
      );
      await systemScheduler.sleep(spreadMs);
    }
  };
  const arriving = arrivals();
  return {
    driver: senders.patient,
    plans: patient,
    hold(work) {
      held = work.catch(() => {});
      return work;
    },
    giveUp() {
      ended = true;
      senders.patient.stop();
    },
    async end() {
      ended = true;
      await arriving;
      const outcomes = new Map<string, Outcome>();
      for (const result of (await Promise.all(sending)).flat()) noteOutcomes(outcomes, result);
      return { plans: all, outcomes };
    },
  };
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

/** A few more patient viewers, after the load has ended; what they sent belongs to its result. */
export async function sendMore(load: Load, result: LoadResult, { viewers, seed, spreadMs }: LoadOptions): Promise<void> {
  const { patient } = planWave({ viewers, seed: `${seed}/more`, spreadMs }, 0);
  for (const each of await sendCrowd(load.driver, patient, spreadMs / viewers)) noteOutcomes(result.outcomes, each);
  result.plans.push(...patient);
}
