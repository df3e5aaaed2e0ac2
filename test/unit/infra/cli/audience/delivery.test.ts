// A plan loses, repeats and delays exactly what it says.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SHORT_VIDEOS } from '../../../../../infra/cli/audience/catalog.ts';
import { type DeliveryOptions, type DeliveryPlan, planDelivery } from '../../../../../infra/cli/audience/delivery.ts';
import { createViewing } from '../../../../../infra/cli/audience/viewing.ts';

const STARTS_AT = 1_764_000_000_000;

function plans(options: DeliveryOptions): DeliveryPlan[] {
  return Array.from({ length: 200 }, (_, seed) =>
    planDelivery(createViewing({ seed, startsAt: STARTS_AT, videos: SHORT_VIDEOS, unnumberedShare: 0.1 }), options),
  );
}

const numberOf = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('audience delivery', () => {
  it('sends every event once, in order, when nothing goes wrong', () => {
    for (const plan of plans({ speed: 1 })) {
      const sent = plan.deliveries.flatMap((delivery) => delivery.eventIndexes);
      assert.deepEqual(
        [...sent].sort((a, b) => a - b),
        numberOf(plan.viewing.events.length),
      );
      assert.equal(plan.held.length + plan.lostIndexes.length, 0);
    }
  });

  it('accounts for every event: prompt, late or lost', () => {
    for (const plan of plans({ speed: 60, duplicates: 0.3, disorder: 0.3, loss: 0.1, late: 0.1 })) {
      const all = [...plan.promptIndexes, ...plan.lateIndexes, ...plan.lostIndexes].sort((a, b) => a - b);
      assert.deepEqual(all, numberOf(plan.viewing.events.length));
    }
  });

  it('names the video in each beacon and keeps beacons to one video and 12 events', () => {
    for (const plan of plans({ speed: 60, duplicates: 0.3 })) {
      for (const { beacon, eventIndexes } of plan.deliveries) {
        assert.ok(beacon.events.length > 0 && beacon.events.length <= 12);
        assert.deepEqual(
          beacon.events,
          eventIndexes.map((index) => plan.viewing.events[index]?.event),
        );
        for (const index of eventIndexes) assert.equal(plan.viewing.events[index]?.video, beacon.video.id);
      }
    }
  });

  it('keeps the order of players that do not number their events', () => {
    for (const plan of plans({ speed: 60, duplicates: 0.3, disorder: 0.5 })) {
      if (plan.viewing.events[0]?.event.seq !== undefined) continue;
      const firsts = plan.deliveries.filter((delivery) => delivery.copy === 0).flatMap((delivery) => delivery.eventIndexes);
      assert.deepEqual(firsts, numberOf(plan.viewing.events.length));
    }
  });

  it('is a function of viewing and options', () => {
    const options = { speed: 60, duplicates: 0.3, disorder: 0.3, loss: 0.1, late: 0.1 };
    assert.deepEqual(plans(options), plans(options));
  });
});
