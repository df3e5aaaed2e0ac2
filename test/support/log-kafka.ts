// The log on a real broker as the conformance suite and other integration tests want it: a topic of its own, short times.
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogAdmin, createLogConsumer, createLogWriter } from '../../infra/runtime/kafka.ts';
import type { LogUnderTest } from './log-conformance.ts';

/** The broker's own lower bound, by default. */
const SESSION_TIMEOUT_MS = 6000;
const MEMBER_PATH = fileURLToPath(new URL('./kafka-member.ts', import.meta.url));

/** TEST_LOG_LEVEL=debug shows what the adapters and kafkajs say. */
export const testLogger = pino({ level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });

export type KafkaLogUnderTest = LogUnderTest & {
  topic: string;
  writer: ReturnType<typeof createLogWriter>;
  admin: ReturnType<typeof createLogAdmin>;
};

/** A fresh topic with its writer and admin; close() deletes it. */
export async function openKafkaLog(brokers: string[], options: { partitions: number }): Promise<KafkaLogUnderTest> {
  const topic = `playhead.test.${randomBytes(6).toString('hex')}`;
  const common = { brokers, topic, scheduler: systemScheduler, logger: testLogger };
  const admin = createLogAdmin({ ...common, clientId: 'test-admin' });
  await admin.createTopic({ partitions: options.partitions, singleNode: true });
  const writer = createLogWriter({ ...common, clientId: 'test-writer', partitions: options.partitions, registry: new Registry() });
  await writer.whenReady(10_000);
  const children: ChildProcess[] = [];
  return {
    topic,
    writer,
    admin,
    consumer: (groupId, instance) =>
      createLogConsumer({
        ...common,
        groupId: `${topic}.${groupId}`,
        clientId: instance,
        registry: new Registry(),
        settings: { sessionTimeoutMs: SESSION_TIMEOUT_MS, heartbeatIntervalMs: 200, fetchWaitMs: 100 },
      }),
    async mortalMember(groupId, instance) {
      const args = [brokers.join(','), topic, `${topic}.${groupId}`, instance, String(SESSION_TIMEOUT_MS)];
      const child = fork(MEMBER_PATH, args, { execArgv: ['--import', 'tsx'] });
      children.push(child);
      await once(child, 'message');
      return { kill: () => killChild(child) };
    },
    truncate: (partition, low) => admin.deleteRecords(partition, low),
    reportedPosition: async (groupId, partition) => (await admin.reportedPositions(`${topic}.${groupId}`)).get(partition),
    async close() {
      await Promise.all(children.map(killChild));
      await writer.close();
      await admin.deleteTopic();
      await admin.close();
    },
  };
}

async function killChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
