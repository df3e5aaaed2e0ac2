// The four doors to the outside: clock, scheduler, log, database. Product code sees the world only through these types;
// the adapters (clock.ts, kafka.ts, postgres.ts) implement them for real, test/sim for the deterministic simulator.
// Imports nothing. Offsets and sequence numbers are safe integers.

/** Wall clock, epoch ms. May step; nothing that changes results may use it. */
export type Clock = { now(): number };

/** A timer that can be cancelled. */
export type Cancel = () => void;

/** Timers, monotonic time, randomness and ids: everything else that is not deterministic. */
export type Scheduler = {
  /** Monotonic ms, for durations. */
  monotonicMs(): number;
  after(ms: number, run: () => void): Cancel;
  every(ms: number, run: () => void): Cancel;
  sleep(ms: number): Promise<void>;
  /** Gives the event loop a turn. */
  yield(): Promise<void>;
  /** [0, 1). */
  random(): number;
  uuid(): string;
};

export type LogRecord = {
  offset: number;
  /** Broker append time, epoch ms. */
  appendAt: number;
  key: Buffer | null;
  value: Buffer | null;
};

export type RecordToAppend = { key: Buffer | null; value: Buffer };

/** Result for one partition of a send: appended at baseOffset.., refused for sure, or not known. */
export type AppendResult = { outcome: 'appended'; baseOffset: number; appendAt: number } | { outcome: 'unknown'; error: Error };

/** Writes to explicit partitions, acks from all in-sync replicas, answer checked per partition (K1). Never throws. */
export type LogWriter = {
  append(batches: ReadonlyMap<number, readonly RecordToAppend[]>): Promise<ReadonlyMap<number, AppendResult>>;
  /** True after a metadata answer, false while the watchdog is rebuilding the client (K25). */
  ready(): boolean;
  close(): Promise<void>;
};

export type LogBounds = { low: number; high: number };

/** Questions about the log, apart from consuming it. */
export type LogAdmin = {
  partitionCount(): Promise<number>;
  bounds(partition: number): Promise<LogBounds>;
  /** The record at this offset, undefined if it is no longer (or not yet) there. */
  fetchOne(partition: number, offset: number): Promise<LogRecord | undefined>;
  close(): Promise<void>;
};

export type LogBatch = {
  partition: number;
  /** Offset after the last record the log holds (for lag). */
  high: number;
  records: readonly LogRecord[];
  /** Tells the group that we live; rethrow what it throws (K12). */
  heartbeat(): Promise<void>;
  /** Marks records up to here as handled, so that the client fetches on from there. */
  resolve(offset: number): void;
};

export type LogConsumerHandlers = {
  /** All partitions now assigned, called synchronously before the first fetch after a join; may repeat (K5). */
  onAssigned(partitions: readonly number[]): void;
  /** May bring batches of partitions no longer owned, or offsets not asked for (K8, K9). Must not await the database (K11). */
  onBatch(batch: LogBatch): Promise<void>;
  /** A heartbeat was answered: proof of membership (K16). */
  onHeartbeat(): void;
  /** The client died; willRestart false = the process must exit (K12). */
  onCrash(error: Error, willRestart: boolean): void;
};

/** A member of the consumer group. pause, resume and seek act in the same turn, and never on unowned partitions (K6, K7). */
export type LogConsumer = {
  start(handlers: LogConsumerHandlers): Promise<void>;
  pause(partitions: readonly number[]): void;
  resume(partitions: readonly number[]): void;
  resumeAll(): void;
  seek(partition: number, offset: number): void;
  /** Hint for lag dashboards; failures are ignored (D1). */
  reportPosition(partition: number, nextOffset: number): void;
  /** Leaves the group. */
  stop(): Promise<void>;
};

/** One SQL statement: its name is its identity (the simulator answers by name), its text is for the server. */
export type Statement<Params extends readonly unknown[], Row> = {
  readonly name: string;
  readonly text: string;
  readonly params?: Params;
  readonly row?: Row;
};

/** Rows encoded for COPY before BEGIN, so that only socket writes happen while a lock is held (D5). */
export type CopyPayload = { statement: string; table: string; columns: readonly string[]; rowCount: number; bytes: Buffer };

export type DatabaseConnection = {
  query<P extends readonly unknown[], R>(statement: Statement<P, R>, params: P): Promise<R[]>;
  /** Rows the server says it stored; the caller compares. */
  copy(payload: CopyPayload): Promise<number>;
  begin(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Ends the socket at once; the server rolls back. Never throws (P1). */
  destroy(): void;
};

export type Database = {
  /** A dedicated connection for one writer (P1). */
  connect(role: string): Promise<DatabaseConnection>;
  close(): Promise<void>;
};
