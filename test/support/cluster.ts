// Three brokers that also are the controllers, each reached by clients through a fault proxy of its own and by the others
// directly. Topics have three replicas of which two must acknowledge, so that leaders can move and a broker can be missed.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Admin, Kafka, logLevel } from 'kafkajs';
import { ensureDownloaded } from '../../infra/local/download.ts';
import { findJava } from '../../infra/local/java.ts';
import { type LocalKafka, startLocalKafka } from '../../infra/local/kafka.ts';
import { downloadsDirectory } from '../../infra/local/paths.ts';
import { freePorts } from '../../infra/local/ports.ts';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

const run = promisify(execFile);
const NODES = 3;
const HEAP_MB = 400;
const POLL_MS = 200;
const SYNC_TIMEOUT_MS = 60_000;

export type Broker = { id: number; proxy: FaultProxy; stop(): Promise<void>; kill(): Promise<void>; start(): Promise<void> };

export type Cluster = {
  /** Addresses of the proxies. */
  brokers: string[];
  nodes: readonly Broker[];
  /**
   * Gives the partitions of the topic that the busiest broker leads another leader, by turning their lists of replicas; the
   * controller then moves them within 1 s. The others stay, so that a send over all of them succeeds in part.
   */
  turnLeaders(topic: string): Promise<void>;
  /** Leaders of the topic's partitions, in their order; -1 = none. */
  leaders(topic: string): Promise<number[]>;
  /** Waits until every replica of the topic is in sync. */
  inSync(topic: string): Promise<void>;
  stop(): Promise<void>;
};

type NodePlan = { id: number; directory: string; client: number; internal: number; controller: number; proxy: FaultProxy };

/** Starts all three and waits until they answer. */
export async function startCluster(directory: string): Promise<Cluster> {
  const { kafkaLibs } = await ensureDownloaded(downloadsDirectory(process.env['PLAYHEAD_LOCAL_DIR'] ?? ''));
  const java = await findJava(process.env['JAVA_HOME'] ?? '');
  const ports = await freePorts(NODES * 3);
  const plans: NodePlan[] = [];
  for (let index = 0; index < NODES; index++) {
    const [client, internal, controller] = ports.slice(index * 3, index * 3 + 3) as [number, number, number];
    const proxy = await startFaultProxy({ targetPort: client });
    plans.push({ id: index + 1, directory: join(directory, `broker-${index + 1}`), client, internal, controller, proxy });
  }
  const clusterId = randomBytes(16).toString('base64url');
  await Promise.all(plans.map((plan) => format({ java, kafkaLibs, clusterId }, plan, plans)));
  const nodes = await Promise.all(plans.map((plan) => startBroker({ java, kafkaLibs }, plan, plans)));
  const brokers = plans.map(({ proxy }) => `127.0.0.1:${proxy.port}`);
  const admin = directAdmin(plans);
  return {
    brokers,
    nodes,
    turnLeaders: (topic) => admin((connected) => turnReplicas(connected, topic)),
    leaders: (topic) => admin(async (connected) => (await partitionsOf(connected, topic)).map(({ leader }) => leader)),
    async inSync(topic) {
      const deadline = systemScheduler.monotonicMs() + SYNC_TIMEOUT_MS;
      for (;;) {
        const partitions = await admin((connected) => partitionsOf(connected, topic)).catch(() => []);
        if (partitions.length > 0 && partitions.every(({ isr, leader }) => isr.length === NODES && leader >= 0)) return;
        if (systemScheduler.monotonicMs() > deadline)
          throw new Error(`replicas of ${topic} did not catch up: ${JSON.stringify(partitions)}`);
        await systemScheduler.sleep(POLL_MS);
      }
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.kill()));
      await Promise.all(plans.map(({ proxy }) => proxy.close()));
    },
  };
}

type Java = { java: string; kafkaLibs: string };

function propertiesOf(plan: NodePlan, plans: readonly NodePlan[]): Record<string, string> {
  return {
    'node.id': String(plan.id),
    'controller.quorum.voters': plans.map(({ id, controller }) => `${id}@127.0.0.1:${controller}`).join(','),
    listeners: `CLIENT://127.0.0.1:${plan.client},INTERNAL://127.0.0.1:${plan.internal},CONTROLLER://127.0.0.1:${plan.controller}`,
    // What faults hit is the way to the clients; brokers among themselves are left alone.
    'advertised.listeners': `CLIENT://127.0.0.1:${plan.proxy.port},INTERNAL://127.0.0.1:${plan.internal}`,
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'INTERNAL',
    'log.dirs': join(plan.directory, 'data'),
    'offsets.topic.replication.factor': '3',
    'offsets.topic.num.partitions': '3',
    'min.insync.replicas': '2',
    'log.flush.interval.messages': '9223372036854775807',
    // Short times, so that a test does not wait for what an operator would.
    'group.min.session.timeout.ms': '1000',
    'broker.session.timeout.ms': '4000',
    'broker.heartbeat.interval.ms': '500',
    'leader.imbalance.check.interval.seconds': '1',
    'leader.imbalance.per.broker.percentage': '0',
    'controller.quorum.election.timeout.ms': '1000',
    'num.network.threads': '2',
    'num.io.threads': '4',
  };
}

async function format(java: Java & { clusterId: string }, plan: NodePlan, plans: readonly NodePlan[]): Promise<void> {
  await mkdir(plan.directory, { recursive: true });
  const file = join(plan.directory, 'format.properties');
  const properties = { ...propertiesOf(plan, plans), 'process.roles': 'broker,controller', 'controller.listener.names': 'CONTROLLER' };
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  await writeFile(file, `${lines.join('\n')}\n`);
  const classPath = ['-XX:TieredStopAtLevel=1', '-cp', join(java.kafkaLibs, '*')];
  await run(java.java, [...classPath, 'kafka.tools.StorageTool', 'format', `--cluster-id=${java.clusterId}`, '-c', file], {
    cwd: plan.directory,
  });
}

async function startBroker({ java, kafkaLibs }: Java, plan: NodePlan, plans: readonly NodePlan[]): Promise<Broker> {
  const properties = propertiesOf(plan, plans);
  const open = (): Promise<LocalKafka> =>
    startLocalKafka({ java, kafkaLibs, directory: plan.directory, port: plan.client, heapMb: HEAP_MB, properties });
  let server: LocalKafka | undefined = await open();
  return {
    id: plan.id,
    proxy: plan.proxy,
    async stop() {
      await server?.stop();
      server = undefined;
    },
    async kill() {
      server?.kill();
      await server?.exited;
      server = undefined;
    },
    async start() {
      server ??= await open();
    },
  };
}

type PartitionFacts = { partitionId: number; leader: number; replicas: number[]; isr: number[] };

/** Runs a question on a connection of its own. */
function directAdmin(plans: readonly NodePlan[]): <T>(question: (admin: Admin) => Promise<T>) => Promise<T> {
  return async (question) => {
    const kafka = new Kafka({
      brokers: plans.map(({ proxy }) => `127.0.0.1:${proxy.port}`),
      clientId: 'test-cluster',
      logLevel: logLevel.NOTHING,
      retry: { retries: 8, initialRetryTime: 100, maxRetryTime: 500 },
    });
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await question(admin);
    } finally {
      await admin.disconnect();
    }
  };
}

async function partitionsOf(admin: Admin, topic: string): Promise<PartitionFacts[]> {
  const [found] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics;
  return [...(found?.partitions ?? [])].sort((a, b) => a.partitionId - b.partitionId);
}

async function turnReplicas(admin: Admin, topic: string): Promise<void> {
  const partitions = await partitionsOf(admin, topic);
  const led = (id: number): number => partitions.filter(({ leader }) => leader === id).length;
  const busiest = partitions.map(({ leader }) => leader).reduce((most, id) => (led(id) > led(most) ? id : most));
  const moving = partitions.filter(({ leader }) => leader === busiest);
  const partitionAssignment = moving.map(({ partitionId, leader, replicas }) => {
    const others = replicas.filter((id) => id !== leader);
    return { partition: partitionId, replicas: [...others, leader] };
  });
  await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
}
