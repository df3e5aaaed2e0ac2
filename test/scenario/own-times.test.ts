// Custom events of doors without sessions (SPEC.md E17): each keeps its own time, equal ones count each, a record written twice once.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countedDraft } from '../../ingest/core/protocols/analytics-engine.ts';
import { createEventStreams } from '../../ingest/event-streams.ts';
import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, step } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import { UNKNOWN_CONTEXT } from '../../schemas/beacon.ts';
import { recordKey } from '../../schemas/topics.ts';

const NOW = 1_764_000_000_000;
const DAY_MS = 86_400_000;

type Custom = Extract<Output, { kind: 'custom' }>;

/** Folds events as the gateway would put them into the log, each record `copies` times. */
function customsOf(createdAt: readonly number[], copies: number): Custom[] {
  const streams = createEventStreams({ uuid: () => 'a-b', monotonicMs: () => 0 });
  const state = createPartition(FOLD_SETTINGS_DEFAULT);
  const outputs: Output[] = [];
  createdAt.forEach((at, index) => {
    const { id, mark } = streams.next('demo');
    const draft = countedDraft({ name: 'n', createdAt: at, uniqueId: '', type: '', unitFixed: false }, { session: id, mark });
    const { session, video, protocol, sentAt, baseAt, events, rejects, ignoredFields } = draft;
    const envelope = { site: 'demo', session, video, protocol, sentAt, baseAt, events, rejects, ignoredFields };
    const beacon = { ...envelope, receivedAt: NOW + index, context: UNKNOWN_CONTEXT };
    for (let copy = 0; copy < copies; copy++) {
      const offset = index * copies + copy;
      const message = { kind: 'beacon', beacon } as const;
      outputs.push(...step(state, { offset, appendAt: NOW + index, keyText: recordKey('demo', session), message }));
    }
  });
  return outputs.filter((output): output is Custom => output.kind === 'custom');
}

describe('custom events with their own times (E17)', () => {
  it('keep them, in any order and however old', () => {
    const times = [NOW, NOW - 3_000 * DAY_MS, NOW - 1, NOW - 400 * DAY_MS, 5_000, NOW + 500_000];
    assert.deepEqual(
      customsOf(times, 1).map(({ at }) => at),
      times,
    );
  });

  it('are taken at receipt if they are far ahead', () => {
    assert.deepEqual(
      customsOf([NOW, NOW + 601_000, 9e15], 1).map(({ at }) => at),
      [NOW, NOW + 1, NOW + 2],
    );
  });

  it('count each, however equal; what the log holds twice counts once', () => {
    assert.equal(
      customsOf(
        Array.from({ length: 100 }, () => NOW),
        3,
      ).length,
      100,
    );
  });
});
