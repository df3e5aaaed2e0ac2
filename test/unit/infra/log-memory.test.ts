import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeLogConformance } from '../../support/log-conformance.ts';
import { createMemoryLog } from '../../support/log-memory.ts';
import { record } from '../../support/log-reader.ts';

describeLogConformance('in-process log', async ({ partitions }) => {
  let now = 1_700_000_000_000;
  const clock = { now: () => (now += 1) };
  const log = createMemoryLog({ partitions, clock, heartbeatIntervalMs: 5, sessionTimeoutMs: 40 });
  return {
    ...log,
    truncate: async (partition, low) => log.truncate(partition, low),
    reportedPosition: async (groupId, partition) => log.reportedPosition(groupId, partition),
    async mortalMember(groupId, instance) {
      const member = log.consumer(groupId, instance);
      await member.start({ onAssigned() {}, onBatch: async () => {}, onHeartbeat() {}, onCrash() {} });
      return { kill: async () => member.kill() };
    },
    close: async () => {},
  };
});

it('the in-process log takes its append times from the clock it was given', async () => {
  const log = createMemoryLog({ partitions: 1, clock: { now: () => 42 } });
  await log.writer.append(new Map([[0, [record('a')]]]));
  assert.equal(log.appendRaw(0, { key: null, value: null, appendAt: 41 }), 1);
  assert.deepEqual(
    log.records(0).map(({ offset, appendAt }) => [offset, appendAt]),
    [
      [0, 42],
      [1, 41],
    ],
  );
});
