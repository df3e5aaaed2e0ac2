// One connection to Kafka: a kafkajs instance with our own sockets, which a watchdog can destroy (K25), and its log lines in pino.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type ISocketFactoryArgs, Kafka, type KafkaConfig, type LogEntry, logLevel } from 'kafkajs';
import type { Logger } from 'pino';
import { messageOf } from './errors.ts';
import type { Scheduler } from './ports.ts';

/** Where Kafka is and who asks. `ssl` and `sasl` are handed to kafkajs as they are. */
export type KafkaConnection = {
  brokers: readonly string[];
  clientId: string;
  logger: Logger;
  ssl?: KafkaConfig['ssl'];
  sasl?: KafkaConfig['sasl'];
};

/** How patient a client is. `retries` is on top of the first attempt; it must be set here to reach the connection layer (K24). */
export type KafkaPatience = {
  retries: number;
  retryInitialMs: number;
  retryWaitMaxMs: number;
  connectionTimeoutMs: number;
  requestTimeoutMs: number;
};

/** Gateway and admin: fail soon, the caller decides what to do (K24). */
export const SHORT_PATIENCE: KafkaPatience = {
  retries: 2,
  retryInitialMs: 100,
  retryWaitMaxMs: 300,
  connectionTimeoutMs: 500,
  requestTimeoutMs: 3000,
};

/** Consumer: outlive the restart of a broker instead of crashing (K24). */
export const LONG_PATIENCE: KafkaPatience = {
  retries: 60,
  retryInitialMs: 100,
  retryWaitMaxMs: 1000,
  connectionTimeoutMs: 2000,
  requestTimeoutMs: 30_000,
};

const SOCKET_KEEP_ALIVE_MS = 60_000;
const POLITE_CLOSE_MS = 1000;

/** Namespaces whose errors are only half the story: each is retried, or reported by the call that met it. */
const QUIET_NAMESPACES: readonly string[] = ['Connection', 'RequestQueue', 'BrokerPool'];

/** A kafkajs instance and its sockets. */
export type KafkaClient = {
  kafka: Kafka;
  /** Ends every open socket with this error; an end without an error leaves requests hanging (K25). */
  destroySockets(reason: Error): void;
  /** Runs these disconnects; what has not ended after a second loses its sockets. Never throws. */
  close(disconnects: ReadonlyArray<() => Promise<void>>): Promise<void>;
};

/** Makes a client. Nothing connects yet. */
export function openKafka(connection: KafkaConnection, patience: KafkaPatience, scheduler: Scheduler): KafkaClient {
  const sockets = new Set<Socket>();
  const kafka = new Kafka({
    brokers: [...connection.brokers],
    clientId: connection.clientId,
    connectionTimeout: patience.connectionTimeoutMs,
    requestTimeout: patience.requestTimeoutMs,
    retry: retryOf(patience),
    logLevel: connection.logger.isLevelEnabled('debug') ? logLevel.INFO : logLevel.WARN,
    logCreator: () => (entry) => bridgeLog(connection.logger, entry),
    socketFactory: (args) => trackedSocket(args, sockets),
    ...(connection.ssl === undefined ? {} : { ssl: connection.ssl }),
    ...(connection.sasl === undefined ? {} : { sasl: connection.sasl }),
  });
  const destroySockets = (reason: Error) => {
    for (const socket of sockets) socket.destroy(reason);
  };
  return {
    kafka,
    destroySockets,
    async close(disconnects) {
      const cancel = scheduler.after(POLITE_CLOSE_MS, () => destroySockets(new Error('closed')));
      for (const result of await Promise.allSettled(disconnects.map((disconnect) => disconnect()))) {
        if (result.status === 'rejected')
          connection.logger.debug({ error: messageOf(result.reason) }, 'Kafka client did not disconnect cleanly');
      }
      cancel();
      destroySockets(new Error('closed'));
    },
  };
}

/** kafkajs's retry options of a patience. */
export function retryOf(patience: KafkaPatience): { retries: number; initialRetryTime: number; maxRetryTime: number } {
  return { retries: patience.retries, initialRetryTime: patience.retryInitialMs, maxRetryTime: patience.retryWaitMaxMs };
}

function trackedSocket({ host, port, ssl, onConnect }: ISocketFactoryArgs, sockets: Set<Socket>): Socket {
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : connectTcp({ host, port }, onConnect);
  socket.setKeepAlive(true, SOCKET_KEEP_ALIVE_MS);
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  return socket;
}

/** The client's errors are warnings here: what they mean is decided, and logged, by the code that called it. */
function bridgeLog(logger: Logger, { level, namespace, log }: LogEntry): void {
  const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...fields } = log;
  const target = level <= logLevel.WARN && !QUIET_NAMESPACES.includes(namespace) ? 'warn' : 'debug';
  logger[target]({ kafka: namespace, ...fields }, String(message));
}
