// Small helpers around node:http servers.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PlayheadError } from './errors.ts';

/**
 * Starts listening and says where. Port 0 = any free one.
 * @throws PlayheadError ERR_LISTEN that names the port and what to do.
 */
export function listen(server: Server, options: { host: string; port: number }): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const hint = error.code === 'EADDRINUSE' ? 'another process uses it: stop that one or choose another port' : error.message;
      reject(new PlayheadError('ERR_LISTEN', `Cannot listen on ${options.host}:${options.port}: ${hint}`, { cause: error }));
    };
    server.once('error', onError);
    server.listen(options.port, options.host, () => {
      server.off('error', onError);
      const address = server.address() as AddressInfo;
      resolve({ host: options.host, port: address.port });
    });
  });
}

/** Stops taking connections, lets running requests finish, closes idle ones. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
