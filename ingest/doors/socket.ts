// What a door does with a WebSocket. The shell (sockets.ts) has taken the upgrade and bounds what the connection may cost.
import type { DoorRequest } from './door.ts';

/** The life of one connection. Nothing of it may be needed after the process: what must survive is in the log. */
export type SocketHandler = {
  /** A text frame. */
  message(text: string, receivedAt: number): void;
  /** A frame that is no text. */
  unreadable(): void;
  /** Every few seconds: what was allowed may not be any more. */
  check(): void;
  /** The connection is gone since then; called once. Resolves when what it had sent is in the log or given up. Never rejects. */
  closed(at: number): Promise<void>;
};

export type SocketRoute = {
  /** Exact; the prefix `/k/<key>` is taken off before. */
  path: string;
  /** Takes a connection, or refuses it with an HTTP status. */
  open(request: DoorRequest, send: (text: string) => void): SocketHandler | number;
};
