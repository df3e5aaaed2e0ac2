// An endpoint that only writes down: answers beacons as the gateway would and keeps every request, for tests of the SDK alone.

import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beaconsOf, type SentBeacon } from './sdk-doubles.ts';

export type RecordedRequest = { method: string; headers: IncomingHttpHeaders; at: number; status: number; beacons: SentBeacon[] };
export type RecordedEvent = SentBeacon['events'][number] & { receivedAt: number; sentAt: number; session: string; video: string };

export type BeaconRecorder = {
  url: string;
  requests: RecordedRequest[];
  /** Answer from now on; default 202. */
  answer: { status: number; retryAfterSeconds?: number };
  /** Accepted events in order of number, each once, of one session (default: the only one). */
  events(session?: string): RecordedEvent[];
  close(): Promise<void>;
};

/** Listens on a free port of 127.0.0.1: another origin than the page's. */
export async function startBeaconRecorder(): Promise<BeaconRecorder> {
  const requests: RecordedRequest[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', headers } = request;
    const cors = { 'access-control-allow-origin': headers.origin ?? '', vary: 'Origin', 'access-control-expose-headers': 'Retry-After' };
    if (method === 'OPTIONS') {
      requests.push({ method, headers, at: Date.now(), status: 204, beacons: [] });
      response.writeHead(204, { ...cors, 'access-control-allow-headers': 'content-type', 'access-control-allow-methods': 'POST' }).end();
      return;
    }
    const { status, retryAfterSeconds } = recorder.answer;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    requests.push({ method, headers, at: Date.now(), status, beacons: beaconsOf(Buffer.concat(chunks).toString()) });
    response.writeHead(status, { ...cors, ...(retryAfterSeconds ? { 'retry-after': String(retryAfterSeconds) } : {}) }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const recorder: BeaconRecorder = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: { status: 202 },
    events(session) {
      const bySeq = new Map<number, RecordedEvent>();
      for (const { at, status, beacons } of requests) {
        if (status !== 202) continue;
        for (const beacon of beacons) {
          if (session !== undefined && beacon.session !== session) continue;
          for (const event of beacon.events) {
            const seen = { ...event, receivedAt: at, sentAt: beacon.sentAt, session: beacon.session, video: beacon.video.id };
            if (!bySeq.has(event.seq)) bySeq.set(event.seq, seen);
          }
        }
      }
      return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return recorder;
}
