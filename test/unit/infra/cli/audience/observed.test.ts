// What the delivered events tell agrees with what the player knew, if all of them are delivered.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SHORT_VIDEOS } from '../../../../../infra/cli/audience/catalog.ts';
import { observe } from '../../../../../infra/cli/audience/observed.ts';
import { createViewing } from '../../../../../infra/cli/audience/viewing.ts';

describe('audience as observed', () => {
  it('equals the truth when nothing is lost', () => {
    for (let seed = 0; seed < 600; seed++) {
      const viewing = createViewing({ seed, startsAt: 1_764_000_000_000, videos: SHORT_VIDEOS });
      const all = viewing.events.map((_, index) => index);
      assert.deepEqual(observe(viewing, all), viewing.truths, `seed ${seed}`);
    }
  });

  it('never tells more watch time than there was, whatever is lost, beyond the tolerance', () => {
    for (let seed = 0; seed < 300; seed++) {
      const viewing = createViewing({ seed, startsAt: 1_764_000_000_000, videos: SHORT_VIDEOS });
      const some = viewing.events.map((_, index) => index).filter((index) => (index * 7 + seed) % 5 !== 0);
      for (const truth of observe(viewing, some)) {
        assert.ok(truth.uniqueWatchMs <= truth.totalWatchMs);
        assert.ok(truth.totalWatchMs <= (truth.endedAt - truth.startedAt) * 2.2 + 1_000 * (truth.sections.length + 1));
      }
    }
  });
});
