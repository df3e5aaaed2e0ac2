// The settings that the topic must have, how it is made and how it is checked at start (K18, K19, K26, D29).
import type { Admin } from 'kafkajs';
import { PlayheadError } from './errors.ts';
import type { Scheduler } from './ports.ts';

/** Largest record batch the broker takes, bytes (K18). */
export const TOPIC_MESSAGE_BYTES_MAX = 256 * 1024;

export const RETENTION_DEFAULT_MS = 7 * 24 * 3_600_000;

const RETENTION_MIN_MS = 3 * 24 * 3_600_000;
const REPLICATION_FACTOR_MIN = 3;
const MIN_ISR_MIN = 2;
/** Source: Kafka protocol, ConfigResource types. */
const TOPIC_RESOURCE = 2;
const POLL_MS = 100;

export type NewTopic = {
  partitions: number;
  /** One node: replication factor 1 and min ISR 1 (K26). */
  singleNode: boolean;
  retentionMs?: number;
  /** How the broker stores batches; foreign codecs are converted to it (K19). */
  compression?: 'uncompressed' | 'gzip';
  /** Wait this long for every partition to have a leader. */
  timeoutMs?: number;
};

/** What a topic looks like to the check: settings as the broker's strings. */
export type TopicFacts = { partitions: number; replicationFactor: number; settings: ReadonlyMap<string, string> };

export type TopicExpectation = { partitions: number; singleNode: boolean };

/** Settings the topic must have, and why; any other value is a problem. */
const REQUIRED_SETTINGS: ReadonlyArray<{ name: string; values: readonly string[]; why: string }> = [
  { name: 'message.timestamp.type', values: ['LogAppendTime'], why: 'sessions are closed by the broker append time' },
  { name: 'cleanup.policy', values: ['delete'], why: 'compaction would remove beacons' },
  { name: 'retention.bytes', values: ['-1'], why: 'retention is by time only, or a burst cuts the log before it is read' },
  { name: 'unclean.leader.election.enable', values: ['false'], why: 'an unclean leader loses acknowledged beacons' },
  { name: 'compression.type', values: ['uncompressed', 'gzip'], why: 'the consumer reads no other codec' },
];

/** What is wrong with a topic, each with what to do; empty = fit for use. Pure. */
export function topicProblems(topic: string, facts: TopicFacts, expected: TopicExpectation): string[] {
  const problems: string[] = [];
  if (facts.partitions !== expected.partitions) {
    problems.push(
      `it has ${facts.partitions} partitions but PLAYHEAD_PARTITIONS is ${expected.partitions}: set PLAYHEAD_PARTITIONS=${facts.partitions} ` +
        'if this is the right topic; to grow, make a new topic and drain the old one',
    );
  }
  for (const { name, values, why } of REQUIRED_SETTINGS) {
    const value = facts.settings.get(name);
    if (value === undefined || values.includes(value)) continue;
    problems.push(`${name} is ${value}, set it to ${values.join(' or ')}: ${why}`);
  }
  const bytesMax = Number(facts.settings.get('max.message.bytes'));
  if (bytesMax < TOPIC_MESSAGE_BYTES_MAX) {
    problems.push(`max.message.bytes is ${bytesMax}, set it to ${TOPIC_MESSAGE_BYTES_MAX}: larger batches would be refused for ever`);
  }
  return problems.concat(durabilityProblems(facts, expected.singleNode)).map((problem) => `topic ${topic}: ${problem}`);
}

function durabilityProblems(facts: TopicFacts, singleNode: boolean): string[] {
  const minIsr = Number(facts.settings.get('min.insync.replicas'));
  if (minIsr > facts.replicationFactor) {
    return [
      `min.insync.replicas ${minIsr} is above the replication factor ${facts.replicationFactor}: lower it, or nothing can be written`,
    ];
  }
  if (singleNode) return [];
  const problems: string[] = [];
  const oneNode = 'or set PLAYHEAD_SINGLE_NODE=true if losing the node may lose beacons';
  if (facts.replicationFactor < REPLICATION_FACTOR_MIN) {
    problems.push(`replication factor ${facts.replicationFactor} is too low: reassign to ${REPLICATION_FACTOR_MIN} replicas, ${oneNode}`);
  }
  if (minIsr < MIN_ISR_MIN) problems.push(`min.insync.replicas ${minIsr} is too low: set it to ${MIN_ISR_MIN}, ${oneNode}`);
  const retentionMs = Number(facts.settings.get('retention.ms'));
  if (retentionMs !== -1 && retentionMs < RETENTION_MIN_MS) {
    problems.push(`retention.ms ${retentionMs} is below ${RETENTION_MIN_MS} (3 days): raise it above your backup window`);
  }
  return problems;
}

/** Asks the cluster about a topic. Undefined if there is none. */
export async function readTopicFacts(admin: Admin, topic: string): Promise<TopicFacts | undefined> {
  if (!(await admin.listTopics()).includes(topic)) return undefined;
  const [metadata] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics;
  const configNames = [...REQUIRED_SETTINGS.map(({ name }) => name), 'max.message.bytes', 'min.insync.replicas', 'retention.ms'];
  const described = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: TOPIC_RESOURCE, name: topic, configNames }],
  });
  const partitions = metadata?.partitions ?? [];
  return {
    partitions: partitions.length,
    replicationFactor: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    settings: new Map(described.resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue])),
  };
}

/** Makes a topic with the settings above; false if one of that name exists. */
export async function makeTopic(deps: { admin: Admin; scheduler: Scheduler }, topic: string, wanted: NewTopic): Promise<boolean> {
  const configs: Record<string, string | number> = {
    'message.timestamp.type': 'LogAppendTime',
    'cleanup.policy': 'delete',
    'retention.ms': wanted.retentionMs ?? RETENTION_DEFAULT_MS,
    'retention.bytes': -1,
    'max.message.bytes': TOPIC_MESSAGE_BYTES_MAX,
    'min.insync.replicas': wanted.singleNode ? 1 : MIN_ISR_MIN,
    'unclean.leader.election.enable': 'false',
    'compression.type': wanted.compression ?? 'uncompressed',
  };
  const made = await deps.admin.createTopics({
    // Waiting inside createTopics can throw UNKNOWN_TOPIC_OR_PARTITION; polling afterwards cannot.
    waitForLeaders: false,
    topics: [
      {
        topic,
        numPartitions: wanted.partitions,
        replicationFactor: wanted.singleNode ? 1 : REPLICATION_FACTOR_MIN,
        configEntries: Object.entries(configs).map(([name, value]) => ({ name, value: String(value) })),
      },
    ],
  });
  if (made) await waitForLeaders(deps, topic, wanted);
  return made;
}

async function waitForLeaders(deps: { admin: Admin; scheduler: Scheduler }, topic: string, wanted: NewTopic): Promise<void> {
  const deadline = deps.scheduler.monotonicMs() + (wanted.timeoutMs ?? 15_000);
  while (!(await hasLeaders(deps.admin, topic, wanted.partitions))) {
    if (deps.scheduler.monotonicMs() > deadline)
      throw new PlayheadError('ERR_TOPIC', `topic ${topic}: made, but not every partition got a leader`);
    await deps.scheduler.sleep(POLL_MS);
  }
}

async function hasLeaders(admin: Admin, topic: string, partitions: number): Promise<boolean> {
  try {
    const [metadata] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics;
    return metadata?.partitions.length === partitions && metadata.partitions.every(({ leader }) => leader >= 0);
  } catch {
    return false;
  }
}
