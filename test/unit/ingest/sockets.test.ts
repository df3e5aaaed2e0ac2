// The shell of WebSockets on a real server with a clock of the test's own: silence, what a broken handler costs, and the network's limit.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { systemClock, systemScheduler } from '../../../infra/runtime/clock.ts';
import type { Door } from '../../../ingest/doors/door.ts';
import { createRateLimiter } from '../../../ingest/rate-limit.ts';
import { createSockets, SOCKET_SILENCE_MAX_MS, type Sockets } from '../../../ingest/sockets.ts';
import { until } from '../../support/gateway.ts';

describe('sockets', () => {
  const server = createServer();
  const hits: string[] = [];
  const closedAt: number[] = [];
  let now = 0;
  let informed = true;
  let check = (): void => {};
  let sockets: Sockets;
  let url = '';
  const door: Door = {
    protocol: 'mave_socket',
    routes: [],
    sockets: [
      {
        path: '/socket',
        open: (_request, send) => ({
          message(text) {
            if (text === 'break') throw new Error('broken');
            send(`heard ${text}`);
          },
          unreadable: () => send('unreadable'),
          check: () => {},
          closed: async (at) => void closedAt.push(at),
        }),
      },
    ],
  };
  before(async () => {
    const scheduler = {
      monotonicMs: () => now,
      after: systemScheduler.after,
      every: (_ms: number, run: () => void) => {
        check = run;
        return () => {};
      },
    };
    sockets = createSockets({
      doors: [door],
      prefixLimiter: createRateLimiter({ scheduler, bucketsMax: 10 }),
      metrics: { limitHit: (limit: string) => hits.push(limit), sockets: () => {} } as never,
      logger: { warn: () => {} } as never,
      clock: systemClock,
      scheduler,
      informed: () => informed,
      settings: { socketsMax: 10, trustedHops: 0, prefixPerSecond: 0.001, prefixBurst: 4 },
    });
    server.on('upgrade', sockets.upgrade);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/socket`;
  });
  after(async () => {
    await sockets.stop();
    server.close();
  });
  async function connect(): Promise<{ socket: WebSocket; heard: string[]; closed: Promise<number> }> {
    const socket = new WebSocket(url);
    const heard: string[] = [];
    socket.on('message', (data) => heard.push(String(data)));
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    await new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    });
    return { socket, heard, closed };
  }

  it('who is silent for too long is gone since it was last heard', async () => {
    const { socket, heard, closed } = await connect();
    socket.send('once');
    await until(async () => heard.length === 1);
    const lastHeard = Date.now();
    now += SOCKET_SILENCE_MAX_MS - 1;
    check();
    assert.equal(socket.readyState, WebSocket.OPEN);
    now += 2;
    check();
    await closed;
    assert.deepEqual(hits, ['socket_silence']);
    assert.ok(closedAt.length === 1 && (closedAt[0] as number) <= lastHeard);
  });

  it('a frame that breaks its handler costs its connection, and no other', async () => {
    const [broken, other] = [await connect(), await connect()];
    broken.socket.send('break');
    assert.equal(await broken.closed, 1011);
    other.socket.send('still here');
    other.socket.send(Buffer.from([1]));
    await until(async () => other.heard.length === 2);
    assert.deepEqual(other.heard, ['heard still here', 'unreadable']);
    other.socket.terminate();
    await other.closed;
  });

  it('before the keys were read nobody is told that theirs is unknown', async () => {
    informed = false;
    await assert.rejects(connect(), /503/);
    informed = true;
  });

  it('a network has its limit', async () => {
    await connect().then(({ socket }) => socket.terminate());
    await assert.rejects(connect(), /429/);
    assert.ok(hits.includes('prefix_rate'));
  });
});
