// The oracle (reliability.md 7.2): what the engine must answer for a simulated audience, derived from the generator's truth and
// from what is known about each delivery. Shares no code with the fold beyond schemas.
import assert from 'node:assert/strict';
import type { DeliveryPlan } from '../../infra/cli/audience/delivery.ts';
import { observe } from '../../infra/cli/audience/observed.ts';
import type { SessionTruth, TruthSection } from '../../infra/cli/audience/truth.ts';

/** What is compared of a session, whether it comes from the fold, from SQL or from the query API. */
export type SessionFacts = Omit<SessionTruth, 'end' | 'events' | 'startedAt' | 'endedAt' | 'sections'> & {
  /** Distinct events counted. */
  received: number;
  /** From the session's start to its last event. */
  spanMs: number;
  /** `startedAt` counts from the session's start. */
  sections: TruthSection[];
};

export type ExpectedSession = {
  facts: SessionFacts;
  /** The viewer's clock at the first event: equal to the engine's unless the player says when it sent. */
  startedAt: number;
  exactStart: boolean;
  end: SessionTruth['end'];
};

export const sessionKey = (session: string, video: string): string => `${session}/${video}`;

/** What reached the engine of one viewing: places of events, ascending, and the videos whose length no beacon told. */
export type Delivered = { indexes: readonly number[]; untold?: ReadonlySet<string> };

/** Expected sessions, by sessionKey, if exactly these events arrive (in any order the plan allows); all prompt ones by default. */
export function expectedSessions(
  plans: readonly DeliveryPlan[],
  deliveredOf: (plan: DeliveryPlan) => Delivered = (plan) => ({ indexes: plan.promptIndexes }),
): Map<string, ExpectedSession> {
  const expected = new Map<string, ExpectedSession>();
  for (const plan of plans) {
    const { viewing } = plan;
    const { indexes, untold } = deliveredOf(plan);
    const whole = indexes.length === viewing.events.length;
    const exactStart = plan.deliveries.every((delivery) => delivery.beacon.sentAt === undefined);
    for (const truth of whole ? viewing.truths : observe(viewing, indexes, untold)) {
      const { startedAt, end } = truth;
      expected.set(sessionKey(truth.session, truth.video), { facts: factsOf(truth), startedAt, exactStart, end });
    }
  }
  return expected;
}

/** A truth in the terms that are compared. */
export function factsOf(truth: SessionTruth): SessionFacts {
  const { end: _end, events, startedAt, endedAt, sections, ...figures } = truth;
  return {
    ...figures,
    received: events,
    spanMs: endedAt - startedAt,
    sections: sections.map((section) => ({ ...section, startedAt: section.startedAt - startedAt })),
    errors: sortErrors(truth.errors),
    customEvents: truth.customEvents.map((event) => ({ ...event, at: event.at - startedAt })),
  };
}

export const sortErrors = (errors: SessionTruth['errors']): SessionTruth['errors'] =>
  [...errors].sort((a, b) => (a.code < b.code ? -1 : a.code > b.code ? 1 : Number(a.fatal) - Number(b.fatal)));

/** Event copies of prompt deliveries beyond the first: what the duplicate counters must add up to. */
export function expectedDuplicates(plans: readonly DeliveryPlan[]): number {
  let copies = 0;
  for (const plan of plans) for (const delivery of plan.deliveries) if (delivery.copy > 0) copies += delivery.eventIndexes.length;
  return copies;
}

/** Numbers that never came although a higher one of their stream did. */
export function expectedLost(plans: readonly DeliveryPlan[]): number {
  let lost = 0;
  for (const { promptIndexes, lostIndexes } of plans) {
    const highest = promptIndexes.at(-1) ?? -1;
    lost += lostIndexes.filter((index) => index < highest).length;
  }
  return lost;
}

/** Says in which figures of which session the engine differs from the truth; empty = equal to the millisecond. */
export function differences(expected: ReadonlyMap<string, ExpectedSession>, actual: ReadonlyMap<string, SessionFacts>): string[] {
  const found: string[] = [];
  for (const [key, { facts }] of expected) {
    const got = actual.get(key);
    if (!got) found.push(`${key}: missing`);
    else found.push(...differencesOf(key, facts, got));
  }
  for (const key of actual.keys()) if (!expected.has(key)) found.push(`${key}: not expected`);
  return found;
}

function differencesOf(key: string, facts: SessionFacts, got: SessionFacts): string[] {
  const found: string[] = [];
  for (const name of Object.keys(facts) as (keyof SessionFacts)[]) {
    try {
      assert.deepEqual(got[name], facts[name]);
    } catch {
      found.push(`${key}: ${name} is ${JSON.stringify(got[name])}, must be ${JSON.stringify(facts[name])}`);
    }
  }
  return found;
}
