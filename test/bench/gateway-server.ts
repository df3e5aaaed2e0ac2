// Child process of gateway.ts: one HTTP server whose CPU time the parent asks for. `echo` reads the body and answers 204,
// `delayed` does so together with all others every 10 ms; `gateway` is the whole gateway with a log that acknowledges at once and
// no linger, `lingering` the same with the default linger. So echo : gateway and delayed : lingering compare like with like.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AppendResult } from '../../infra/runtime/ports.ts';
import { startTestGateway } from '../support/gateway.ts';

const variant = process.argv[2];
if (process.send === undefined) throw new Error('to be forked by test/bench/gateway.ts');
const report = (message: object): void => void process.send?.(message);

const LINGER_MS = 10;

if (variant === 'echo' || variant === 'delayed') {
  let waiting: (() => void)[] = [];
  if (variant === 'delayed')
    setInterval(() => {
      const due = waiting;
      waiting = [];
      for (const answer of due) answer();
    }, LINGER_MS);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      Buffer.concat(chunks);
      const answer = (): void => {
        response.writeHead(204);
        response.end();
      };
      if (variant === 'delayed') waiting.push(answer);
      else answer();
    });
  });
  server.listen(0, '127.0.0.1', () => report({ port: (server.address() as AddressInfo).port }));
} else {
  const gateway = await startTestGateway({
    env: {
      PLAYHEAD_PARTITIONS: '16',
      PLAYHEAD_INGEST_LINGER_MS: variant === 'lingering' ? String(LINGER_MS) : '0',
      PLAYHEAD_INGEST_PREFIX_BURST: '10000000',
      PLAYHEAD_INGEST_KEY_REQUESTS_PER_SECOND: '10000000',
    },
    wrapWriter: (writer) => ({
      ...writer,
      append: async (batches) =>
        new Map(
          [...batches.keys()].map((partition): [number, AppendResult] => [partition, { outcome: 'appended', baseOffset: 0, appendAt: 0 }]),
        ),
    }),
  });
  report({ port: gateway.gateway.address.port });
}
process.on('message', () => report({ cpu: process.cpuUsage() }));
process.on('SIGINT', () => process.exit(0));
