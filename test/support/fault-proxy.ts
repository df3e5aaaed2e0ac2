// A TCP proxy on the loopback address that breaks connections the way networks do: cut, refused, half-open, a reply lost.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

type Pair = { id: number; client: Socket; server: Socket; swallowed: boolean };

/** Sees every piece of data before it goes on; `reset` loses it and resets its connection. */
export type Intercept = (from: 'client' | 'server', bytes: Buffer, connection: number) => 'pass' | 'reset';

export type FaultProxy = {
  port: number;
  /** Connections made through it so far, and open now. */
  counts(): { made: number; open: number };
  /** Resets every open connection; new ones work. */
  cut(): void;
  /** From now on every connection is reset at once, until heal(). */
  refuse(): void;
  /** The connections open now swallow every byte in both directions and stay open; new ones work. */
  halfOpen(): void;
  /** Old and new connections swallow every byte, until heal() for new ones. */
  blackHole(): void;
  /** The next bytes that come from the server are lost and their connection is reset. */
  loseNextReply(): void;
  /** Every piece of data is shown to this function from now on, until heal(). */
  intercept(see: Intercept): void;
  /** New connections work again; what was swallowed stays so. */
  heal(): void;
  close(): Promise<void>;
};

/** Listens on `port` (0 = any free one) and connects on to `targetPort`. */
export async function startFaultProxy(options: { targetPort: number; port?: number }): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  let mode: 'pass' | 'refuse' | 'black_hole' = 'pass';
  let loseReply = false;
  let see: Intercept | undefined;
  let made = 0;
  const reset = (pair: Pair) => {
    pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  };
  const server = createServer((client) => {
    if (mode === 'refuse') return void client.destroy();
    made += 1;
    const pair: Pair = {
      id: made,
      client,
      server: connect({ host: '127.0.0.1', port: options.targetPort }),
      swallowed: mode === 'black_hole',
    };
    pairs.add(pair);
    for (const socket of [pair.client, pair.server]) {
      socket.setNoDelay(true);
      socket.on('error', () => reset(pair));
      socket.on('close', () => {
        // A half-open peer never hears that the other side is gone.
        if (!pair.swallowed) reset(pair);
      });
    }
    pair.client.on('data', (bytes) => {
      if (pair.swallowed) return;
      if (see?.('client', bytes, pair.id) === 'reset') reset(pair);
      else pair.server.write(bytes);
    });
    pair.server.on('data', (bytes) => {
      if (pair.swallowed) return;
      if (loseReply) {
        loseReply = false;
        reset(pair);
      } else if (see?.('server', bytes, pair.id) === 'reset') reset(pair);
      else pair.client.write(bytes);
    });
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const swallowOpen = () => {
    for (const pair of pairs) pair.swallowed = true;
  };
  const cut = () => {
    for (const pair of [...pairs]) reset(pair);
  };
  return {
    port: (server.address() as AddressInfo).port,
    counts: () => ({ made, open: pairs.size }),
    cut,
    refuse() {
      mode = 'refuse';
      cut();
    },
    halfOpen: swallowOpen,
    blackHole() {
      mode = 'black_hole';
      swallowOpen();
    },
    loseNextReply() {
      loseReply = true;
    },
    intercept(next) {
      see = next;
    },
    heal() {
      mode = 'pass';
      see = undefined;
    },
    async close() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
