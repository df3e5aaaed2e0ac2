// A simulated PostgreSQL for the processor: transactions, the lock on a partition's progress row, lock and idle timeouts, COPY that
// holds locks while its client stands still, connections that break before or after a statement took effect, COMMITs whose answer
// is lost, and a database that goes back to an earlier state. Statements are answered by name (ports.ts); each must be known here.
import type { CopyPayload, Database, DatabaseConnection, Statement } from '../../infra/runtime/ports.ts';
import type { ProgressRow } from '../../processor/sql/progress-row.ts';
import type { SnapshotRow } from '../../processor/sql/read-snapshots.ts';
import { ROLLUP_COUNTS } from '../../processor/sql/rollup-counts.ts';
import { type CopiedRow, integerOf, readCopy, textOf } from './copy-fields.ts';
import type { FaultName } from './faults.ts';
import { createLocks, type Locks } from './sim-locks.ts';
import type { SimProcess, World } from './world.ts';

const QUERY_TIMEOUT_MS = 25_000;
const IDLE_IN_TRANSACTION_MS = 15_000;

export const EMISSION_TABLES = ['sessions', 'custom_events', 'dead_letters', 'duplicate_counts'] as const;
const APPEND_TABLES = [...EMISSION_TABLES, 'watch_sections', 'beacons'] as const;
type AppendTable = (typeof APPEND_TABLES)[number];

export class SqlError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export type ClaimRow = { partition: number; epoch: number; token: string; startOffset: number; startSeq: number; instance: string };
/** Everything committed. Rows are never changed in place, so a copy of the containers is a backup. */
export type Tables = {
  progress: Map<number, ProgressRow>;
  appended: Record<AppendTable, CopiedRow[]>;
  open: Map<string, CopiedRow>;
  rollups: Map<string, readonly number[]>;
  snapshots: (SnapshotRow & { partition: number })[];
  claims: ClaimRow[];
  gaps: { partition: number; from_offset: number; to_offset: number; reason: string; operator: string }[];
};

export const emptyTables = (): Tables => ({
  progress: new Map(),
  appended: { sessions: [], custom_events: [], dead_letters: [], duplicate_counts: [], watch_sections: [], beacons: [] },
  open: new Map(),
  rollups: new Map(),
  snapshots: [],
  claims: [],
  gaps: [],
});

const copyOf = (tables: Tables): Tables => ({
  progress: new Map(tables.progress),
  appended: Object.fromEntries(Object.entries(tables.appended).map(([name, rows]) => [name, rows.slice()])) as Tables['appended'],
  open: new Map(tables.open),
  rollups: new Map(tables.rollups),
  snapshots: tables.snapshots.slice(),
  claims: tables.claims.slice(),
  gaps: tables.gaps.slice(),
});

/** Called with every commit that moved a partition, before it becomes visible; throws what is wrong with it. */
export type CommitCheck = (commit: {
  partition: number;
  before: ProgressRow | undefined;
  after: ProgressRow;
  rows: readonly CopiedRow[];
}) => void;

/** Rollup statements: how many columns after the partition are the key, and how many counts follow them. */
const ROLLUP_COLUMNS: Readonly<Record<string, { keys: number; counts: number }>> = {
  processor_upsert_rollup_daily: { keys: 7, counts: ROLLUP_COUNTS.length },
  processor_upsert_rollup_hourly: { keys: 5, counts: ROLLUP_COUNTS.length },
  processor_upsert_rollup_events_daily: { keys: 7, counts: 1 },
  processor_upsert_rollup_events_hourly: { keys: 7, counts: 1 },
};
type AddedCounts = readonly { key: string; counts: readonly number[] }[];

/** What a rollup statement adds, by key; undefined for other statements. */
export function addedCounts(name: string, params: readonly unknown[]): AddedCounts | undefined {
  const shape = ROLLUP_COLUMNS[name];
  if (shape === undefined) return undefined;
  const columns = params.slice(1) as unknown[][];
  const [keys, counts] = [columns.slice(0, shape.keys), columns.slice(shape.keys, shape.keys + shape.counts)];
  return (columns[0] ?? []).map((_, row) => ({
    key: [name, params[0], ...keys.map((column) => column[row])].join('|'),
    counts: counts.map((column) => column[row] as number),
  }));
}

/** Adds counts to those under the same keys. */
export function addTo(sums: Map<string, readonly number[]>, added: AddedCounts): void {
  for (const { key, counts } of added) {
    const old = sums.get(key);
    sums.set(key, old === undefined ? counts : old.map((count, index) => count + (counts[index] as number)));
  }
}

export type SimDatabase = ReturnType<typeof createSimDatabase>;

/**
 * `control` builds a defect in: noEpochCheck makes the server answer with what the writer last saw of the progress, and
 * accept its position without comparing, as a writer without the checks of D3 and D4 would have it.
 */
export function createSimDatabase(world: World, fault: (name: FaultName) => boolean, checkCommit: CommitCheck, control?: string) {
  let tables = emptyTables();
  let downUntil = 0;
  let nextPid = 100;
  const locks = createLocks(world);
  const connections = new Map<number, SimConnection>();
  const server: Server = {
    world,
    fault,
    locks,
    connections,
    tables: () => tables,
    isDown: () => world.now() < downUntil,
    checkCommit,
    trusting: control === 'noEpochCheck',
    believed: new Map(),
  };
  return {
    tables: () => tables,
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
      for (const connection of [...connections.values()]) connection.breakOff(new SqlError('57P01', 'terminating connection'));
    },
    backup: (): Tables => copyOf(tables),
    /** Back to an earlier state; epochs go back with it, tokens tell (D2, D7). */
    restore(backup: Tables): void {
      for (const connection of [...connections.values()]) connection.breakOff(new SqlError('57P01', 'terminating connection'));
      tables = copyOf(backup);
    },
  };
}

type Server = {
  world: World;
  fault: (name: FaultName) => boolean;
  locks: Locks;
  connections: Map<number, SimConnection>;
  tables: () => Tables;
  isDown: () => boolean;
  checkCommit: CommitCheck;
  /** Control builds: no comparison of epoch, token and position. */
  trusting: boolean;
  /** What each process last saw of a partition's progress, for the control builds. */
  believed: Map<string, ProgressRow>;
};

type Transaction = { writes: ((tables: Tables) => void)[]; progress: Map<number, ProgressRow>; rows: CopiedRow[]; startedAt: number };

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
      this.transaction = { writes: [], progress: new Map(), rows: [], startedAt: this.#server.world.now() };
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
      try {
        this.#apply();
      } catch (thrown) {
        world.failure ??= thrown as Error;
        refuse(thrown as Error);
        return;
      }
      if (fault('commitReplyLost')) this.breakOff(new SqlError('08006', 'connection lost in COMMIT'));
      else done(undefined);
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
        this.#locked(partition, () => done(rowsOf(this.#believed(partition) ?? this.#progress(partition))), refuse);
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
        done(
          this.#server
            .tables()
            .snapshots.filter(
              (row) => row.partition === partition && row.next_offset <= (params[1] as number) && row.emission_seq <= (params[2] as number),
            )
            .sort((a, b) => b.next_offset - a.next_offset || b.epoch - a.epoch),
        );
        return;
      case 'processor_read_gaps':
        done(this.#server.tables().gaps.filter((row) => row.partition === partition));
        return;
      default:
        this.#change(name, params);
        done([]);
    }
  }

  #locked(partition: number, granted: () => void, refuse: (error: Error) => void): void {
    this.#server.locks.take(this, partition, granted, () => refuse(new SqlError('55P03', 'canceling statement due to lock timeout')));
  }

  #believed(partition: number): ProgressRow | undefined {
    return this.#server.trusting ? this.#server.believed.get(`${this.process.name} ${partition}`) : undefined;
  }

  #claimed(partition: number, token: string): ProgressRow | undefined {
    const row = this.#progress(partition);
    if (row === undefined) return undefined;
    const next = { ...row, epoch: row.epoch + 1, claim_token: token };
    this.#setProgress(partition, next);
    if (this.#server.trusting) this.#server.believed.set(`${this.process.name} ${partition}`, next);
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
    if (
      row === undefined ||
      row.epoch !== epoch ||
      row.claim_token !== token ||
      row.next_offset !== oldOffset ||
      row.emission_seq !== oldSeq
    )
      return [];
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
    if (this.#server.trusting) this.#server.believed.set(`${this.process.name} ${partition}`, next);
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

  #change(name: string, params: readonly unknown[]): void {
    const partition = params[0] as number;
    const added = addedCounts(name, params);
    if (added !== undefined) {
      this.#write((tables) => addTo(tables.rollups, added));
      return;
    }
    switch (name) {
      case 'processor_record_claim': {
        const [, epoch, token, startOffset, startSeq, , instance] = params as [number, number, string, number, number, string, string];
        this.#write((tables) => tables.claims.push({ partition, epoch, token, startOffset, startSeq, instance }));
        break;
      }
      case 'processor_write_snapshot': {
        const [
          ,
          epoch,
          nextOffset,
          emissionSeq,
          schemaId,
          foldVersion,
          configHash,
          fingerprintOffset,
          fingerprintHash,
          stateHash,
          checksum,
          payload,
        ] = params as [number, number, number, number, number, number, Buffer, number | null, Buffer | null, Buffer, Buffer, Buffer];
        const row = {
          partition,
          epoch,
          next_offset: nextOffset,
          emission_seq: emissionSeq,
          schema_id: schemaId,
          fold_version: foldVersion,
          config_hash: configHash,
          fingerprint_offset: fingerprintOffset,
          fingerprint_hash: fingerprintHash,
          state_hash: stateHash,
          checksum,
          payload,
        };
        this.#server.world.note('snapshotWritten');
        this.#write((tables) => {
          tables.snapshots = [
            ...tables.snapshots.filter((old) => old.partition !== partition || old.epoch !== epoch || old.next_offset !== nextOffset),
            row,
          ];
        });
        break;
      }
      case 'processor_drop_old_snapshots':
        this.#write((tables) => {
          const mine = tables.snapshots
            .filter((row) => row.partition === partition)
            .sort((a, b) => b.next_offset - a.next_offset || b.epoch - a.epoch);
          const kept = new Set(mine.slice(0, 2));
          tables.snapshots = tables.snapshots.filter((row) => row.partition !== partition || kept.has(row));
        });
        break;
      case 'processor_delete_open_sessions': {
        const [, sites, sessions, videos, parts] = params as [number, string[], string[], string[], number[]];
        const keys = sites.map((site, index) => `${partition} ${site} ${sessions[index]} ${videos[index]} ${parts[index]}`);
        this.#write((tables) => {
          for (const key of keys) tables.open.delete(key);
        });
        break;
      }
      case 'processor_clear_open_sessions':
        this.#write((tables) => {
          for (const key of [...tables.open.keys()]) if (key.startsWith(`${partition} `)) tables.open.delete(key);
        });
        break;
      case 'processor_upsert_rollup_engagement':
      case 'processor_clear_live_viewers':
      case 'processor_write_live_viewers':
      case 'processor_raise_live_minutes':
      case 'processor_upsert_videos':
        break;
      default:
        throw new Error(`the simulated database does not know the statement ${name}`);
    }
  }

  #copied(payload: CopyPayload): void {
    const rows = readCopy(payload.columns, payload.bytes);
    if (payload.table === 'open_sessions') {
      this.#write((tables) => {
        for (const row of rows) {
          const key = `${integerOf(row, 'partition')} ${textOf(row, 'site')} ${textOf(row, 'session')} ${textOf(row, 'video')} ${integerOf(row, 'part')}`;
          if (tables.open.has(key)) throw new SqlError('23505', `open session ${key} twice`);
          tables.open.set(key, row);
        }
      });
      return;
    }
    const table = payload.table as AppendTable;
    if (!APPEND_TABLES.includes(table)) throw new Error(`the simulated database does not know the table ${payload.table}`);
    if ((EMISSION_TABLES as readonly string[]).includes(table)) this.transaction?.rows.push(...rows);
    this.#write((tables) => tables.appended[table].push(...rows));
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
        tables.progress.set(partition, after);
      }
      if (transaction.rows.length > 0 && transaction.progress.size === 0)
        throw new Error('rows were committed without moving the progress (D1)');
      for (const write of transaction.writes) write(tables);
    }
    this.#end();
  }
}

const rowsOf = <T>(row: T | undefined): T[] => (row === undefined ? [] : [row]);
