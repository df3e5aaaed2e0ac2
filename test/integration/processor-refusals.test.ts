// What the processor refuses to guess, and how it goes on (D22-D26, D32, H1-H5, H12, H13, K9, P17).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import type { LogMessage } from '../../schemas/beacon.ts';
import type { Codec } from '../../schemas/codec.ts';
import { SURFACE_TIMES } from '../../schemas/surfaces.ts';
import { checkInvariants } from '../support/invariants.ts';
import {
  contents,
  createTestLog,
  fillLog,
  killAll,
  type RunningProcessor,
  runProcessor,
  sql,
  type TestLog,
  testCodec,
  until,
  untilFolded,
} from '../support/processor-harness.ts';
import { testDatabase } from '../support/servers.ts';

async function inDatabase(run: (url: string) => Promise<void>): Promise<void> {
  const { url, drop } = await testDatabase();
  try {
    await run(url);
  } finally {
    killAll();
    await drop();
  }
}

async function invariantsHold(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    assert.deepEqual(await checkInvariants(client), []);
  } finally {
    await client.end();
  }
}

/** A log of one partition whose second half comes later. */
function halves(): { log: TestLog; more: () => void } {
  const log = createTestLog(1);
  for (let round = 0; round < 6; round++) {
    for (let n = 0; n < 4; n++)
      log.beacon('site', `s${n}`, round * 1_000 + n, [
        { seq: round, type: round === 0 ? 'playing' : 'heartbeat', positionMs: round * 1_000 },
      ]);
    log.tickAll(round * 1_000 + 500);
  }
  return {
    log,
    more() {
      for (let n = 0; n < 4; n++) log.beacon('site', `s${n}`, 7_000 + n, [{ seq: 6, type: 'leave', positionMs: 6_000 }]);
      for (let at = 8_000; at < 40_000; at += 4_000) log.tickAll(at);
      log.closeAll(41_000);
    },
  };
}

/** Folds all there is, with several snapshots on the way, and stops. */
async function foldAll(log: TestLog, url: string, more: Parameters<typeof runProcessor>[0] | object = {}): Promise<void> {
  const running = await runProcessor({ test: log, url, ...more });
  await untilFolded(log, url);
  await running.stop();
}

async function straightRun(log: TestLog): Promise<Record<string, string[]>> {
  const { url, drop } = await testDatabase();
  await foldAll(log, url);
  const rows = await contents(url);
  await drop();
  return rows;
}

const halted = (running: RunningProcessor): Promise<void> =>
  until('halted', () => running.processor.views().some((view) => view.mode === 'halted'));
const reasonOf = (running: RunningProcessor) => running.processor.views()[0]?.halt?.reason;
const small = { task: { flushIntervalMs: 1, flushOutputsMax: 3, snapshotIntervalMs: 1 } };

test('a snapshot ahead of the position is not used (D22, H1)', () =>
  inDatabase(async (url) => {
    const { log, more } = halves();
    await foldAll(log, url, small);
    const snapshots = await inAnother(async (ahead) => {
      const copy = halves();
      copy.more();
      await foldAll(copy.log, ahead);
      return sql(ahead, 'SELECT * FROM snapshots ORDER BY next_offset DESC LIMIT 1');
    });
    const row = snapshots[0] as Record<string, unknown>;
    const columns = Object.keys(row).filter((name) => name !== 'created_at');
    await sql(
      url,
      `INSERT INTO snapshots (${columns.join(', ')}) VALUES (${columns.map((_name, index) => `$${index + 1}`).join(', ')})`,
      columns.map((name) => row[name]),
    );
    more();
    await foldAll(log, url);
    assert.deepEqual(await contents(url), await straightRun(log));
  }));

async function inAnother<T>(run: (url: string) => Promise<T>): Promise<T> {
  const { url, drop } = await testDatabase();
  try {
    return await run(url);
  } finally {
    await drop();
  }
}

for (const [what, change] of [
  [
    'a flipped byte in the newest',
    `UPDATE snapshots SET payload = set_byte(payload, 40, get_byte(payload, 40) # 1) WHERE next_offset = (SELECT max(next_offset) FROM snapshots)`,
  ],
  [
    'a truncated newest, checksum included',
    `UPDATE snapshots SET payload = substr(payload, 1, 60), checksum = sha256(substr(payload, 1, 60)) WHERE next_offset = (SELECT max(next_offset) FROM snapshots)`,
  ],
  [
    'a wrong state hash in the newest',
    `UPDATE snapshots SET state_hash = '\\x00' WHERE next_offset = (SELECT max(next_offset) FROM snapshots)`,
  ],
  ['every snapshot corrupt', `UPDATE snapshots SET payload = '\\x00'`],
  ['every snapshot gone', `DELETE FROM snapshots`],
] as const) {
  test(`${what}: an older state and a longer replay give the same rows (F32)`, () =>
    inDatabase(async (url) => {
      const { log, more } = halves();
      await foldAll(log, url, small);
      await sql(url, change);
      more();
      await foldAll(log, url);
      assert.deepEqual(await contents(url), await straightRun(log));
      await invariantsHold(url);
    }));
}

test('another fold version takes over only where nothing has to be folded again (D26, F30)', () =>
  inDatabase(async (url) => {
    const { log, more } = halves();
    await foldAll(log, url);
    await sql(url, 'UPDATE partition_progress SET fold_version = 0');
    await sql(url, 'UPDATE snapshots SET fold_version = 0');
    more();
    await foldAll(log, url);
    assert.equal((await sql(url, 'SELECT fold_version FROM partition_progress'))[0]?.['fold_version'], 1);
    assert.deepEqual(await contents(url), await straightRun(log));

    await sql(url, 'UPDATE partition_progress SET fold_version = 0');
    await sql(url, 'DELETE FROM snapshots');
    const running = await runProcessor({ test: log, url });
    await halted(running);
    assert.equal(reasonOf(running), 'fold_version');
    assert.match(running.processor.views()[0]?.halt?.detail ?? '', /run the old build .* once until it stops cleanly/);
  }));

test('other fold settings are refused while there is something to fold again, and taken over at S = P (D26, H3)', () =>
  inDatabase(async (url) => {
    const { log } = halves();
    await foldAll(log, url);
    log.tickAll(7_000);
    await foldAll(log, url, { settings: { graceMs: 6_000 } });
    await sql(url, 'DELETE FROM snapshots');
    const running = await runProcessor({ test: log, url });
    await halted(running);
    assert.equal(reasonOf(running), 'fold_settings');
  }));

test('a processor with another idle gap for one surface is refused, whoever came first (D26)', () =>
  inDatabase(async (url) => {
    const { log, more } = halves();
    const hasty = { settings: { surfaces: { ...SURFACE_TIMES, native: { idleGapMs: 2_000 } } } };
    const first = await runProcessor({ test: log, url, ...hasty, ...small });
    await untilFolded(log, url);
    // Killed in mid-work: what is open must be folded again from the snapshot, and under the settings that it was folded under.
    first.die();
    await sql(url, 'DELETE FROM snapshots WHERE next_offset = (SELECT max(next_offset) FROM snapshots)');
    more();
    const second = await runProcessor({ test: log, url });
    await halted(second);
    assert.equal(reasonOf(second), 'fold_settings');
    await second.stop();
    const third = await runProcessor({ test: log, url, ...hasty });
    await untilFolded(log, url);
    await third.stop();
    const rows = await sql(url, `SELECT DISTINCT reason FROM sessions`);
    assert.ok(rows.length > 0);
  }));

test('a log whose last folded record is another one is refused (D23, F11)', () =>
  inDatabase(async (url) => {
    const { log } = halves();
    await foldAll(log, url);
    await sql(url, `UPDATE partition_progress SET fingerprint_hash = '\\x00'`);
    const running = await runProcessor({ test: log, url });
    await halted(running);
    assert.equal(reasonOf(running), 'fingerprint_mismatch');
  }));

test('a log that ends before the position is refused (D23, H5)', () =>
  inDatabase(async (url) => {
    const { log, more } = halves();
    more();
    await foldAll(log, url);
    const shorter = halves();
    const running = await runProcessor({ test: shorter.log, url });
    await halted(running);
    assert.equal(reasonOf(running), 'log_shorter');
  }));

test('another partition count is refused (D29, H6)', () =>
  inDatabase(async (url) => {
    const { log } = halves();
    const running = await runProcessor({ test: log, url, wrapAdmin: (admin) => ({ ...admin, partitionCount: async () => 3 }) });
    await halted(running);
    assert.equal(reasonOf(running), 'partition_count');
  }));

test(
  'a log cut behind the position is refused until an operator accepts the gap; then it goes on, once (D25, H4, F10)',
  { timeout: 30_000 },
  () =>
    inDatabase(async (url) => {
      const { log, more } = halves();
      await foldAll(log, url);
      const before = (await sql(url, 'SELECT next_offset::int AS at, emission_seq::int AS seq FROM partition_progress'))[0] as {
        at: number;
        seq: number;
      };
      more();
      const low = before.at + 2;
      log.log.truncate(0, low);
      const running = await runProcessor({ test: log, url });
      await halted(running);
      assert.equal(reasonOf(running), 'log_cut');
      assert.match(running.processor.views()[0]?.halt?.detail ?? '', new RegExp(`\\[${before.at}, ${low}\\)`));
      await sql(
        url,
        `INSERT INTO data_gaps (partition, from_offset, to_offset, reason, operator) VALUES (0, $1, $2, 'retention', 'test')`,
        [before.at, low],
      );
      await until(
        'goes on',
        async () => Number((await sql(url, 'SELECT next_offset FROM partition_progress'))[0]?.['next_offset']) > low,
        15_000,
      );
      running.die();
      await foldUp(log, url);
      const sessions = await sql(url, 'SELECT session, received, lost FROM sessions WHERE part = 0 ORDER BY session');
      // What was open when the log was cut is still sealed, with what is known of it.
      assert.deepEqual(
        sessions.map((row) => row['session']),
        ['s0', 's1', 's2', 's3'],
      );
      await invariantsHold(url);
    }),
);

/** Folds to the end of a log that no longer begins at 0. */
async function foldUp(log: TestLog, url: string): Promise<void> {
  const running = await runProcessor({ test: log, url });
  const high = (await log.log.admin.bounds(0)).high;
  await until(
    'at the end',
    async () => Number((await sql(url, 'SELECT next_offset FROM partition_progress'))[0]?.['next_offset']) === high,
  );
  await running.stop();
}

test('a log cut so far that the state cannot be rebuilt goes on empty behind the accepted gap (D25)', { timeout: 30_000 }, () =>
  inDatabase(async (url) => {
    const { log, more } = halves();
    await foldAll(log, url);
    await sql(url, 'DELETE FROM snapshots');
    more();
    const { high } = await log.log.admin.bounds(0);
    log.log.truncate(0, high - 6);
    await sql(url, `INSERT INTO data_gaps (partition, from_offset, to_offset, reason, operator) VALUES (0, 0, $1, 'retention', 'test')`, [
      high - 6,
    ]);
    await foldUp(log, url);
    assert.deepEqual(await sql(url, 'SELECT FROM open_sessions'), []);
    const rows = await sql(url, 'SELECT emission_seq FROM sessions');
    assert.equal(new Set(rows.map((row) => row['emission_seq'])).size, rows.length);
  }),
);

test('a log that begins later than 0 is not begun in silence (D23, D25)', () =>
  inDatabase(async (url) => {
    const { log } = halves();
    log.log.truncate(0, 5);
    const running = await runProcessor({ test: log, url });
    await halted(running);
    assert.equal(reasonOf(running), 'log_cut');
  }));

test('records cut while the processor reads stop it at the hole, with everything before it written (K9)', { timeout: 30_000 }, () =>
  inDatabase(async (url) => {
    const { log, more } = halves();
    const running = await runProcessor({ test: log, url });
    await untilFolded(log, url);
    const { high } = await log.log.admin.bounds(0);
    running.consumer.pause([0]);
    more();
    log.log.truncate(0, high + 3);
    running.consumer.resume([0]);
    await halted(running);
    assert.equal(reasonOf(running), 'log_cut');
    await sql(url, `INSERT INTO data_gaps (partition, from_offset, to_offset, reason, operator) VALUES (0, $1, $2, 'cut', 'test')`, [
      high,
      high + 3,
    ]);
    const end = (await log.log.admin.bounds(0)).high;
    await until(
      'at the end',
      async () => Number((await sql(url, 'SELECT next_offset FROM partition_progress'))[0]?.['next_offset']) === end,
      15_000,
    );
    await running.stop();
  }),
);

test('records nobody can read become dead letters, in order, and the partition moves on (F27, H12)', () =>
  inDatabase(async (url) => {
    const log = createTestLog(1);
    const codec = testCodec();
    const put = (key: string | null, value: Buffer | null) =>
      log.log.appendRaw(0, { key: key === null ? null : Buffer.from(key), value, appendAt: 1_800_000_000_000 });
    const key = Buffer.from('site/s1');
    log.beacon('site', 's1', 0, [{ seq: 0, type: 'playing', positionMs: 0 }]);
    const good = log.log.records(0)[0]?.value as Buffer;
    put('site/s1', null);
    put('site/s1', Buffer.from('no magic byte here'));
    const flipped = Buffer.from(good);
    flipped[20] = (flipped[20] as number) ^ 1;
    put('site/s1', flipped);
    put('site/s2', good);
    const other = codec.encodeBeacon(
      { ...(codec.decode(key, good) as Extract<LogMessage, { kind: 'beacon' }>).beacon, session: 's9' },
      key,
    );
    put('site/s1', other);
    await foldAll(log, url);
    const rows = await sql(url, 'SELECT reason FROM dead_letters ORDER BY emission_seq');
    assert.deepEqual(
      rows.map((row) => row['reason']),
      ['empty_record', 'bad_magic', 'bad_checksum', 'bad_checksum', 'wrong_key'],
    );
  }));

test('an unknown schema id waits for the registry and is never a dead letter (P17, D32)', () =>
  inDatabase(async (url) => {
    const { log, more } = halves();
    const real = testCodec();
    let known = false;
    let asked = 0;
    const at = log.highs()[0];
    const codec: Codec = {
      ...real,
      decode: (key, value) =>
        !known && value === log.log.records(0)[at as number]?.value ? { kind: 'unknown_schema', id: 99 } : real.decode(key, value),
    } as Codec;
    more();
    const running = await runProcessor({
      test: log,
      url,
      codec,
      learnSchema: async (id) => {
        asked += 1;
        assert.equal(id, 99);
        if (asked < 2) throw new Error('registry is away');
        known = true;
      },
    });
    await until('waits', () => running.processor.views()[0]?.unknownSchemaId === 99);
    await untilFolded(log, url, 15_000);
    await running.stop();
    assert.deepEqual(await contents(url), await straightRun(log));
  }));

test('a row the database refuses becomes a dead letter under its own number; everything else is written (H13, F28)', () =>
  inDatabase(async (url) => {
    const log = createTestLog(1);
    fillLog(log, 8);
    await sql(url, `ALTER TABLE sessions ADD CHECK (session <> 'session5')`);
    await foldAll(log, url, { task: { flushIntervalMs: 30 } });
    const refused = await sql(url, `SELECT site, session, reason, emission_seq FROM dead_letters WHERE reason = 'row_refused'`);
    assert.ok(refused.length >= 1);
    assert.ok(refused.every((row) => row['session'] === 'session5'));
    const expected = await straightRun(log);
    assert.equal((await sql(url, 'SELECT FROM sessions')).length + refused.length, expected['sessions']?.length);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const broken = (await checkInvariants(client)).filter(({ invariant }) => invariant !== 'I1');
    await client.end();
    assert.deepEqual(broken, []);
  }));
