// The timer wheel against a plain list: the same entries come due at the same time (SPEC.md, C2).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createWheel, type Timed, takeDue, watch } from '../../../../processor/core/wheel.ts';

type Entry = Timed & { name: number; deadline: number };

const command = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), name: fc.nat(9), inMs: fc.integer({ min: -500, max: 9_000 }) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 4_000 }) }),
);

describe('wheel (C2)', () => {
  it('gives out exactly what is due, however deadlines move', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), fc.nat(3_000), (commands, startAt) => {
        const wheel = createWheel(startAt);
        const live = new Map<number, Entry>();
        let now = startAt;
        for (const each of commands) {
          if (each.kind === 'set') {
            const entry = live.get(each.name) ?? { name: each.name, deadline: 0, timerAt: -1 };
            // Log-active time begins at 0; -1 is the wheel's word for nothing.
            entry.deadline = Math.max(0, now + each.inMs);
            live.set(each.name, entry);
            watch(wheel, entry, entry.deadline);
            continue;
          }
          now += each.ms;
          const expected = [...live.values()].filter((entry) => entry.deadline <= now).map(({ name }) => name);
          const due = takeDue(wheel, now, (entry: Entry) => entry.deadline).map(({ name }) => name);
          for (const name of due) live.delete(name);
          assert.deepEqual(due.sort(), expected.sort());
        }
      }),
    );
  });
});
