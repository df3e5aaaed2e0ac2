// WebSockets of the ingest server: which upgrades are taken, what a connection may cost, when it is silent for too long, and how all of
// them end on a stop. What the frames mean is the door's affair.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { messageOf } from '../infra/runtime/errors.ts';
import type { Cancel, Clock, Scheduler } from '../infra/runtime/ports.ts';
import { addressPrefix } from './core/place.ts';
import type { Door, DoorRequest } from './doors/door.ts';
import type { SocketHandler, SocketRoute } from './doors/socket.ts';
import { requestOf } from './front.ts';
import type { IngestMetrics } from './metrics.ts';
import type { Rate, RateLimiter } from './rate-limit.ts';

/** One frame, bytes; a larger one ends the connection (1009). */
export const FRAME_BYTES_MAX = 64 * 1024;
/** Frames of one connection; beyond, it is read no faster. */
export const FRAMES_PER_SECOND_MAX = 50;
const FRAMES_BURST = 200;
/** Answers that a client has not read yet, bytes; beyond, the connection is cut. */
const UNREAD_BYTES_MAX = 256 * 1024;
/** Clients speak every 30 s; one that is silent for longer than this is gone. */
export const SOCKET_SILENCE_MAX_MS = 75_000;
const CHECK_INTERVAL_MS = 2_000;
const SERVICE_RESTART = 1012;

export type SocketsDeps = {
  doors: readonly Door[];
  prefixLimiter: RateLimiter;
  metrics: IngestMetrics;
  logger: Pick<Logger, 'warn'>;
  clock: Clock;
  scheduler: Pick<Scheduler, 'monotonicMs' | 'after' | 'every'>;
  /** Keys and aliases were read: before that a key would be called unknown that is none of it. */
  informed: () => boolean;
  settings: { socketsMax: number; trustedHops: number; prefixPerSecond: number; prefixBurst: number };
};

export type Sockets = {
  /** The listener for the server's `upgrade`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Takes no more, tells every client to come back (1012), waits until what they sent is in the log or given up. */
  stop(): Promise<void>;
};

type Connection = {
  socket: WebSocket;
  handler: SocketHandler;
  heardAt: number;
  heardMonotonicMs: number;
  tokens: number;
  tokensAt: number;
  resume: Cancel | undefined;
  done: boolean;
};

type Shell = SocketsDeps & { connections: Set<Connection>; settling: Set<Promise<void>> };

export function createSockets(deps: SocketsDeps): Sockets {
  const server = new WebSocketServer({ noServer: true, maxPayload: FRAME_BYTES_MAX, perMessageDeflate: false, clientTracking: false });
  const shell: Shell = { ...deps, connections: new Set(), settling: new Set() };
  const routes = new Map(deps.doors.flatMap((door) => door.sockets ?? []).map((route) => [route.path, route]));
  const cancel = deps.scheduler.every(CHECK_INTERVAL_MS, () => checkAll(shell));
  let stopping = false;
  return {
    upgrade(message, socket, head) {
      socket.on('error', () => socket.destroy());
      const request = requestOf(deps, message);
      const taken = stopping ? 503 : admit(shell, routes, request);
      if (typeof taken === 'number') return refuse(socket, taken);
      let send: (text: string) => void = () => {};
      const handler = taken.open(request, (text) => send(text));
      if (typeof handler === 'number') return refuse(socket, handler);
      server.handleUpgrade(message, socket, head, (opened) => {
        send = (text) => write(shell, opened, text);
        serve(shell, opened, handler);
      });
    },
    async stop() {
      stopping = true;
      cancel();
      const open = [...shell.connections];
      for (const connection of open) {
        finish(shell, connection, deps.clock.now());
        connection.socket.close(SERVICE_RESTART);
      }
      while (shell.settling.size > 0) await Promise.all(shell.settling);
      for (const { socket } of open) socket.terminate();
      server.close();
    },
  };
}

/** The route that takes an upgrade, or the status that refuses it. */
function admit(shell: Shell, routes: ReadonlyMap<string, SocketRoute>, request: DoorRequest): SocketRoute | number {
  const { metrics, settings } = shell;
  const route = routes.get(request.path);
  if (route === undefined) return 404;
  if (!shell.informed()) return 503;
  const rate: Rate = { perSecond: settings.prefixPerSecond, burst: settings.prefixBurst };
  if (!shell.prefixLimiter.take(addressPrefix(request.address), rate).allowed) {
    metrics.limitHit('prefix_rate');
    return 429;
  }
  if (shell.connections.size >= settings.socketsMax) {
    metrics.limitHit('sockets');
    return 503;
  }
  return route;
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  503: 'Service Unavailable',
};

function refuse(socket: Duplex, status: number): void {
  const retry = status === 429 || status === 503 ? 'Retry-After: 2\r\n' : '';
  socket.end(`HTTP/1.1 ${status} ${STATUS_TEXTS[status] ?? 'Refused'}\r\n${retry}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}

function serve(shell: Shell, socket: WebSocket, handler: SocketHandler): void {
  const now = shell.scheduler.monotonicMs();
  const connection: Connection = {
    socket,
    handler,
    heardAt: shell.clock.now(),
    heardMonotonicMs: now,
    tokens: FRAMES_BURST,
    tokensAt: now,
    resume: undefined,
    done: false,
  };
  shell.connections.add(connection);
  shell.metrics.sockets(shell.connections.size);
  socket.on('message', (data, isBinary) => receive(shell, connection, data, isBinary));
  socket.on('close', () => finish(shell, connection, shell.clock.now()));
  socket.on('error', (error) => {
    if ((error as { code?: string }).code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') shell.metrics.limitHit('frame_bytes');
  });
}

function receive(shell: Shell, connection: Connection, data: RawData, isBinary: boolean): void {
  if (connection.done) return;
  connection.heardAt = shell.clock.now();
  connection.heardMonotonicMs = shell.scheduler.monotonicMs();
  slowDown(shell, connection);
  if (isBinary) return connection.handler.unreadable();
  try {
    connection.handler.message(String(data), connection.heardAt);
  } catch (thrown) {
    // One frame that breaks something of ours costs its sender the connection and nobody else anything.
    shell.logger.warn({ error: messageOf(thrown) }, 'a frame could not be handled');
    connection.socket.close(1011);
  }
}

/** Too many frames: nothing is lost, the connection is only read more slowly. */
function slowDown(shell: Shell, connection: Connection): void {
  const { heardMonotonicMs: now, socket } = connection;
  connection.tokens = Math.min(FRAMES_BURST, connection.tokens + ((now - connection.tokensAt) / 1000) * FRAMES_PER_SECOND_MAX) - 1;
  connection.tokensAt = now;
  if (connection.tokens >= 0 || connection.resume !== undefined) return;
  shell.metrics.limitHit('frames');
  socket.pause();
  connection.resume = shell.scheduler.after(Math.ceil((-connection.tokens * 1000) / FRAMES_PER_SECOND_MAX), () => {
    connection.resume = undefined;
    socket.resume();
  });
}

function write({ metrics }: Shell, socket: WebSocket, text: string): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  if (socket.bufferedAmount > UNREAD_BYTES_MAX) {
    metrics.limitHit('unread_bytes');
    socket.terminate();
    return;
  }
  socket.send(text);
}

function checkAll(shell: Shell): void {
  const oldest = shell.scheduler.monotonicMs() - SOCKET_SILENCE_MAX_MS;
  for (const connection of shell.connections) {
    if (connection.heardMonotonicMs < oldest && connection.resume === undefined) {
      shell.metrics.limitHit('socket_silence');
      // Gone since it was last heard, whenever we notice.
      finish(shell, connection, connection.heardAt);
      connection.socket.terminate();
    } else connection.handler.check();
  }
}

/** The connection is over; told to its handler once. */
function finish(shell: Shell, connection: Connection, at: number): void {
  if (connection.done) return;
  connection.done = true;
  connection.resume?.();
  shell.connections.delete(connection);
  shell.metrics.sockets(shell.connections.size);
  const settled = connection.handler.closed(at).finally(() => shell.settling.delete(settled));
  shell.settling.add(settled);
}
