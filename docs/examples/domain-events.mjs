// A consumer of Playhead's domain events: writes every sealed session and custom event exactly once, one JSON object a line.
//   KAFKA_BROKERS=… SCHEMA_REGISTRY_URL=… TOPIC=playhead.sessions GROUP=my-group node docs/examples/domain-events.mjs out.ndjson
// Records may come more than once, and their numbers (emissionSeq) ascend within a partition: whoever remembers the highest number written
// can tell a repeated record. It is remembered together with the output, in one place: here the output file itself says how far it is.
import { createReadStream, existsSync, openSync, truncateSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';

const [file = 'domain-events.ndjson'] = process.argv.slice(2);
const { KAFKA_BROKERS = '127.0.0.1:9092', SCHEMA_REGISTRY_URL = '', TOPIC = 'playhead.sessions', GROUP = 'domain-events' } = process.env;

/** Highest number written, by partition. */
const written = new Map();
await readBack();
const out = openSync(file, 'a');

const kafka = new Kafka({ clientId: 'domain-events', brokers: KAFKA_BROKERS.split(','), logLevel: logLevel.ERROR });
const registry = new SchemaRegistry({ host: SCHEMA_REGISTRY_URL });
const consumer = kafka.consumer({ groupId: GROUP });
await consumer.connect();
await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ partition, message }) => {
    const event = await registry.decode(message.value);
    if (event.emissionSeq <= (written.get(partition) ?? 0)) return;
    // Only sessions have parts. One write a line: it is there as a whole, or cut off and found by readBack().
    const kind = 'part' in event ? 'session' : 'custom';
    writeSync(out, `${JSON.stringify({ kind, ...event })}\n`);
    written.set(partition, event.emissionSeq);
  },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => consumer.disconnect().then(() => process.exit(0)));

async function readBack() {
  if (!existsSync(file)) return;
  let whole = 0;
  for await (const line of createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY })) {
    let event;
    try {
      event = JSON.parse(line);
    } catch {
      break;
    }
    written.set(event.partition, event.emissionSeq);
    whole += Buffer.byteLength(line) + 1;
  }
  truncateSync(file, whole);
}
