// The migrations against a real PostgreSQL: complete, repeatable, safe when several run at once, and able to refuse.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkSchema, migrate, migrationNames, SQL_DIRECTORY } from '../../../infra/runtime/migrations.ts';
import { createReadPool } from '../../../infra/runtime/postgres.ts';
import { testDatabase } from '../../support/servers.ts';

const scratch = await mkdtemp(join(tmpdir(), 'playhead-migrations-'));
after(() => rm(scratch, { recursive: true, force: true }));

async function tables(url: string): Promise<string[]> {
  const pool = createReadPool({ url, applicationName: 'test', poolSize: 1, statementTimeoutMs: 5000 });
  try {
    const rows = await pool.query<[], { name: string }>(
      { name: 'tables', text: "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1" },
      [],
    );
    return rows.map(({ name }) => name);
  } finally {
    await pool.close();
  }
}

test('an empty database gets every core migration once', async () => {
  const { url } = await testDatabase({ migrated: false });
  const first = await migrate({ databaseUrl: url, timescale: 'auto' });
  assert.deepEqual(first.core, migrationNames('core'));
  const second = await migrate({ databaseUrl: url, timescale: 'auto' });
  assert.deepEqual(second.core, []);
  const found = await tables(url);
  for (const table of ['sessions', 'watch_sections', 'partition_progress', 'rollup_daily', 'migrations_core'])
    assert.ok(found.includes(table), table);
});

test('two runners at once: one works, the other waits and finds nothing to do', async () => {
  const { url } = await testDatabase({ migrated: false });
  const results = await Promise.all([migrate({ databaseUrl: url, timescale: 'off' }), migrate({ databaseUrl: url, timescale: 'off' })]);
  assert.deepEqual(results.map(({ core }) => core.length).sort(), [0, migrationNames('core').length]);
});

test('a database without migrations is refused with what to do, a migrated one is accepted', async () => {
  const empty = await testDatabase({ migrated: false });
  await assert.rejects(checkSchema(empty.url), { code: 'ERR_SCHEMA_OLD', message: /npm run migrate/ });
  const migrated = await testDatabase();
  await checkSchema(migrated.url);
});

test('a breaking migration that this binary does not know makes it refuse', async () => {
  const { url } = await testDatabase();
  await cp(SQL_DIRECTORY, scratch, { recursive: true });
  await writeFile(join(scratch, 'core', '9999_later.sql'), '--! breaking\n-- Up Migration\nCREATE TABLE later (id integer);\n');
  const { core } = await migrate({ databaseUrl: url, timescale: 'off', directory: scratch });
  assert.deepEqual(core, ['9999_later']);
  await assert.rejects(checkSchema(url), { code: 'ERR_SCHEMA_NEW', message: /9999_later/ });
});

test('a migration that fails leaves nothing behind', async () => {
  const { url } = await testDatabase();
  const before = await tables(url);
  const broken = await mkdtemp(join(scratch, 'broken-'));
  await cp(SQL_DIRECTORY, broken, { recursive: true });
  await writeFile(join(broken, 'core', '9999_broken.sql'), '-- Up Migration\nCREATE TABLE half (id integer);\nSELECT 1 / 0;\n');
  await assert.rejects(migrate({ databaseUrl: url, timescale: 'off', directory: broken }), {
    code: 'ERR_MIGRATION',
    message: /division by zero/,
  });
  assert.deepEqual(await tables(url), before);
});

test('TimescaleDB asked for but missing is said', async () => {
  const { url } = await testDatabase();
  await assert.rejects(migrate({ databaseUrl: url, timescale: 'apache' }), { code: 'ERR_TIMESCALE_MISSING' });
});

test('every migration says whether it breaks older binaries', async () => {
  for (const layer of ['core', 'timescale', 'timescale-tsl'] as const) {
    for (const name of migrationNames(layer)) {
      const text = await readFile(join(SQL_DIRECTORY, layer, `${name}.sql`), 'utf8');
      assert.match(text, /^--! breaking|^-- breaking: no/m, name);
    }
  }
});
