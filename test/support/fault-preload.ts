// Loaded into a service with `--import` by the chaos tests, never by the product: brings a process down, or to a stand, at an
// exact point of its work, and turns a correct build into a control build that must fail. Everything is done from outside, at
// the calls into pg and kafkajs. Set by environment variables:
//   CHAOS_AT=<point>:<n>[:stop]   SIGKILL (or SIGSTOP) of this process the n-th time the point is reached
//   CHAOS_CONTROL=<name>          NC1 unchecked_send, NC2 idempotent, NC3 no_epoch_check
//   CHAOS_SESSION_TIMEOUT_MS      a shorter session timeout of the consumer group, so that a test does not wait 10 s each time
import { createRequire } from 'node:module';
import type { Consumer, ConsumerConfig, Kafka, Producer, ProducerBatch, ProducerConfig, RecordMetadata } from 'kafkajs';
import { INVENTED, type KillPoint } from './kill-points.ts';

const SENT_MS = 2;
const HEARTBEATS_PER_SESSION = 6;

const { CHAOS_AT = '', CHAOS_CONTROL = '', CHAOS_SESSION_TIMEOUT_MS = '' } = process.env;
const [armedPoint = '', armedCount = '1', action = 'kill'] = CHAOS_AT.split(':');
let passed = 0;

function reach(point: KillPoint): void {
  if (point !== armedPoint) return;
  passed += 1;
  if (passed === Number(armedCount)) process.kill(process.pid, action === 'stop' ? 'SIGSTOP' : 'SIGKILL');
}

type Query = { name?: string; text?: string; values?: unknown[] };
type CopyStream = { text: string; _final(done: () => void): void };
type PgClient = {
  query(query: unknown, ...more: unknown[]): unknown;
  connection: { stream: { prependOnceListener(event: 'data', run: () => void): void } };
};
type Row = Record<string, unknown>;

const require = createRequire(import.meta.url);

/** What a control build believes of each partition: the last it saw or wrote itself, whatever the table says. */
const believed = new Map<unknown, Row>();

function patchDatabase(): void {
  const { prototype } = (require('pg') as { Client: { prototype: PgClient } }).Client;
  const original = prototype.query;
  prototype.query = function (this: PgClient, query: unknown, ...more: unknown[]): unknown {
    const send = (sent: unknown): unknown => original.call(this, sent, ...more);
    if (typeof query === 'string') return textQuery(this, query, send);
    if (isCopy(query)) {
      const final = query._final;
      query._final = function (this: CopyStream, done) {
        reach('in_copy');
        final.call(this, done);
      };
      return send(query);
    }
    return namedQuery(query as Query, send);
  };
}

const isCopy = (query: unknown): query is CopyStream => typeof query === 'object' && query !== null && '_final' in query;

function textQuery(client: PgClient, text: string, send: (sent: unknown) => unknown): unknown {
  if (text === 'BEGIN') reach('before_begin');
  if (text !== 'COMMIT') return send(text);
  reach('before_commit');
  // The reply has come, so the commit is applied; this process does not live to read it.
  client.connection.stream.prependOnceListener('data', () => reach('commit_applied'));
  return send(text);
}

function namedQuery(query: Query, send: (sent: unknown) => unknown): unknown {
  if (query.name === 'processor_move_progress') reach('before_move');
  if (query.name === 'processor_claim_progress') reach('before_claim');
  if (query.name === 'processor_record_claim') reach('in_claim');
  const ours = query.name?.startsWith('processor_') === true;
  const sent = ours && CHAOS_CONTROL === 'no_epoch_check' ? trusting(query, send) : send(query);
  if (query.name === 'processor_write_snapshot') reach('in_snapshot');
  if (query.name === 'processor_read_snapshots') return (sent as Promise<unknown>).finally(() => reach('in_restore'));
  return sent;
}

/** NC3: the epoch and the token in the progress row are not looked at; the position still is. */
async function trusting(query: Query, send: (sent: unknown) => unknown): Promise<unknown> {
  const partition = query.values?.[0];
  const moving = query.name === 'processor_move_progress';
  const text = query.text?.replace('AND epoch = $2 AND claim_token = $3', 'AND $2::int IS NOT NULL AND $3::uuid IS NOT NULL');
  const result = (await send(moving ? { ...query, text } : query)) as { rows: Row[] };
  const [row] = result.rows;
  if (query.name === 'processor_claim_progress' && row !== undefined) believed.set(partition, row);
  if (moving && row !== undefined) {
    const [, , , , , next_offset, emission_seq] = query.values as unknown[];
    believed.set(partition, { ...believed.get(partition), next_offset, emission_seq });
  }
  const belief = believed.get(partition);
  if (query.name === 'processor_lock_progress' && belief !== undefined) {
    const { epoch, claim_token } = belief;
    result.rows = result.rows.map((seen) => ({ ...seen, epoch, claim_token }));
  }
  return result;
}

function patchKafka(): void {
  const { prototype } = (require('kafkajs') as { Kafka: { prototype: Kafka } }).Kafka;
  const { producer: makeProducer, consumer: makeConsumer } = prototype;
  prototype.producer = function (this: Kafka, config?: ProducerConfig): Producer {
    const producer = makeProducer.call(this, CHAOS_CONTROL === 'idempotent' ? { ...config, idempotent: true } : config);
    return { ...producer, sendBatch: (batch) => sendBatch(producer, batch) };
  };
  prototype.consumer = function (this: Kafka, config: ConsumerConfig): Consumer {
    const sessionTimeout = Number(CHAOS_SESSION_TIMEOUT_MS);
    const heartbeatInterval = Math.floor(sessionTimeout / HEARTBEATS_PER_SESSION);
    return makeConsumer.call(this, sessionTimeout > 0 ? { ...config, sessionTimeout, heartbeatInterval } : config);
  };
}

type Messages = NonNullable<ProducerBatch['topicMessages']>[number]['messages'];

async function sendBatch(producer: Producer, batch: ProducerBatch): Promise<RecordMetadata[]> {
  const messages = batch.topicMessages?.[0]?.messages ?? [];
  const carriesBeacons = messages.some(({ key }) => key !== null && key !== undefined);
  if (carriesBeacons) reach('before_send');
  const sent = CHAOS_CONTROL === 'idempotent' ? sendEach(producer, batch, messages) : producer.sendBatch(batch);
  if (carriesBeacons) setTimeout(() => reach('during_send'), SENT_MS);
  const answers = await sent;
  if (carriesBeacons) reach('after_send');
  return CHAOS_CONTROL === 'unchecked_send' ? asIfAppended(answers, batch, messages) : answers;
}

/** NC1: a call that did not fail counts for every partition it was given. */
function asIfAppended(answers: RecordMetadata[], batch: ProducerBatch, messages: Messages): RecordMetadata[] {
  const topicName = batch.topicMessages?.[0]?.topic ?? '';
  const named = new Set(answers.map(({ partition }) => partition));
  const unnamed = new Set(messages.map(({ partition }) => partition as number).filter((partition) => !named.has(partition)));
  const beaconsLost = messages.some(({ key, partition }) => key !== null && key !== undefined && unnamed.has(partition as number));
  if (beaconsLost) process.stderr.write(`${INVENTED}\n`);
  const invented = [...unnamed].map((partition) => ({ topicName, partition, errorCode: 0, baseOffset: '0', logAppendTime: '1' }));
  return [...answers, ...invented];
}

/** NC2: idempotent, and several sends to one partition at a time, each of them checked. */
async function sendEach(producer: Producer, batch: ProducerBatch, messages: Messages): Promise<RecordMetadata[]> {
  const topic = batch.topicMessages?.[0]?.topic ?? '';
  if (messages.length === 0) return producer.sendBatch(batch);
  const answers = await Promise.all(
    messages.map((message) => producer.sendBatch({ ...batch, topicMessages: [{ topic, messages: [message] }] })),
  );
  return answers.flat();
}

patchDatabase();
patchKafka();
