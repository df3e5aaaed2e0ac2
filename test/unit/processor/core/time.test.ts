// Log time (SPEC.md, V9, A4).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createPartition } from '../../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT, settingOf } from '../../../../processor/core/settings.ts';
import { advanceLogTime } from '../../../../processor/core/time.ts';

describe('log time (V9, A4)', () => {
  it('stream time never goes back and one step adds no more than the cap', () => {
    const instant = fc.oneof(
      fc.integer({ min: -10, max: 100_000 }),
      fc.constantFrom(Number.NaN, -1, 2 ** 53, 0.5, Number.POSITIVE_INFINITY),
    );
    fc.assert(
      fc.property(fc.array(instant), (instants) => {
        const state = createPartition(FOLD_SETTINGS_DEFAULT);
        for (const appendAt of instants) {
          const { streamTime, activeTime } = state;
          advanceLogTime(state, appendAt);
          assert.ok(state.streamTime >= streamTime);
          assert.ok(state.activeTime >= activeTime && state.activeTime - activeTime <= FOLD_SETTINGS_DEFAULT.stepCapMs);
        }
      }),
    );
  });
});

describe('settings by place (A5)', () => {
  it('the most specific place that sets a value wins', () => {
    const unset = { idleGapMs: -1, leaveLingerMs: -1, endedLingerMs: -1, graceMs: -1, ageMaxMs: -1, backdateMaxMs: -1 };
    const overrides = new Map([
      [
        '',
        new Map([
          ['', { ...unset, graceMs: 1, ageMaxMs: 1 }],
          ['cmcd', { ...unset, graceMs: 2 }],
        ]),
      ],
      [
        'demo',
        new Map([
          ['', { ...unset, graceMs: 3 }],
          ['cmcd', { ...unset, graceMs: 4 }],
        ]),
      ],
    ]);
    const source = { settings: FOLD_SETTINGS_DEFAULT, overrides };
    const graces = [
      settingOf(source, 'graceMs', 'x', 'y'),
      settingOf(source, 'graceMs', 'x', 'cmcd'),
      settingOf(source, 'graceMs', 'demo', 'y'),
      settingOf(source, 'graceMs', 'demo', 'cmcd'),
    ];
    assert.deepEqual(graces, [1, 2, 3, 4]);
    assert.equal(settingOf(source, 'ageMaxMs', 'demo', 'cmcd'), 1);
    assert.equal(settingOf(source, 'idleGapMs', 'demo', 'cmcd'), FOLD_SETTINGS_DEFAULT.idleGapMs);
  });
});
