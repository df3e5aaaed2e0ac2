// Asks a broker two questions in its own protocol, so that "ready" means an answer and not an open port: who is there
// (Metadata), and who coordinates groups (FindCoordinator, which also makes the broker create its internal offsets topic,
// so that the first consumer does not meet "coordinator not available").
import { connect } from 'node:net';

const METADATA = 3;
const METADATA_VERSION = 5;
const FIND_COORDINATOR = 10;
const FIND_COORDINATOR_VERSION = 2;
const TIMEOUT_MS = 2000;
const ANSWER_BYTES_MAX = 1024 * 1024;
const CLIENT = 'playhead-probe';

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

const int16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};

function requestBytes(apiKey: number, version: number, body: Buffer): Buffer {
  const correlation = Buffer.alloc(4);
  const message = Buffer.concat([int16(apiKey), int16(version), correlation, text(CLIENT), body]);
  const size = Buffer.alloc(4);
  size.writeInt32BE(message.length);
  return Buffer.concat([size, message]);
}

/** One request, one answer; the answer without its size and correlation id. Rejects on error, timeout or an early end. */
function ask(port: number, request: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let received = Buffer.alloc(0);
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('no answer in time')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('connection closed without an answer')));
    socket.on('connect', () => socket.write(request));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const size = received.length >= 4 ? received.readInt32BE(0) : undefined;
      if (size === undefined || (received.length < 4 + size && size <= ANSWER_BYTES_MAX)) return;
      socket.destroy();
      if (size > ANSWER_BYTES_MAX) reject(new Error('not a broker'));
      else resolve(received.subarray(8, 4 + size));
    });
  });
}

/** True once the broker names at least one broker and a group coordinator. Rejects while nothing answers. */
export async function kafkaAnswers(port: number): Promise<boolean> {
  const noTopics = Buffer.from([0, 0, 0, 0, 0]);
  const metadata = await ask(port, requestBytes(METADATA, METADATA_VERSION, noTopics));
  const brokers = metadata.readInt32BE(4);
  if (brokers < 1) return false;
  const coordinator = await ask(
    port,
    requestBytes(FIND_COORDINATOR, FIND_COORDINATOR_VERSION, Buffer.concat([text(CLIENT), Buffer.from([0])])),
  );
  return coordinator.readInt16BE(4) === 0;
}
