import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type TopicFacts, topicProblems } from '../../../infra/runtime/kafka-topic.ts';

const SETTINGS: Record<string, string> = {
  'message.timestamp.type': 'LogAppendTime',
  'cleanup.policy': 'delete',
  'retention.bytes': '-1',
  'retention.ms': '604800000',
  'unclean.leader.election.enable': 'false',
  'compression.type': 'uncompressed',
  'max.message.bytes': '262144',
  'min.insync.replicas': '2',
};

const facts = (settings: Record<string, string> = {}, rest: Partial<TopicFacts> = {}): TopicFacts => ({
  partitions: 16,
  replicationFactor: 3,
  settings: new Map(Object.entries({ ...SETTINGS, ...settings })),
  ...rest,
});

const cluster = { partitions: 16, singleNode: false };
const problems = (given: TopicFacts, expected = cluster) => topicProblems('t', given, expected);

describe('topic check (K26, D29)', () => {
  it('a topic made for a cluster passes', () => assert.deepEqual(problems(facts()), []));

  it('a topic of one node passes only when one node is the setting', () => {
    const single = facts({ 'min.insync.replicas': '1' }, { replicationFactor: 1 });
    assert.equal(problems(single).length, 2);
    assert.deepEqual(problems(single, { partitions: 16, singleNode: true }), []);
  });

  it('each wrong setting is one problem that names it', () => {
    for (const [name, value] of [
      ['message.timestamp.type', 'CreateTime'],
      ['cleanup.policy', 'compact'],
      ['cleanup.policy', 'compact,delete'],
      ['retention.bytes', '1000000'],
      ['retention.ms', '3600000'],
      ['unclean.leader.election.enable', 'true'],
      ['compression.type', 'producer'],
      ['max.message.bytes', '1000'],
      ['min.insync.replicas', '1'],
    ] as const) {
      const found = problems(facts({ [name]: value }));
      assert.equal(found.length, 1, `${name}=${value}`);
      assert.ok(found[0]?.startsWith('topic t: ') && found[0].includes(name), found[0]);
    }
  });

  it('a min ISR above the replication factor is a problem even on one node', () => {
    const given = facts({}, { replicationFactor: 1 });
    assert.match(problems(given, { partitions: 16, singleNode: true }).join(), /min\.insync\.replicas 2 is above the replication factor 1/);
  });

  it('another partition count says which setting to change', () => {
    assert.match(problems(facts({}, { partitions: 12 })).join(), /12 partitions .* PLAYHEAD_PARTITIONS=12/);
  });

  it('endless retention is long enough', () => assert.deepEqual(problems(facts({ 'retention.ms': '-1' })), []));
});
