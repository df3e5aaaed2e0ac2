// The fold is a function of the log: copies, order, cuts and restores change nothing that they should not (SPEC.md, V4 to V7, V11, V12).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assertOutputs, assertPartition } from '../../../processor/core/invariants.ts';
import type { Output } from '../../../processor/core/outputs.ts';
import {
  createPartition,
  emissionSeq,
  type FoldRecord,
  ledger,
  type PartitionState,
  step,
  takeChanged,
} from '../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../processor/core/settings.ts';
import type { SessionPart } from '../../../schemas/session.ts';
import { type Arrival, arrivalsOf, logFrom, wildLog } from '../../support/arbitraries.ts';
import { bytesOf, restoreFrom, stateText as textOf } from '../../support/state-bytes.ts';

/** Shorter waits than the defaults, so that a log needs fewer ticks. */
const SETTINGS = { ...FOLD_SETTINGS_DEFAULT, idleGapMs: 120_000, endedLingerMs: 60_000, tombstoneMs: 400_000 };
/** Where events are delayed, the linger after a leave must outlast the delay: what comes after the seal is a supplement in any order. */
const PATIENT = { ...SETTINGS, leaveLingerMs: 60_000 };
const RUNS = 160;

type Folded = { state: PartitionState; outputs: Output[] };

function fold(records: readonly FoldRecord[], state = createPartition(SETTINGS)): Folded {
  const outputs: Output[] = [];
  for (const record of records) {
    const before = emissionSeq(state);
    const made = step(state, record);
    assertOutputs(before, made);
    outputs.push(...made);
  }
  assertPartition(state);
  return { state, outputs };
}

const partsOf = (outputs: readonly Output[]): SessionPart[] => outputs.flatMap((output) => (output.kind === 'sealed' ? [output.part] : []));
const sortParts = (parts: readonly SessionPart[]): string[] => parts.map((part) => JSON.stringify(part)).sort();

/** The beacon at another door, each of its events moved by less than a second so that no two have one time. */
const stampedAs = (protocol: 'mave', beacon: Arrival['beacon'], moveMs: () => number): Arrival['beacon'] => ({
  ...beacon,
  protocol,
  events: (beacon.events ?? []).map((event) => ({ ...event, at: (event.at ?? 0) * 1 + moveMs() })),
});

/** Two client sessions, one of them with two videos. */
const crowd = fc.tuple(arrivalsOf('alice'), arrivalsOf('bob'), arrivalsOf('carol', 'other')).map((all) => all.flat());

/** Arrivals that come up to `delayMaxMs` late, each by its own delay, seal the same parts as those in time. */
function assertOrderDoesNotMatter(crowds: fc.Arbitrary<Arrival[]>, delayMaxMs: number): void {
  const shuffled = crowds.chain((arrivals) =>
    fc.tuple(
      fc.constant(arrivals),
      fc.array(fc.integer({ min: 0, max: delayMaxMs }), { minLength: arrivals.length, maxLength: arrivals.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, ([arrivals, delays]) => {
      const late = arrivals.map((arrival, i) => ({ ...arrival, atMs: arrival.atMs + (delays[i] as number) }));
      const straight = partsOf(fold(logFrom(arrivals), createPartition(PATIENT)).outputs);
      const moved = partsOf(fold(logFrom(late), createPartition(PATIENT)).outputs);
      assert.deepEqual(sortParts(moved), sortParts(straight));
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
}

describe('determinism', () => {
  it('any arrival order within grace seals the same sessions (V5)', () => {
    assertOrderDoesNotMatter(crowd, 4_500);
  });

  it('any arrival order within grace seals the same sessions where events have only client times (V5)', () => {
    let next = 0;
    const stamped = fc
      .tuple(arrivalsOf('alice', 'intro', false), arrivalsOf('bob', 'intro', false), arrivalsOf('bob', 'other', false))
      .map((all) => all.flat().map(({ atMs, beacon }): Arrival => ({ atMs, beacon: stampedAs('mave', beacon, () => next++ % 1_000) })));
    assertOrderDoesNotMatter(stamped, 3_500);
  });

  it('the same beacon again changes nothing but the duplicate count (V4)', () => {
    const copied = crowd.chain((arrivals) =>
      fc.tuple(
        fc.constant(arrivals),
        fc.array(fc.record({ index: fc.nat(arrivals.length - 1), laterMs: fc.integer({ min: 0, max: 60_000 }) }), { maxLength: 10 }),
      ),
    );
    const without = ({ duplicates: _, ...part }: SessionPart): object => part;
    fc.assert(
      fc.property(copied, ([arrivals, copies]) => {
        const again = copies.map(({ index, laterMs }): Arrival => {
          const arrival = arrivals[index] as Arrival;
          return { ...arrival, atMs: arrival.atMs + laterMs };
        });
        const straight = fold(logFrom(arrivals));
        const doubled = fold(logFrom([...arrivals, ...again]));
        assert.deepEqual(
          partsOf(doubled.outputs)
            .map((part) => JSON.stringify(without(part)))
            .sort(),
          partsOf(straight.outputs)
            .map((part) => JSON.stringify(without(part)))
            .sort(),
        );
        const copiedEvents = again.reduce((sum, { beacon }) => sum + (beacon.events?.length ?? 0), 0);
        assert.equal(ledger(doubled.state).duplicates - ledger(straight.state).duplicates, copiedEvents);
        const counted = doubled.outputs.reduce(
          (sum, output) => sum + (output.kind === 'sealed' ? output.part.duplicates : output.kind === 'duplicate' ? output.duplicates : 0),
          0,
        );
        assert.equal(counted, ledger(doubled.state).duplicates);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });

  it('cutting, and taking provisional figures, changes no emission (V6)', () => {
    fc.assert(
      fc.property(crowd, fc.array(fc.nat(50)), (arrivals, cuts) => {
        const records = logFrom(arrivals);
        const straight = fold(records);
        const state = createPartition(SETTINGS);
        const outputs = records.flatMap((record, i) => {
          if (cuts.includes(i % 51)) takeChanged(state, i % 7);
          return step(state, record);
        });
        assert.deepEqual(outputs, straight.outputs);
        assert.equal(textOf(state), textOf(straight.state));
      }),
      { numRuns: RUNS / 4, endOnFailure: true },
    );
  });

  it('a restore anywhere goes on byte by byte, whatever the log (V7, V11, C2)', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          crowd.map((arrivals) => logFrom(arrivals)),
          wildLog,
        ),
        fc.array(fc.nat(60), { maxLength: 3 }),
        (records, places) => {
          const straight = fold(records);
          let state = createPartition(SETTINGS);
          const outputs: Output[] = [];
          records.forEach((record, i) => {
            if (places.includes(i)) {
              const before = textOf(state);
              state = restoreFrom(bytesOf(state), SETTINGS);
              assert.equal(textOf(state), before);
              assertPartition(state);
            }
            outputs.push(...step(state, record));
          });
          assert.equal(JSON.stringify(outputs), JSON.stringify(straight.outputs));
          assert.equal(textOf(state), textOf(straight.state));
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    );
  });

  it('never throws, numbers emissions densely and keeps the balance on any log (C3, V12, V13, A2, A4, A5)', () => {
    fc.assert(
      fc.property(wildLog, (records) => {
        const state = createPartition({
          ...SETTINGS,
          pendingEventsMax: 3,
          holesMax: 2,
          sectionsMax: 4,
          openSessionsMax: 5,
          tombstonesMax: 5,
          partsMax: 3,
          errorsMax: 2,
        });
        for (const record of records) {
          const before = emissionSeq(state);
          assertOutputs(before, step(state, record));
          assertPartition(state);
          takeChanged(state, 2);
        }
      }),
      { numRuns: RUNS * 5, endOnFailure: true },
    );
  });

  it('once-only figures never add up to more than one over all parts of a session (V10, V8)', () => {
    const late = fc.tuple(arrivalsOf('alice'), fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 30, maxLength: 30 }));
    fc.assert(
      fc.property(late, ([arrivals, delays]) => {
        const spread = arrivals.map((arrival, i) => ({ ...arrival, atMs: arrival.atMs + (delays[i] as number) }));
        const parts = partsOf(fold(logFrom(spread, 900_000)).outputs);
        for (const figure of ['attempts', 'plays', 'completions', 'startFailures', 'playbackFailures', 'exitsBeforeStart'] as const) {
          assert.ok(parts.reduce((sum, part) => sum + part[figure], 0) <= 1, figure);
        }
        assert.deepEqual(
          parts.map(({ part }) => part).sort((a, b) => a - b),
          parts.map((_, i) => i),
        );
        assert.equal(new Set(parts.map(({ startedAt }) => startedAt)).size, 1);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });

  it('the same log gives the same emissions and the same state text (V6, C2)', () => {
    fc.assert(
      fc.property(
        fc.tuple(arrivalsOf('alice', 'intro', false), arrivalsOf('bob')).map((all) => logFrom(all.flat())),
        (records) => {
          const once = fold(records);
          const twice = fold(structuredClone(records));
          assert.equal(JSON.stringify(once.outputs), JSON.stringify(twice.outputs));
          assert.equal(textOf(once.state), textOf(twice.state));
        },
      ),
      { numRuns: RUNS / 4, endOnFailure: true },
    );
  });
});
