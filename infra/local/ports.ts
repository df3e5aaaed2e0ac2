// Free TCP ports on this machine.
import { createServer } from 'node:net';
import { systemScheduler } from '../runtime/clock.ts';
import { PlayheadError } from '../runtime/errors.ts';

/** Below the range the system takes outgoing ports from, so that a port found free is still free a second later. */
const PORT_FIRST = 20_000;
const PORT_COUNT = 12_000;
const ATTEMPTS_MAX = 200;

/** True if nothing listens on this port of the loopback address. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * `count` different free ports.
 * @throws PlayheadError ERR_NO_PORT if none can be found.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; attempt < ATTEMPTS_MAX && found.size < count; attempt++) {
    const port = PORT_FIRST + Math.floor(systemScheduler.random() * PORT_COUNT);
    if (!found.has(port) && (await isPortFree(port))) found.add(port);
  }
  if (found.size < count)
    throw new PlayheadError(
      'ERR_NO_PORT',
      `No free port between ${PORT_FIRST} and ${PORT_FIRST + PORT_COUNT}: stop something or give ports.`,
    );
  return [...found];
}

/** The given port, or a free one for 0. */
export async function portOrFree(port: number): Promise<number> {
  if (port !== 0) return port;
  const [free] = await freePorts(1);
  return free as number;
}
