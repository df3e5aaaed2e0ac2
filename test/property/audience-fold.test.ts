// Simulated viewers with known truth through the fold: every figure of every session equals the truth to the millisecond.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planCrowd } from '../../infra/cli/audience/audience.ts';
import { SHORT_VIDEOS } from '../../infra/cli/audience/catalog.ts';
import type { DeliveryOptions, DeliveryPlan } from '../../infra/cli/audience/delivery.ts';
import type { ViewingOptions } from '../../infra/cli/audience/viewing.ts';
import type { Output } from '../../processor/core/outputs.ts';
import { ledger, type PartitionState } from '../../processor/core/partition.ts';
import { factsOfOutputs, foldLog, logOf } from '../support/audience-fold.ts';
import { differences, expectedDuplicates, expectedLost, expectedSessions } from '../support/oracle.ts';

const STARTS_AT = 1_764_000_000_000;
const VIEWERS = 300;

function crowd(seed: string, delivery: DeliveryOptions, viewing: Partial<ViewingOptions> = {}): DeliveryPlan[] {
  return planCrowd({ viewers: VIEWERS, seed, startsAt: STARTS_AT, videos: SHORT_VIDEOS, gapMs: 0, delivery, viewing });
}

function duplicatesOf(outputs: ReturnType<typeof foldLog>['outputs']): number {
  let duplicates = 0;
  for (const output of outputs) {
    if (output.kind === 'sealed') duplicates += output.part.duplicates;
    if (output.kind === 'duplicate') duplicates += output.duplicates;
  }
  return duplicates;
}

function check(plans: DeliveryPlan[], logStartsAt = STARTS_AT): void {
  const { state, outputs } = foldLog(logOf(plans, logStartsAt));
  const found = differences(expectedSessions(plans), factsOfOutputs(outputs));
  assert.deepEqual(found.slice(0, 20), [], `${found.length} differences`);
  assert.equal(duplicatesOf(outputs), expectedDuplicates(plans));
  assert.equal(sumOf(outputs, 'lost'), expectedLost(plans));
  assert.equal(sumOf(outputs, 'late'), 0);
  balances(state);
}

function sumOf(outputs: readonly Output[], name: 'lost' | 'late' | 'received'): number {
  return outputs.reduce((sum, output) => sum + (output.kind === 'sealed' ? output.part[name] : 0), 0);
}

function balances(state: PartitionState): void {
  const balance = ledger(state);
  assert.equal(balance.eventsInLog, balance.folded + balance.late + balance.dead + balance.duplicates);
  assert.equal(balance.waiting, 0);
}

describe('audience through the fold', () => {
  it('equals the truth when all arrives in order (I3)', () => check(crowd('plain', { speed: 1 })));
  it('equals the truth under duplicates (V4, F24)', () => check(crowd('copies', { speed: 1, duplicates: 0.4 })));
  it('equals the truth under disorder within grace (V5, F25)', () =>
    check(crowd('disorder', { speed: 1, disorder: 0.4, duplicates: 0.2 })));
  it('equals the truth when clocks run fast', () =>
    check(crowd('fast', { speed: 60, disorder: 0.4, duplicates: 0.2 }), STARTS_AT + 7_200_000));
  it('equals the truth of players that do not number their events', () =>
    check(crowd('unnumbered', { speed: 1, duplicates: 0.3 }, { unnumberedShare: 1 })));
  it('equals what the delivered events tell when some never arrive', () =>
    check(crowd('loss', { speed: 1, loss: 0.15, duplicates: 0.2, disorder: 0.3 })));

  it('puts what comes after the seal into supplements and leaves the session as it was (V8, F25)', () => {
    const plans = crowd('late', { speed: 1, late: 0.1, loss: 0.03, duplicates: 0.2 });
    const { state, outputs } = foldLog(logOf(plans, STARTS_AT, { held: true }));
    const facts = factsOfOutputs(outputs);
    const expected = expectedSessions(plans);
    const neverPrompt = new Set([...facts.keys()].filter((key) => !expected.has(key)));
    const found = differences(expected, facts).filter((line) => ![...neverPrompt].some((key) => line.startsWith(key)));
    // Custom events of supplements belong to the session too, so they are compared by their total only.
    assert.deepEqual(found.filter((line) => !line.includes(': customEvents ')).slice(0, 20), []);
    const distinct = plans.reduce((sum, plan) => sum + plan.promptIndexes.length + plan.lateIndexes.length, 0);
    assert.equal(sumOf(outputs, 'received'), distinct);
    const late = plans.reduce((sum, plan) => sum + plan.lateIndexes.length, 0);
    assert.equal(sumOf(outputs, 'late'), late);
    balances(state);
  });
});
