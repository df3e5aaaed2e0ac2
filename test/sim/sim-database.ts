// A simulated PostgreSQL for the processor: transactions, the lock on a partition's progress row, lock and idle timeouts, COPY that
// holds locks while its client stands still, connections that break before or after a statement took effect, COMMITs whose answer
// is lost, and a database that goes back to an earlier state. Statements are answered by name (ports.ts); each must be known here.
import type { CopyPayload, Database, DatabaseConnection, Statement } from '../../infra/runtime/ports.ts';
import type { ProgressRow } from '../../processor/sql/progress-row.ts';
import type { Control } from './controls.ts';
import { type CopiedRow, integerOf, readCopy, textOf } from './copy-fields.ts';
import type { FaultName } from './faults.ts';
import { createLocks, type Locks } from './sim-locks.ts';
import { change } from './sim-statements.ts';
import {
  APPEND_TABLES,
  type AppendTable,
  type CommitCheck,
  copyOf,
  EMISSION_TABLES,
  emptyTables,
  type StoredSnapshot,
  type Tables,
} from './sim-tables.ts';
import type { SimProcess, World } from './world.ts';

const QUERY_TIMEOUT_MS = 25_000;
const IDLE_IN_TRANSACTION_MS = 15_000;
/** Rows looked at on their own go to temporary tables (H13). */
const PROBE_PREFIX = 'probe_';
/** Rows of these tables name a session. */
const SESSION_TABLES: readonly string[] = ['sessions', 'open_sessions'];

export class SqlError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export type SimDatabase = ReturnType<typeof createSimDatabase>;

export type SimDatabaseDeps = {
  world: World;
  fault: (name: FaultName) => boolean;
  checkCommit: CommitCheck;
  /** A session of which the database takes no row (F28). */
  refused: string | undefined;
  control: Control | undefined;
};

/** What a server believes instead of comparing: the control builds of NC3 and D4 at their seam. */
type Belief = { epoch: boolean; position: boolean };
const BELIEFS: Partial<Record<Control, Belief>> = {
  noEpochCheck: { epoch: true, position: false },
  noChecks: { epoch: true, position: true },
  retryAmbiguousCommit: { epoch: false, position: true },
};

/** Creates the server. Statements are answered by name; each must be known here. */
export function createSimDatabase({ world, fault, checkCommit, refused, control }: SimDatabaseDeps) {
  let tables = emptyTables();
  let downUntil = 0;
  let nextPid = 100;
  const connections = new Map<number, SimConnection>();
  const breakAll = (): void => {
    for (const connection of [...connections.values()]) connection.breakOff(new SqlError('57P01', 'terminating connection'));
  };
  const server: Server = {
    world,
    fault,
    refused,
    locks: createLocks(world),
    connections,
    tables: () => tables,
    isDown: () => world.now() < downUntil,
    checkCommit,
    belief: (control && BELIEFS[control]) ?? { epoch: false, position: false },
    believed: new Map(),
  };
  return {
    tables: () => tables,
    /** Every snapshot ever committed, deleted ones too. */
    taken: (): readonly StoredSnapshot[] => tables.taken,
    database(process: SimProcess): Database {
      return {
        connect: (role) =>
          new Promise<DatabaseConnection>((resolve, reject) => {
            world.schedule(process, world.random.integer(2, 20), `${process.name} connects`, () => {
              if (server.isDown()) return reject(new SqlError('08006', 'connection refused'));
              const connection = new SimConnection(server, process, nextPid++, `playhead:${role}:${process.name}`);
              connections.set(connection.pid, connection);
              resolve(connection);
            });
          }),
        close: async () => {
          for (const connection of connections.values()) if (connection.process === process) connection.destroy();
        },
      };
    },
    /** The server goes away with everything uncommitted, and comes back later. */
    takeDown(ms: number): void {
      downUntil = world.now() + ms;
      breakAll();
    },
    backup: (): Tables => copyOf(tables),
    /** Back to an earlier state; epochs go back with it, tokens tell (D2, D7). Snapshots may stay behind, from a future that never was. */
    restore(backup: Tables): void {
      breakAll();
      const { snapshots } = tables;
      tables = copyOf(backup);
      if (Array.from({ length: 12 }).some(() => fault('snapshotAhead')))
        tables.snapshots = [...new Set([...tables.snapshots, ...snapshots])];
    },
    /** An operator accepts that these records are lost (D25). */
    acceptGap(partition: number, from: number, to: number): void {
      tables.gaps.push({ partition, from_offset: from, to_offset: to, reason: 'simulated', operator: 'operator' });
    },
  };
}

type Server = {
  world: World;
  fault: (name: FaultName) => boolean;
  refused: string | undefined;
  locks: Locks;
  connections: Map<number, SimConnection>;
  tables: () => Tables;
  isDown: () => boolean;
  checkCommit: CommitCheck;
  belief: Belief;
  /** What each process last learned of a partition's progress, for the control builds. */
  believed: Map<string, ProgressRow>;
};

type Transaction = {
  writes: ((tables: Tables) => void)[];
  progress: Map<number, ProgressRow>;
  rows: CopiedRow[];
  /** Provisional rows were cleared: the state begins empty (D25). */
  cleared: boolean;
  startedAt: number;
};

export class SimConnection implements DatabaseConnection {
  readonly pid: number;
  readonly process: SimProcess;
  readonly applicationName: string;
  readonly #server: Server;
  transaction: Transaction | undefined;
  #broken: Error | undefined;
  #running: ((error: Error) => void) | undefined;
  #calls = 0;
  #stopTimeout: () => void = () => {};
  #stopIdle: () => void = () => {};

  constructor(server: Server, process: SimProcess, pid: number, applicationName: string) {
    this.#server = server;
    this.process = process;
    this.pid = pid;
    this.applicationName = applicationName;
    process.onKill.push(() =>
      server.world.schedule(undefined, 1, 'server sees the client gone', () => this.breakOff(new Error('client gone'))),
    );
  }

  query<P extends readonly unknown[], R>(statement: Statement<P, R>, params: P): Promise<R[]> {
    return this.#call(statement.name, (done, refuse) => {
      try {
        this.#execute(statement.name, params, (rows) => done(rows as R[]), refuse);
      } catch (thrown) {
        refuse(thrown as Error);
      }
    });
  }

  copy(payload: CopyPayload): Promise<number> {
    const { world, fault } = this.#server;
    return this.#call(`copy ${payload.table}`, (done, refuse) => {
      const finish = (): void => {
        if (this.#broken !== undefined) return;
        try {
          this.#copied(payload);
          done(payload.rowCount);
        } catch (thrown) {
          refuse(thrown as Error);
        }
      };
      // The client sends the data: while it stands still the server waits with its locks held, and no timeout ends that (D5).
      if (!fault('copyStalls')) world.schedule(this.process, world.random.integer(1, 6), `${this.process.name} sends copy data`, finish);
    });
  }

  begin(): Promise<void> {
    return this.#call('BEGIN', (done) => {
      this.transaction = { writes: [], progress: new Map(), rows: [], cleared: false, startedAt: this.#server.world.now() };
      done(undefined);
    });
  }

  commit(): Promise<void> {
    const { world, fault } = this.#server;
    return this.#call('COMMIT', (done, refuse) => {
      if (fault('commitLost')) {
        this.breakOff(new SqlError('08006', 'connection lost in COMMIT'));
        return;
      }
      const moved = this.transaction?.progress ?? new Map<number, ProgressRow>();
      try {
        this.#apply();
      } catch (thrown) {
        world.failure ??= thrown as Error;
        refuse(thrown as Error);
        return;
      }
      if (fault('commitReplyLost')) return this.breakOff(new SqlError('08006', 'connection lost in COMMIT'));
      for (const [partition, row] of moved) this.#learn(partition, row);
      done(undefined);
    });
  }

  rollback(): Promise<void> {
    return this.#call('ROLLBACK', (done) => {
      this.#end();
      done(undefined);
    });
  }

  destroy(): void {
    this.breakOff(new SqlError('08003', 'connection destroyed'));
  }

  /** The connection is gone: the transaction rolls back, locks are free, a waiting call fails. */
  breakOff(error: Error): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#end();
    this.#server.locks.forget(this);
    this.#server.connections.delete(this.pid);
    const running = this.#running;
    this.#running = undefined;
    if (running !== undefined) this.#server.world.schedule(this.process, 1, `${this.process.name} sees an error`, () => running(error));
  }

  #end(): void {
    this.transaction = undefined;
    this.#server.locks.release(this);
  }

  /** One request and its answer. `run` executes at the server, whatever has become of the client by then. */
  #call<T>(what: string, run: (done: (value: T) => void, refuse: (error: Error) => void) => void): Promise<T> {
    const { world, fault } = this.#server;
    const call = ++this.#calls;
    this.#stopIdle();
    return new Promise<T>((resolve, reject) => {
      if (this.#broken !== undefined) {
        const error = this.#broken;
        world.schedule(this.process, 1, `${this.process.name} broken connection`, () => reject(error));
        return;
      }
      this.#running = reject;
      const slowMs = fault('databaseSlow') ? world.random.integer(500, 4_000) : 0;
      world.schedule(undefined, slowMs + world.random.integer(1, 5), `server ${what}`, () => {
        if (this.#broken !== undefined) return;
        if (fault('resetBefore')) return this.breakOff(new SqlError('08006', 'connection reset'));
        run(
          (value) => this.#answer(call, what, () => resolve(value)),
          (error) => this.#answer(call, what, () => reject(error)),
        );
      });
      this.#stopTimeout();
      this.#stopTimeout = world.schedule(this.process, QUERY_TIMEOUT_MS, 'query timeout', () => {
        if (this.#calls === call && this.#running !== undefined)
          this.breakOff(new Error(`no answer to ${what} within ${QUERY_TIMEOUT_MS} ms`));
      });
    });
  }

  #answer(call: number, what: string, give: () => void): void {
    const { world, fault } = this.#server;
    if (this.#broken !== undefined) return;
    if (what !== 'COMMIT' && fault('resetAfter')) return this.breakOff(new SqlError('08006', 'connection reset'));
    world.schedule(this.process, world.random.integer(1, 5), `${this.process.name} ${what} answered`, () => {
      if (this.#calls === call) this.#running = undefined;
      this.#stopTimeout();
      give();
    });
    if (this.transaction === undefined) return;
    const transaction = this.transaction;
    this.#stopIdle = world.schedule(undefined, IDLE_IN_TRANSACTION_MS, 'idle in transaction', () => {
      if (this.#calls === call && this.transaction === transaction) {
        world.note('idleInTransactionEnded');
        this.breakOff(new SqlError('25P03', 'idle in transaction'));
      }
    });
  }

  /** The progress row as this transaction sees it. */
  #progress(partition: number): ProgressRow | undefined {
    return this.transaction?.progress.get(partition) ?? this.#server.tables().progress.get(partition);
  }

  #execute(name: string, params: readonly unknown[], done: (rows: unknown[]) => void, refuse: (error: Error) => void): void {
    const partition = params[0] as number;
    switch (name) {
      case 'processor_lock_progress':
        this.#locked(partition, () => done(rowsOf(this.#told(partition))), refuse);
        return;
      case 'processor_ensure_progress':
        // An INSERT of a key that another transaction is inserting waits for its end, ON CONFLICT or not.
        this.#locked(
          partition,
          () => {
            this.#ensureProgress(params);
            done([]);
          },
          refuse,
        );
        return;
      case 'processor_claim_progress':
        this.#locked(partition, () => done(rowsOf(this.#claimed(partition, params[1] as string))), refuse);
        return;
      case 'processor_move_progress':
        this.#locked(partition, () => done(this.#moved(params)), refuse);
        return;
      case 'processor_backend_pid':
        done([{ pid: this.pid }]);
        return;
      case 'processor_find_lock_holders':
        done(
          this.#server.locks.holdersBlocking(params[0] as number).map((holder) => ({
            pid: holder.pid,
            application_name: holder.applicationName,
            transaction_ms: this.#server.world.now() - (holder.transaction?.startedAt ?? this.#server.world.now()),
          })),
        );
        return;
      case 'processor_terminate_backend':
        this.#server.world.note('backendTerminated');
        this.#server.connections.get(params[0] as number)?.breakOff(new SqlError('57P01', 'terminated by an administrator'));
        done([{ terminated: true }]);
        return;
      case 'processor_read_snapshots':
        done(this.#snapshots(params as [number, number, number]));
        return;
      case 'processor_read_gaps':
        done(this.#server.tables().gaps.filter((row) => row.partition === partition));
        return;
      default:
        if (name.startsWith('processor_create_probe_')) return done([]);
        if (name === 'processor_clear_open_sessions' && this.transaction !== undefined) this.transaction.cleared = true;
        if (name === 'processor_write_snapshot')
          this.#server.world.note('snapshotWritten', `${this.process.name} partition ${partition} at ${params[2]}`);
        change((apply) => this.#write(apply), name, params);
        done([]);
    }
  }

  #snapshots([partition, nextOffset, emissionSeq]: [number, number, number]): StoredSnapshot[] {
    const { fault, world } = this.#server;
    const tables = this.#server.tables();
    const newestFirst = (a: StoredSnapshot, b: StoredSnapshot): number => b.next_offset - a.next_offset || b.epoch - a.epoch;
    const mine = tables.snapshots.filter((row) => row.partition === partition).sort(newestFirst);
    if (mine[0] !== undefined && fault('snapshotCorrupt')) {
      const payload = Buffer.from(mine[0].payload.subarray(0, world.random.chance(0.3) ? mine[0].payload.length >> 1 : undefined));
      payload[payload.length >> 1] = (payload[payload.length >> 1] as number) ^ 0x10;
      const damaged = { ...mine[0], payload };
      tables.snapshots = tables.snapshots.map((row) => (row === mine[0] ? damaged : row));
      mine[0] = damaged;
    }
    // The statement asks for S <= P; where snapshots are ahead the answer shows them, and the reader must not believe them (H1).
    return mine.filter((row) => (row.next_offset > nextOffset ? this.#ahead(row) : row.emission_seq <= emissionSeq));
  }

  #ahead(row: StoredSnapshot): boolean {
    this.#server.world.note('snapshotAheadShown', `${row.next_offset}`);
    return true;
  }

  #locked(partition: number, granted: () => void, refuse: (error: Error) => void): void {
    this.#server.locks.take(this, partition, granted, () => refuse(new SqlError('55P03', 'canceling statement due to lock timeout')));
  }

  #learn(partition: number, row: ProgressRow): void {
    this.#server.believed.set(`${this.process.name} ${partition}`, row);
  }

  /** The progress row as this writer is told: the truth, but in control builds. */
  #told(partition: number): ProgressRow | undefined {
    const row = this.#progress(partition);
    const { belief, believed } = this.#server;
    const mine = believed.get(`${this.process.name} ${partition}`);
    if (row === undefined || mine === undefined) return row;
    return {
      ...row,
      ...(belief.epoch ? { epoch: mine.epoch, claim_token: mine.claim_token } : {}),
      ...(belief.position ? { next_offset: mine.next_offset, emission_seq: mine.emission_seq } : {}),
    };
  }

  #claimed(partition: number, token: string): ProgressRow | undefined {
    const row = this.#progress(partition);
    if (row === undefined) return undefined;
    const next = { ...row, epoch: row.epoch + 1, claim_token: token };
    this.#setProgress(partition, next);
    this.#learn(partition, next);
    return next;
  }

  #moved(params: readonly unknown[]): { moved: number }[] {
    const [
      partition,
      epoch,
      token,
      oldOffset,
      oldSeq,
      newOffset,
      newSeq,
      foldVersion,
      configHash,
      fingerprintOffset,
      fingerprintHash,
      streamTime,
      ledger,
    ] = params as [
      number,
      number,
      string,
      number,
      number,
      number,
      number,
      number,
      Buffer,
      number | null,
      Buffer | null,
      number | null,
      string,
    ];
    const row = this.#progress(partition);
    const { belief } = this.#server;
    if (row === undefined) return [];
    if (!belief.epoch && (row.epoch !== epoch || row.claim_token !== token)) return [];
    if (!belief.position && (row.next_offset !== oldOffset || row.emission_seq !== oldSeq)) return [];
    const next: ProgressRow = {
      ...row,
      next_offset: newOffset,
      emission_seq: newSeq,
      fold_version: foldVersion,
      config_hash: configHash,
      fingerprint_offset: fingerprintOffset,
      fingerprint_hash: fingerprintHash,
      stream_time: streamTime,
      ledger: JSON.parse(ledger),
    };
    this.#setProgress(partition, next);
    return [{ moved: 1 }];
  }

  #setProgress(partition: number, row: ProgressRow): void {
    if (this.transaction !== undefined) this.transaction.progress.set(partition, row);
    else this.#server.tables().progress.set(partition, row);
  }

  #ensureProgress(params: readonly unknown[]): void {
    const [partition, token, foldVersion, configHash, ledger] = params as [number, string, number, Buffer, string];
    if (this.#progress(partition) !== undefined) return;
    this.#setProgress(partition, {
      epoch: 0,
      claim_token: token,
      next_offset: 0,
      emission_seq: 0,
      fold_version: foldVersion,
      config_hash: configHash,
      fingerprint_offset: null,
      fingerprint_hash: null,
      stream_time: null,
      ledger: JSON.parse(ledger),
    });
  }

  /** Writes apply at COMMIT, or at once outside a transaction. */
  #write(apply: (tables: Tables) => void): void {
    if (this.transaction !== undefined) this.transaction.writes.push(apply);
    else apply(this.#server.tables());
  }

  #copied(payload: CopyPayload): void {
    const rows = readCopy(payload.columns, payload.bytes);
    const name = payload.table.startsWith(PROBE_PREFIX) ? payload.table.slice(PROBE_PREFIX.length) : payload.table;
    const { refused, world } = this.#server;
    if (refused !== undefined && SESSION_TABLES.includes(name) && rows.some((row) => textOf(row, 'session') === refused)) {
      world.note('fault:rowRefused', payload.table);
      throw new SqlError('22003', `value out of range in ${payload.table}`);
    }
    if (name !== payload.table) return;
    if (name === 'open_sessions') return this.#copiedOpen(rows);
    const table = name as AppendTable;
    if (!APPEND_TABLES.includes(table)) throw new Error(`the simulated database does not know the table ${name}`);
    if ((EMISSION_TABLES as readonly string[]).includes(table)) this.transaction?.rows.push(...rows);
    this.#write((tables) => tables.appended[table].push(...rows));
  }

  #copiedOpen(rows: readonly CopiedRow[]): void {
    this.#write((tables) => {
      for (const row of rows) {
        const key = `${integerOf(row, 'partition')} ${textOf(row, 'site')} ${textOf(row, 'session')} ${textOf(row, 'video')} ${integerOf(row, 'part')}`;
        if (tables.open.has(key)) throw new SqlError('23505', `open session ${key} twice`);
        tables.open.set(key, row);
      }
    });
  }

  #noteMove(partition: number, before: ProgressRow | undefined, after: ProgressRow): void {
    const [offset, seq] = [before?.next_offset ?? 0, before?.emission_seq ?? 0];
    const where = `${this.process.name} partition ${partition}: epoch ${after.epoch}`;
    if (before?.claim_token !== after.claim_token) this.#server.world.note('claim', `${where} from offset ${offset}, emission ${seq}`);
    else this.#server.world.note('commit', `${where}, offset ${offset} to ${after.next_offset}, emission ${seq} to ${after.emission_seq}`);
  }

  #apply(): void {
    const { transaction } = this;
    if (transaction !== undefined) {
      const tables = this.#server.tables();
      for (const [partition, after] of transaction.progress) {
        const before = tables.progress.get(partition);
        if (
          before === undefined ||
          after.next_offset !== before.next_offset ||
          after.emission_seq !== before.emission_seq ||
          transaction.rows.length > 0
        ) {
          this.#server.checkCommit({ partition, before, after, rows: transaction.rows });
        }
        noteJump(tables, partition, before, after, transaction.cleared);
        this.#noteMove(partition, before, after);
        tables.progress.set(partition, after);
      }
      if (transaction.rows.length > 0 && transaction.progress.size === 0)
        throw new Error('rows were committed without moving the progress (D1)');
      for (const write of transaction.writes) write(tables);
    }
    this.#end();
  }
}

/** A position that moves without a last folded record went over an accepted gap (D25). */
function noteJump(tables: Tables, partition: number, before: ProgressRow | undefined, after: ProgressRow, emptied: boolean): void {
  const from = before?.next_offset ?? 0;
  if (!emptied && (after.fingerprint_offset !== null || after.next_offset <= from)) return;
  const gaps = tables.gaps.filter((gap) => gap.partition === partition && gap.to_offset <= after.next_offset);
  // A warm state that was ahead of the position went over the gap behind what it had folded.
  const places = gaps.map((gap) => gap.from_offset).filter((offset) => offset >= from);
  const at = emptied || places.length === 0 ? from : Math.min(...places);
  tables.jumps.push({ partition, at, resume: after.next_offset, emptied });
}

const rowsOf = <T>(row: T | undefined): T[] => (row === undefined ? [] : [row]);
