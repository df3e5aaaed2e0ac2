// Commands of an operator against a real database: keys and their life, and an audit that finds what was broken on purpose.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePartition } from '../../../infra/cli/audit.ts';
import { createKey, createSite, listKeys, revokeKey, rotateKey } from '../../../infra/cli/keys.ts';
import { auditEmissions } from '../../../infra/cli/sql/audit-emissions.ts';
import { createReadPool, type ReadPool } from '../../../infra/runtime/postgres.ts';
import { playhead as command, type Outcome } from '../../support/cli.ts';
import { testDatabase } from '../../support/servers.ts';

async function withPool(body: (pool: ReadPool, url: string) => Promise<void>): Promise<void> {
  const { url, drop } = await testDatabase();
  const pool = createReadPool({ url, applicationName: 'test', poolSize: 2, statementTimeoutMs: 10_000, readOnly: false });
  try {
    await body(pool, url);
  } finally {
    await pool.close();
    await drop();
  }
}

const playhead = (url: string, ...args: string[]): Promise<Outcome> => command({ DATABASE_URL: url }, ...args);

test('a key is made, replaced and revoked; a read key is kept as a hash only', () =>
  withPool(async (pool) => {
    const read = await createKey(pool, { site: 'shop', kind: 'read', scopes: ['query'], label: 'report' });
    assert.match(read.text, /^sk_[0-9a-f]{48}$/);
    const [stored] = await pool.query<[], { row: string }>({ name: 'row', text: 'SELECT keys::text AS row FROM keys' }, []);
    assert.ok(!stored?.row.includes(read.text));
    const next = await rotateKey(pool, read.id);
    assert.notEqual(next.text, read.text);
    await revokeKey(pool, read.id);
    await assert.rejects(rotateKey(pool, read.id), { code: 'ERR_KEY', message: /revoked/ });
    const rows = await listKeys(pool, 'shop');
    assert.deepEqual(
      rows.map(({ id, scopes, label, replaced_by: replacedBy, revoked_at: revokedAt }) => ({
        id,
        scopes,
        label,
        replacedBy,
        revoked: revokedAt !== null,
      })),
      [
        { id: read.id, scopes: ['query'], label: 'report', replacedBy: next.id, revoked: true },
        { id: next.id, scopes: ['query'], label: 'report', replacedBy: null, revoked: false },
      ],
    );
  }));

test('names and wishes that make no sense are refused with what to do', () =>
  withPool(async (pool) => {
    await assert.rejects(createSite(pool, 'a/b'), { code: 'ERR_SITE' });
    await assert.rejects(createKey(pool, { site: 'shop', kind: 'read', scopes: [] }), { code: 'ERR_KEY', message: /scope/ });
    await assert.rejects(revokeKey(pool, 'key_none'), { code: 'ERR_KEY', message: /keys list/ });
    assert.equal((await createKey(pool, { site: 'shop', kind: 'write', scopes: [], id: 'key_a', text: 'pk_shop' })).made, true);
    assert.equal((await createKey(pool, { site: 'shop', kind: 'write', scopes: [], id: 'key_a', text: 'pk_shop' })).made, false);
  }));

const insertLetter = (partition: number, seq: number, offset: number, epoch: number) => ({
  name: 'letter',
  text: `INSERT INTO dead_letters (site, session, event_index, seq, reason, detail, payload, events, append_at, partition, emission_seq, source_offset, epoch, writer)
VALUES ('', '', -1, -1, 'r', '', '', 0, '2026-01-01T00:00:00Z', ${partition}, ${seq}, ${offset}, ${epoch}, 'w')`,
});
const insertProgress = (partition: number, seq: number) => ({
  name: 'progress',
  text: `INSERT INTO partition_progress (partition, epoch, claim_token, next_offset, emission_seq, fold_version, config_hash, ledger)
VALUES (${partition}, 2, gen_random_uuid(), 10, ${seq}, 1, '', '{"eventsInLog":5,"folded":5}')`,
});

test('the audit finds gaps, repeats, falling order and rows of an old epoch, each in its partition', () =>
  withPool(async (pool, url) => {
    const plan: [partition: number, seq: number, rows: [number, number, number][]][] = [
      [
        0,
        2,
        [
          [1, 5, 1],
          [2, 6, 1],
        ],
      ],
      [
        1,
        3,
        [
          [1, 5, 1],
          [3, 6, 1],
        ],
      ],
      [
        2,
        2,
        [
          [1, 9, 1],
          [2, 6, 1],
        ],
      ],
      [
        3,
        2,
        [
          [1, 5, 2],
          [2, 6, 1],
        ],
      ],
    ];
    for (const [partition, seq, rows] of plan) {
      await pool.query(insertProgress(partition, seq), []);
      for (const [number, offset, epoch] of rows) await pool.query(insertLetter(partition, number, offset, epoch), []);
    }
    await pool.query(
      {
        name: 'claim',
        text: "INSERT INTO partition_claims (partition, epoch, claim_token, start_offset, start_seq, consumer_group, instance) VALUES (3, 2, gen_random_uuid(), 0, 0, 'g', 'i')",
      },
      [],
    );
    const verdicts = (await pool.query(auditEmissions, [null])).map((row) => judgePartition(row, false).problems.join());
    assert.deepEqual(verdicts[0], '');
    assert.match(verdicts[1] ?? '', /I4: 3 emissions expected from 1 to 3, 2 found/);
    assert.match(verdicts[2] ?? '', /I5: the source offset falls/);
    assert.match(verdicts[3] ?? '', /I5: the epoch falls.*I8: 1 rows/);
    const { code, stdout } = await playhead(url, 'audit');
    assert.equal(code, 2);
    assert.match(stdout, /^partition 0: 2 emissions, next offset 10: ok$/m);
    assert.match(stdout, /3 of 4 partitions have problems/);
  }));

test('the command line says what to do when the database cannot be used', async () => {
  const empty = await testDatabase({ migrated: false });
  const unmigrated = await playhead(empty.url, 'keys', 'list');
  assert.equal(unmigrated.code, 1);
  assert.match(unmigrated.stderr, /npm run migrate first/);
  const away = await playhead('postgres://someone:geheim@127.0.0.1:1/nothing', 'keys', 'list');
  assert.match(away.stderr, /127\.0\.0\.1:1\/nothing could not be used.*DATABASE_URL/);
  assert.doesNotMatch(away.stderr, /geheim/);
  const unknown = await playhead(empty.url, 'kyes');
  assert.notEqual(unknown.code, 0);
  assert.match(unknown.stderr, /--help/);
});
