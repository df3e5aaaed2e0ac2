import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type AssignorMember, assignSticky, decodeHeld, encodeHeld } from '../../../infra/runtime/sticky-assignor.ts';

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** A group in any state that rebalances can leave: each partition held by one member, by one that is gone, or by nobody. */
const groups = fc
  .record({ members: fc.integer({ min: 1, max: 12 }), partitions: fc.integer({ min: 1, max: 70 }) })
  .chain(({ members, partitions }) =>
    fc.array(fc.integer({ min: 0, max: members + 2 }), { minLength: partitions, maxLength: partitions }).map((owners) => ({
      partitions: range(partitions),
      members: range(members).map((index): AssignorMember => {
        const held = owners.flatMap((owner, partition) => (owner === index ? [partition] : []));
        return { id: `m${index}`, held: { generation: 1, partitions: held } };
      }),
    })),
  );

/** Any claims at all: partitions claimed by several members, unknown partitions, members without a report. */
const claims = fc.record({
  partitions: fc.integer({ min: 0, max: 40 }).map(range),
  members: fc
    .array(
      fc.option(fc.record({ generation: fc.integer({ min: 0, max: 3 }), partitions: fc.uniqueArray(fc.nat({ max: 45 })) }), {
        nil: undefined,
      }),
      { minLength: 1, maxLength: 9 },
    )
    .map((reports) => reports.map((held, index): AssignorMember => ({ id: `m${index}`, held }))),
});

const sharesOf = (assignment: ReadonlyMap<string, readonly number[]>): number[][] => [...assignment.values()].map((share) => [...share]);

describe('sticky assignor (K14)', () => {
  it('each partition has exactly one owner, whatever the members claim', () => {
    fc.assert(
      fc.property(claims, ({ members, partitions }) => {
        const assignment = assignSticky(members, partitions);
        assert.deepEqual([...assignment.keys()].sort(), members.map(({ id }) => id).sort());
        const owned = sharesOf(assignment).flat();
        assert.deepEqual(
          owned.sort((a, b) => a - b),
          partitions,
        );
      }),
    );
  });

  it('shares differ by at most one', () => {
    fc.assert(
      fc.property(claims, ({ members, partitions }) => {
        const sizes = sharesOf(assignSticky(members, partitions)).map((share) => share.length);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, sizes.join());
      }),
    );
  });

  it('as many partitions stay as even shares allow', () => {
    fc.assert(
      fc.property(groups, ({ members, partitions }) => {
        const assignment = assignSticky(members, partitions);
        const holds = members.map(({ held }) => held?.partitions ?? []);
        const kept = members.map(
          ({ id }, index) => assignment.get(id)?.filter((partition) => holds[index]?.includes(partition)).length ?? 0,
        );
        const base = Math.floor(partitions.length / members.length);
        const larger = partitions.length % members.length;
        const most = holds.reduce((sum, held) => sum + Math.min(held.length, base), 0);
        const extra = Math.min(larger, holds.filter((held) => held.length > base).length);
        assert.equal(
          kept.reduce((sum, count) => sum + count, 0),
          most + extra,
        );
      }),
    );
  });

  it('an even group is left as it is', () => {
    fc.assert(
      fc.property(groups, ({ members, partitions }) => {
        const first = assignSticky(members, partitions);
        const again = members.map(({ id }): AssignorMember => ({ id, held: { generation: 2, partitions: first.get(id) ?? [] } }));
        assert.deepEqual(assignSticky(again, partitions), first);
      }),
    );
  });

  it('the order in which the members are named does not matter', () => {
    fc.assert(
      fc.property(claims, ({ members, partitions }) => {
        assert.deepEqual(assignSticky([...members].reverse(), partitions), assignSticky(members, partitions));
      }),
    );
  });

  it('of two claims the newer generation wins', () => {
    const zombie = { id: 'a', held: { generation: 4, partitions: [0, 1] } };
    const owner = { id: 'b', held: { generation: 5, partitions: [0, 1] } };
    const newcomer = { id: 'c', held: undefined };
    assert.deepEqual(assignSticky([zombie, owner, newcomer], [0, 1, 2, 3, 4, 5]).get('b'), [0, 1]);
  });

  it('without members nobody owns anything', () => {
    assert.equal(assignSticky([], [0, 1]).size, 0);
  });
});

describe('what a member holds, as user data', () => {
  it('round-trips', () => {
    const reports = fc.record(
      { generation: fc.integer({ min: -1, max: 2 ** 31 - 1 }), partitions: fc.array(fc.nat()) },
      { noNullPrototype: true },
    );
    fc.assert(fc.property(reports, (held) => assert.deepEqual(decodeHeld(encodeHeld(held)), held)));
  });

  it('foreign bytes give undefined, never an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const held = decodeHeld(Buffer.from(bytes));
        if (held !== undefined) assert.deepEqual(encodeHeld(held), Buffer.from(bytes));
      }),
    );
    const bytes = encodeHeld({ generation: 1, partitions: [1, 2] });
    assert.equal(decodeHeld(bytes.subarray(0, bytes.length - 1)), undefined);
  });
});
