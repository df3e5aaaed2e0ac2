// The generator tells a consistent truth: the figures of a viewing agree with each other and with what it reports.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SHORT_VIDEOS } from '../../../../../infra/cli/audience/catalog.ts';
import type { SessionTruth } from '../../../../../infra/cli/audience/truth.ts';
import { createViewing, type Viewing } from '../../../../../infra/cli/audience/viewing.ts';

const STARTS_AT = 1_764_000_000_000;
const SEEDS = 400;

function viewings(): Viewing[] {
  return Array.from({ length: SEEDS }, (_, seed) => createViewing({ seed, startsAt: STARTS_AT, videos: SHORT_VIDEOS }));
}

function eachTruth(check: (truth: SessionTruth, viewing: Viewing, durationMs: number) => void): void {
  for (const viewing of viewings()) {
    for (const truth of viewing.truths) {
      check(truth, viewing, SHORT_VIDEOS.find((video) => video.id === truth.video)?.durationMs as number);
    }
  }
}

describe('audience viewing', () => {
  it('is a function of its seed', () => {
    assert.deepEqual(viewings(), viewings());
    const [a, b] = viewings();
    assert.notEqual(a?.viewer.session, b?.viewer.session);
  });

  it('numbers events from 0 without holes and never goes back in time', () => {
    for (const viewing of viewings()) {
      let before = STARTS_AT;
      viewing.events.forEach(({ event }, index) => {
        assert.equal(event.seq, index);
        assert.ok(event.at >= before && Number.isInteger(event.at));
        before = event.at;
      });
      assert.ok(viewing.endsAt >= before);
    }
  });

  it('plays sections inside the video, in order, not empty (V1)', () => {
    eachTruth((truth, _, durationMs) => {
      let playedUntil = 0;
      for (const section of truth.sections) {
        assert.ok(section.fromMs >= 0 && section.fromMs < section.toMs && section.toMs <= durationMs);
        assert.ok(section.startedAt >= playedUntil, 'a section begins after the one before it was played');
        playedUntil = section.startedAt + Math.floor(((section.toMs - section.fromMs) * 1000) / section.rateMilli);
        assert.ok(playedUntil <= truth.endedAt + 1);
      }
    });
  });

  it('keeps a run exactly while play is contiguous', () => {
    eachTruth((truth) => {
      truth.sections.forEach((section, index) => {
        const before = truth.sections[index - 1];
        if (before) assert.equal(section.run === before.run, section.fromMs === before.toMs);
      });
    });
  });

  it('has watch times that agree: unique <= total <= elapsed x highest rate (V3)', () => {
    eachTruth((truth, _, durationMs) => {
      assert.ok(truth.uniqueWatchMs <= truth.totalWatchMs && truth.uniqueWatchMs <= durationMs);
      assert.ok(truth.totalWatchMs <= (truth.endedAt - truth.startedAt) * 2);
      assert.equal(
        truth.totalWatchMs,
        truth.sections.reduce((sum, section) => sum + section.toMs - section.fromMs, 0),
      );
      assert.ok(truth.bitrateKnownMs <= truth.totalWatchMs);
    });
  });

  it('has outcomes that exclude each other', () => {
    eachTruth((truth) => {
      assert.equal(truth.attempts, 1);
      assert.equal(truth.plays + truth.startFailures + truth.exitsBeforeStart, 1);
      if (truth.plays === 0) assert.equal(truth.totalWatchMs + truth.stalls + truth.playbackFailures, 0);
      if (truth.startupMs >= 0) assert.equal(truth.plays, 1);
    });
  });

  it('shows every kind of behaviour', () => {
    const all = viewings().flatMap((viewing) => viewing.truths);
    const some = (test: (truth: SessionTruth) => boolean): void => assert.ok(all.some(test), String(test));
    some((truth) => truth.uniqueWatchMs < truth.totalWatchMs);
    some((truth) => truth.stalls > 0);
    some((truth) => truth.completions === 1);
    some((truth) => truth.startFailures === 1);
    some((truth) => truth.playbackFailures === 1);
    some((truth) => truth.exitsBeforeStart === 1);
    some((truth) => truth.switchesUp > 0 && truth.switchesDown > 0);
    some((truth) => truth.customEvents.length > 0);
    some((truth) => truth.end === 'silent');
    some((truth) => truth.end === 'leave');
    some((truth) => truth.end === 'ended');
    assert.ok(viewings().some((viewing) => viewing.truths.length > 1));
    const types = new Set(viewings().flatMap((viewing) => viewing.events.map(({ event }) => event.type)));
    assert.equal(types.size, 17, 'all event types of the contract');
  });
});
