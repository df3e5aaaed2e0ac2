// The sink's way into PostgreSQL against psql's own \copy of the same rows, and the whole flush (progress, rollups, epoch) against a
// bare COPY of its rows. Needs psql for the first half.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodeCopy } from '../../infra/runtime/copy-binary.ts';
import type { CopyPayload, DatabaseConnection } from '../../infra/runtime/ports.ts';
import { createDatabase } from '../../infra/runtime/postgres.ts';
import { rollupRows, rollupStatements } from '../../processor/rollups.ts';
import { emissionRows } from '../../processor/rows.ts';
import { lockProgress } from '../../processor/sql/lock-progress.ts';
import { runAll } from '../../processor/statements.ts';
import { testDatabase } from '../support/servers.ts';
import { EXAMPLE_SPAN, exampleSessions } from './examples.ts';
import { median, say, spread, table, writeSection } from './report.ts';

const ROWS = 10_000;
const ROUNDS = 7;
const run = promisify(execFile);
const statement = (name: string, text: string) => ({ name, text });

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function psql(url: string, command: string): Promise<boolean> {
  try {
    await run('psql', [url, '-q', '-v', 'ON_ERROR_STOP=1', '-c', command]);
    return true;
  } catch (thrown) {
    if ((thrown as { code?: unknown }).code === 'ENOENT') return false;
    throw thrown;
  }
}

async function copyIn(connection: DatabaseConnection, payload: CopyPayload): Promise<void> {
  const stored = await connection.copy(payload);
  if (stored !== payload.rowCount) throw new Error(`${stored} of ${payload.rowCount} rows stored`);
}

const countOf = (rows: ReturnType<typeof rollupRows>): number => Object.values(rows).reduce((sum, list) => sum + list.length, 0);

/** Prints the figures and writes their section. */
export async function benchCopy(): Promise<void> {
  const { url, drop } = await testDatabase();
  const database = createDatabase({ url, instance: 'bench' });
  const connection = await database.connect('bench');
  const folder = await mkdtemp(join(tmpdir(), 'playhead-bench-'));
  const times: Record<'ours' | 'encode' | 'psqlBinary' | 'psqlText' | 'guarded' | 'flush', number[]> = {
    ours: [],
    encode: [],
    psqlBinary: [],
    psqlText: [],
    guarded: [],
    flush: [],
  };
  try {
    const outputs = exampleSessions(ROWS);
    const tables = emissionRows(outputs, { partition: 0, epoch: 1, writer: 'bench' });
    const sessions = tables.find(({ target }) => target.table === 'sessions') as (typeof tables)[number];
    // The same table without indexes, so that the two ways in are compared and not the indexes.
    await connection.query(statement('bare', 'CREATE TABLE bench_sessions (LIKE sessions)'), []);
    const target = { ...sessions.target, table: 'bench_sessions' };
    const payload = encodeCopy(target, sessions.rows);
    const columns = payload.columns.join(', ');
    await copyIn(connection, payload);
    const binary = join(folder, 'rows.bin');
    const text = join(folder, 'rows.txt');
    await writeFile(binary, payload.bytes);
    const hasPsql = await psql(url, `\\copy bench_sessions (${columns}) to '${text}'`);
    if (!hasPsql) say('  psql is not installed: its rows are left out');
    const clear = (): Promise<unknown> => connection.query(statement('clear', 'TRUNCATE bench_sessions'), []);
    for (let round = 0; round < ROUNDS; round++) {
      await clear();
      times.encode.push(await timed(async () => void encodeCopy(target, sessions.rows)));
      times.ours.push(await timed(() => copyIn(connection, payload)));
      if (hasPsql) {
        await clear();
        const started = await timed(() => psql(url, 'select 1'));
        times.psqlBinary.push(
          (await timed(() => psql(url, `\\copy bench_sessions (${columns}) from '${binary}' (format binary)`))) - started,
        );
        await clear();
        times.psqlText.push((await timed(() => psql(url, `\\copy bench_sessions (${columns}) from '${text}'`))) - started);
      }
    }
    // What a flush really holds: sessions of today.
    const today = exampleSessions(ROWS, 0, { ...EXAMPLE_SPAN, days: 1 });
    const all = emissionRows(today, { partition: 0, epoch: 1, writer: 'bench' }).map(({ target: each, rows }) => encodeCopy(each, rows));
    const rollups = rollupStatements(rollupRows(today), 0);
    const bare: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await connection.query(statement('empty', 'TRUNCATE sessions, watch_sections'), []);
      bare.push(
        await timed(async () => {
          for (const each of all) await copyIn(connection, each);
        }),
      );
      await connection.query(statement('empty', 'TRUNCATE sessions, watch_sections'), []);
      times.guarded.push(
        await timed(async () => {
          await connection.begin();
          await connection.query(lockProgress, [0]);
          for (const each of all) await copyIn(connection, each);
          await connection.query(statement('move', 'UPDATE partition_progress SET next_offset = next_offset + 1 WHERE partition = 0'), []);
          await connection.commit();
        }),
      );
      await connection.query(statement('empty', 'TRUNCATE sessions, watch_sections'), []);
      times.flush.push(
        await timed(async () => {
          await connection.begin();
          for (const each of all) await copyIn(connection, each);
          await runAll(connection, rollups);
          await connection.commit();
        }),
      );
    }
    await report(times, bare, payload, countOf(rollupRows(today)));
  } finally {
    connection.destroy();
    await database.close();
    await rm(folder, { recursive: true, force: true });
    await drop();
  }
}

async function report(
  times: Record<'ours' | 'encode' | 'psqlBinary' | 'psqlText' | 'guarded' | 'flush', number[]>,
  bare: number[],
  payload: CopyPayload,
  rollupCount: number,
): Promise<void> {
  const rate = (ms: readonly number[]): string =>
    `${spread(
      ms.map((each) => ROWS / each),
      0,
    )} K rows/s`;
  const rows: string[][] = [
    [`our COPY binary, ${payload.columns.length} columns, ${(payload.bytes.length / ROWS).toFixed(0)} B a row`, rate(times.ours)],
  ];
  rows.push(['encoding those rows (before BEGIN)', `${((median(times.encode) * 1000) / ROWS).toFixed(2)} us a row`]);
  if (times.psqlBinary.length > 0) {
    rows.push([
      'psql \\copy binary',
      `${rate(times.psqlBinary)}; ours is ${((median(times.psqlBinary) / median(times.ours)) * 100).toFixed(0)} % of it`,
    ]);
    rows.push([
      'psql \\copy text',
      `${rate(times.psqlText)}; ours is ${((median(times.psqlText) / median(times.ours)) * 100).toFixed(0)} % of it`,
    ]);
  }
  rows.push(['bare COPY of sessions and sections with their indexes', rate(bare)]);
  rows.push([
    'the same in a transaction with the locked progress row',
    `${rate(times.guarded)}; ${((median(bare) / median(times.guarded)) * 100).toFixed(0)} % of the bare COPY`,
  ]);
  rows.push([
    `the same with ${rollupCount.toLocaleString('en')} rollup rows for ${ROWS.toLocaleString('en')} sessions of one day`,
    `${rate(times.flush)}; ${((median(bare) / median(times.flush)) * 100).toFixed(0)} % of the bare COPY`,
  ]);
  for (const [name, figure] of rows) say(`  ${name}: ${figure}`);
  await writeSection({
    name: 'copy',
    title: 'Into PostgreSQL',
    command: 'npm run bench -- copy',
    lines: [
      `${ROWS.toLocaleString('en')} sealed sessions with their sections; median (lowest-highest) of ${ROUNDS} rounds.`,
      '',
      ...table(['way', 'figure'], rows),
    ],
  });
}
