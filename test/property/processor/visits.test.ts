// Visits under any hits: every hit in one visit, no visit shorter than nothing, the same rows however the log is cut (SPEC.md, VS1 to VS11, V6, V7).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assertOutputs, assertPartition } from '../../../processor/core/invariants.ts';
import type { Output } from '../../../processor/core/outputs.ts';
import { createPartition, emissionSeq, type FoldRecord, ledger, type PartitionState, step } from '../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../processor/core/settings.ts';
import { HIT_KINDS, visitStampText } from '../../../schemas/visits.ts';
import { type Arrival, logFrom } from '../../support/arbitraries.ts';
import { context, EPOCH, type EventSpec } from '../../support/records.ts';
import { bytesOf, restoreFrom, stateText as textOf } from '../../support/state-bytes.ts';

const SETTINGS = { ...FOLD_SETTINGS_DEFAULT, idleGapMs: 60_000, endedLingerMs: 30_000, tombstoneMs: 200_000 };
const RUNS = 120;

/** Hits of up to two visitors, late by up to two minutes, with what splits visits turning up often. */
const hits: fc.Arbitrary<Arrival[]> = fc
  .array(
    fc.record({
      session: fc.constantFrom('alice', 'bob'),
      stepMs: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 9_000 }) }, { weight: 1, arbitrary: fc.constant(70_000) }),
      lateMs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 120_000 }) }),
      kind: fc.constantFrom(...HIT_KINDS),
      order: fc.constantFrom('', '', '', 'start', 'end'),
      interactive: fc.boolean(),
      source: fc.constantFrom('', '', 'a', 'b'),
      video: fc.constantFrom('', '', 'film', 'clip'),
      meta: fc.constantFrom('', '{"cd1":"x"}', '{"cd1":"y","cd2":"z"}'),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((steps) => {
    let atMs = 0;
    return steps.map(({ session, stepMs, lateMs, video, meta, ...said }, i): Arrival => {
      atMs += stepMs;
      const at = Math.max(0, atMs - lateMs);
      const stamp = visitStampText({ ...said, order: said.order as '', day: atMs < 150_000 ? '2026-11-22' : '2026-11-23', nonce: `n${i}` });
      const event: EventSpec =
        video === ''
          ? { type: 'custom', seq: -1, detail: { code: stamp, name: said.kind === 'page' ? 'pageview' : 'event' } }
          : { type: i % 3 === 0 ? 'playing' : 'heartbeat', seq: -1, positionMs: i * 1_000, detail: { name: stamp } };
      const known = context({ source: said.source, meta });
      const beacon = { session, video, protocol: 'ga' as const, receivedAt: EPOCH + atMs, sentAt: -1, baseAt: EPOCH + at, context: known };
      return { atMs, beacon: { ...beacon, events: [event] } };
    });
  });

function fold(records: readonly FoldRecord[], state: PartitionState = createPartition(SETTINGS)) {
  const outputs: Output[] = [];
  for (const record of records) {
    const before = emissionSeq(state);
    const made = step(state, record);
    assertOutputs(before, made);
    assertPartition(state);
    outputs.push(...made);
  }
  return { state, outputs };
}

const logOf = (arrivals: readonly Arrival[]): FoldRecord[] => logFrom(arrivals, Math.max(0, ...arrivals.map(({ atMs }) => atMs)) + 200_000);

describe('visits of any hits', () => {
  it('every hit is in one visit, and every visit is as long as its hits say (VS1, A2)', () => {
    fc.assert(
      fc.property(hits, (arrivals) => {
        const { state, outputs } = fold(logOf(arrivals));
        const parts = outputs.flatMap((output) => (output.kind === 'sealed' ? [output.part] : []));
        const sent = arrivals.filter(({ beacon }) => beacon.video === '').length;
        const visits = parts.filter(({ video }) => video === '');
        assert.equal(outputs.filter(({ kind }) => kind === 'custom').length, sent);
        assert.equal(
          visits.reduce((sum, { received }) => sum + received, 0),
          sent,
        );
        assert.equal(ledger(state).folded + ledger(state).late, arrivals.length);
        const ids = new Set(visits.map(({ session }) => session));
        for (const output of outputs) if (output.kind === 'custom') assert.ok(ids.has(output.session));
        const first = visits.filter(({ part }) => part === 0);
        assert.equal(first.length, ids.size, 'one part 0 for each visit');
        for (const part of parts) assert.ok(part.endedAt >= part.startedAt);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });

  it('a restore anywhere, through bytes, goes on byte by byte (V6, V7)', () => {
    fc.assert(
      fc.property(hits, fc.nat(), (arrivals, place) => {
        const records = logOf(arrivals);
        const cut = place % records.length;
        const straight = fold(records);
        const head = fold(records.slice(0, cut));
        const restored = restoreFrom(bytesOf(head.state), SETTINGS);
        assert.equal(textOf(restored), textOf(head.state));
        const tail = fold(records.slice(cut), restored);
        assert.deepEqual([...head.outputs, ...tail.outputs], straight.outputs);
        assert.equal(textOf(tail.state), textOf(straight.state));
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  });

  it('a snapshot of a version that knew no visits is read as it was (V7)', () => {
    const { state } = fold(logFrom([{ atMs: 0, beacon: { events: [{ type: 'playing', seq: 0, positionMs: 0 }] } }], 5_000));
    const bytes = bytesOf(state);
    assert.equal(bytes.at(-1), 0, 'ends with the empty list of visits');
    const restored = restoreFrom(bytes.subarray(0, -1), SETTINGS);
    assert.equal(textOf(restored), textOf(state));
    assert.equal(restored.streams.size, 1);
  });
});
