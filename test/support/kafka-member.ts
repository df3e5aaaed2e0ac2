// A group member in a process of its own, so that a test can kill it without it leaving the group.
// Arguments: brokers (comma-separated), topic, group, instance, session timeout in ms. Sends 'joined' to its parent after each assignment.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogConsumer } from '../../infra/runtime/kafka.ts';

const [brokers = '', topic = '', groupId = '', clientId = '', sessionTimeoutMs = ''] = process.argv.slice(2);
const consumer = createLogConsumer({
  brokers: brokers.split(','),
  clientId,
  logger: pino({ level: 'silent' }),
  topic,
  groupId,
  scheduler: systemScheduler,
  registry: new Registry(),
  settings: { sessionTimeoutMs: Number(sessionTimeoutMs), heartbeatIntervalMs: 300 },
});
process.once('disconnect', () => process.exit(0));
await consumer.start({
  onAssigned: () => process.send?.('joined'),
  onBatch: async () => {},
  onHeartbeat: () => {},
  onCrash: () => process.exit(1),
});
