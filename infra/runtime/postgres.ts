// The only importer of pg and pg-copy-streams. Writers get dedicated connections that are destroyed on any doubt (P1-P4, D5);
// readers get a pool of read-only ones.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { PlayheadError } from './errors.ts';
import type { CopyPayload, Database, DatabaseConnection, Statement } from './ports.ts';

/** How rows come back: bigint as a checked safe integer, timestamptz as epoch ms, date as 'YYYY-MM-DD', jsonb parsed. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format === 'binary') return pg.types.getTypeParser(oid, 'binary');
    switch (oid) {
      case pg.types.builtins.INT8:
        return safeInteger;
      case pg.types.builtins.NUMERIC:
        return Number;
      case pg.types.builtins.TIMESTAMPTZ:
        return epochMsOf;
      case pg.types.builtins.DATE:
        return (text: string) => text;
      default:
        return pg.types.getTypeParser(oid, 'text');
    }
  }) as pg.CustomTypesConfig['getTypeParser'],
};

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new PlayheadError('ERR_UNSAFE_INTEGER', `${text} is beyond 2^53: a bigint column holds a value that cannot be right`);
  return value;
}

/** '2026-11-22 10:11:12.345+00' → epoch ms. */
function epochMsOf(text: string): number {
  return new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')).getTime();
}

/** Time limits of a writing connection (D5). All ms. */
export type WriterLimits = {
  connectTimeoutMs: number;
  statementTimeoutMs: number;
  idleInTransactionTimeoutMs: number;
  queryTimeoutMs: number;
  lockTimeoutMs: number;
};
export const WRITER_LIMITS: WriterLimits = {
  connectTimeoutMs: 5_000,
  statementTimeoutMs: 20_000,
  idleInTransactionTimeoutMs: 15_000,
  queryTimeoutMs: 25_000,
  lockTimeoutMs: 2_000,
};

/** Dedicated writing connections; `application_name` is `playhead:<role>:<instance>` so that a claim can tell our own (D5). */
export function createDatabase(options: { url: string; instance: string; limits?: Partial<WriterLimits> }): Database {
  const limits = { ...WRITER_LIMITS, ...options.limits };
  const open = new Set<WriterConnection>();
  return {
    async connect(role) {
      const connection = new WriterConnection({
        url: options.url,
        applicationName: `playhead:${role}:${options.instance}`.slice(0, 63),
        limits,
      });
      await connection.open();
      open.add(connection);
      connection.onEnd(() => open.delete(connection));
      return connection;
    },
    async close() {
      for (const connection of open) connection.destroy();
      open.clear();
    },
  };
}

class WriterConnection implements DatabaseConnection {
  readonly #client: pg.Client;
  readonly #queryTimeoutMs: number;
  #ended = false;
  #onEnd: () => void = () => {};

  constructor(options: { url: string; applicationName: string; limits: WriterLimits }) {
    const { limits } = options;
    this.#queryTimeoutMs = limits.queryTimeoutMs;
    this.#client = new pg.Client({
      connectionString: options.url,
      application_name: options.applicationName,
      connectionTimeoutMillis: limits.connectTimeoutMs,
      query_timeout: limits.queryTimeoutMs,
      statement_timeout: limits.statementTimeoutMs,
      idle_in_transaction_session_timeout: limits.idleInTransactionTimeoutMs,
      lock_timeout: limits.lockTimeoutMs,
      keepAlive: true,
      options:
        '-c timezone=UTC -c client_connection_check_interval=5s -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000',
      types,
    });
    // Idle disconnects arrive here and would otherwise end the process (P3).
    this.#client.on('error', () => this.destroy());
    this.#client.once('end', () => this.#finish());
  }

  onEnd(run: () => void): void {
    this.#onEnd = run;
  }

  async open(): Promise<void> {
    try {
      await this.#client.connect();
    } catch (thrown) {
      this.destroy();
      throw thrown;
    }
  }

  async query<P extends readonly unknown[], R>(statement: Statement<P, R>, params: P): Promise<R[]> {
    const result = await this.#client.query({ name: statement.name, text: statement.text, values: [...params] });
    return result.rows as R[];
  }

  async copy(payload: CopyPayload): Promise<number> {
    const stream = this.#client.query(copyFrom(payload.statement));
    // pg's query_timeout does not reach a COPY stream once data flows, so the limit is set here (P2).
    const timer = setTimeout(
      () => stream.destroy(new PlayheadError('ERR_COPY_TIMEOUT', `COPY into ${payload.table} took longer than ${this.#queryTimeoutMs} ms`)),
      this.#queryTimeoutMs,
    );
    try {
      await pipeline(Readable.from(slices(payload.bytes), { objectMode: false }), stream);
    } finally {
      clearTimeout(timer);
    }
    return stream.rowCount ?? -1;
  }

  async begin(): Promise<void> {
    await this.#client.query('BEGIN');
  }

  async commit(): Promise<void> {
    await this.#client.query('COMMIT');
  }

  async rollback(): Promise<void> {
    await this.#client.query('ROLLBACK');
  }

  destroy(): void {
    (this.#client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    this.#finish();
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
  }
}

const SLICE_BYTES = 64 * 1024;

function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}

/** A pool for readers. Every query runs in a read-only session with a statement timeout (Q3, Q4). */
export type ReadPool = {
  query<P extends readonly unknown[], R>(statement: Statement<P, R>, params: P): Promise<R[]>;
  counts(): { total: number; idle: number; waiting: number };
  close(): Promise<void>;
};

export type PoolOptions = {
  url: string;
  applicationName: string;
  poolSize: number;
  statementTimeoutMs: number;
  /** false for the few routes that administrate (keys, videos). */
  readOnly?: boolean;
  onError?: (error: Error) => void;
};

/** Creates a pool. Connections are made on demand; a lost one is replaced. Text of a statement is sent unnamed: plans must see the parameters. */
export function createReadPool(options: PoolOptions): ReadPool {
  const readOnly = options.readOnly === false ? '' : ' -c default_transaction_read_only=on';
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName.slice(0, 63),
    max: options.poolSize,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + 2_000,
    keepAlive: true,
    options: `-c timezone=UTC -c jit=off${readOnly}`,
    types,
  });
  pool.on('error', (error) => options.onError?.(error));
  return {
    async query(statement, params) {
      const result = await pool.query({ text: statement.text, values: [...params] });
      return result.rows;
    },
    counts: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => pool.end(),
  };
}
