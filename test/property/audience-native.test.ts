// The gateway's parser reads a simulated audience's beacons as the contract says, checked against a conversion of our own.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planCrowd } from '../../infra/cli/audience/audience.ts';
import { SHORT_VIDEOS } from '../../infra/cli/audience/catalog.ts';
import { readNativeBody } from '../../ingest/core/protocols/native.ts';
import { beaconOf } from '../support/audience-fold.ts';

describe('audience through the native parser', () => {
  it('gives the events, times and context that were sent', () => {
    const plans = planCrowd({
      viewers: 150,
      seed: 'native',
      startsAt: 1_764_000_000_000,
      videos: SHORT_VIDEOS,
      gapMs: 0,
      delivery: { speed: 1 },
      viewing: { unnumberedShare: 0.2 },
    });
    for (const plan of plans) {
      const bodies = plan.deliveries.map((delivery) => delivery.beacon);
      for (const beacon of bodies) {
        const body = JSON.stringify({ key: 'pk_demo', ...beacon });
        const result = readNativeBody(JSON.parse(body), { hashId: () => assert.fail('no id needs a hash'), bodyBytes: body.length });
        assert.ok(result.ok);
        const [draft] = result.drafts;
        assert.ok(draft && result.drafts.length === 1 && result.limits.length === 0);
        const mine = beaconOf(beacon, 0);
        const absolute = (baseAt: number, events: readonly { at: number }[]): unknown =>
          events.map((event) => ({ ...event, at: event.at + baseAt }));
        assert.deepEqual(absolute(draft.baseAt, draft.events), absolute(mine.baseAt, mine.events));
        assert.deepEqual([draft.rejects, draft.ignoredFields], [[], 0]);
        assert.deepEqual([draft.session, draft.video, draft.sentAt], [mine.session, mine.video, mine.sentAt]);
        assert.deepEqual([draft.context.title, draft.context.durationMs], [beacon.video.title ?? '', beacon.video.durationMs ?? -1]);
      }
    }
  });
});
