// The assertions themselves: each must notice a state that breaks its rule (SPEC.md, V1, V2, V3, V9 to V13).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertOutputs, assertPart, assertPartition } from '../../../../processor/core/invariants.ts';
import type { Output } from '../../../../processor/core/outputs.ts';
import type { PartitionState } from '../../../../processor/core/partition.ts';
import type { SessionPart } from '../../../../schemas/session.ts';
import { timeline } from '../../../support/scenario.ts';

function sealed(): { part: SessionPart; outputs: Output[] } {
  const { outputs } = timeline(`
    0s   playing@0 context.durationMs=20000 |
    5s   leave@5000    |
    25s                | sealed leave
  `);
  const [output] = structuredClone(outputs);
  if (output?.kind !== 'sealed') assert.fail('not sealed');
  return { part: output.part, outputs: [output] };
}

const open = (): PartitionState =>
  timeline(`
    0s   playing@0         |
    5s   heartbeat@5000    |
    6s   heartbeat@6000#4  |
  `).state;

const breaks = (number: string, run: () => void): void =>
  assert.throws(run, (thrown: Error) => thrown.message.startsWith(`${number}:`) && 'code' in thrown);

describe('assertions notice', () => {
  it('a section out of bounds or empty (V1)', () => {
    const { part } = sealed();
    const [section] = part.sections;
    if (section === undefined) assert.fail('no section');
    breaks('V1', () => assertPart({ ...part, sections: [{ ...section, toMs: 20_001 }] }));
    breaks('V1', () => assertPart({ ...part, sections: [{ ...section, toMs: section.fromMs }] }));
    breaks('V1', () => assertPart({ ...part, sections: [{ ...section, fromMs: -1 }] }));
  });

  it('more unique than total, or more than was played (V2, V3)', () => {
    const { part } = sealed();
    breaks('V3', () => assertPart({ ...part, uniqueWatchMs: part.totalWatchMs + 1 }));
    breaks('V3', () => assertPart({ ...part, endedAt: part.startedAt - 1 }));
    const state = open();
    const session = [...state.streams.values()][0]?.sessions[0];
    if (session === undefined) assert.fail('none open');
    session.openToMs = 500_000;
    breaks('V3', () => assertPartition(state));
  });

  it('a figure that is neither 0 nor 1, a negative count (V10, V13)', () => {
    const { part } = sealed();
    breaks('V10', () => assertPart({ ...part, plays: 2 }));
    breaks('V13', () => assertPart({ ...part, lost: -1 }));
  });

  it('a number left out, a part sealed twice (V11, V12)', () => {
    const { outputs } = sealed();
    assertOutputs(0, outputs);
    breaks('V12', () => assertOutputs(1, outputs));
    breaks('V11', () => assertOutputs(0, [...outputs, { ...(outputs[0] as Output), emissionSeq: 2 }]));
  });

  it('an event unaccounted for, clocks below zero, an entry looked at too late (A2, V9)', () => {
    const missing = open();
    missing.ledger.folded--;
    breaks('A2', () => assertPartition(missing));
    const back = open();
    back.activeTime = -1;
    breaks('V9', () => assertPartition(back));
    const late = open();
    for (const stream of late.streams.values()) stream.timerAt = Number.MAX_SAFE_INTEGER;
    breaks('V9', () => assertPartition(late));
  });
});
