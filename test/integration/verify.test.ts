// H20 on what real processes left behind: from every snapshot that was ever written, the log leads to the same end; `playhead verify` finds
// the same, and finds every row and state that was changed behind its back; other versions of Node.js fold the recorded log alike (F38).
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemScheduler } from '../../infra/runtime/clock.ts';
import { createLogAdmin } from '../../infra/runtime/kafka.ts';
import type { KafkaLogAdmin } from '../../infra/runtime/kafka-admin.ts';
import { createLogger } from '../../infra/runtime/log.ts';
import type { LogRecord } from '../../infra/runtime/ports.ts';
import { createReadPool, type ReadPool } from '../../infra/runtime/postgres.ts';
import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, type PartitionState } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import { type ReplayDeps, replayTo } from '../../processor/replay.ts';
import { inOneGo } from '../../processor/slices.ts';
import { openSnapshot, takeSnapshot } from '../../processor/snapshots.ts';
import { readSnapshots, type SnapshotRow } from '../../processor/sql/read-snapshots.ts';
import { type Codec, createCodec } from '../../schemas/codec.ts';
import { differences, foldUnder, type Results } from '../determinism/everywhere.ts';
import { writeLog } from '../determinism/recorded-log.ts';
import { acceptedCopies, PATIENT_FOLD, sealAll, sendAudience, withDatabase } from '../support/audience-run.ts';
import { type Outcome, playhead, systemVariables } from '../support/cli.ts';
import { NODE_VERSIONS, nodeBinary } from '../support/node-versions.ts';
import { stateText } from '../support/state-bytes.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const PARTITIONS = 3;
const SETTINGS = { ...FOLD_SETTINGS_DEFAULT, graceMs: Number(PATIENT_FOLD.PLAYHEAD_FOLD_GRACE_MS) };
const POLL_MS = 40;
/** Of the recorded log; all cuts are tried on the made ones. */
const REAL_CUTS = ['whole', '64'];
const PAGE = new URL('../../docs/checks.md', import.meta.url);

type Straight = { records: LogRecord[]; outputs: Output[]; state: PartitionState };

describe('replay of a real run (H20, I6)', { timeout: 600_000 }, () => {
  let system: TestSystem;
  let pool: ReadPool;
  let log: KafkaLogAdmin;
  let codec: Codec;
  /** Every snapshot that the polls met, by partition and place. */
  const snapshots = new Map<string, { partition: number; row: SnapshotRow }>();
  const straight: Straight[] = [];

  const replayDeps = (partition: number): ReplayDeps => ({
    codec,
    fetchFrom: log.fetchFrom,
    learnSchema: (id) => Promise.reject(new Error(`no schema ${id}`)),
    partition,
    partitions: PARTITIONS,
  });
  const verify = (...args: string[]): Promise<Outcome> => playhead({ ...systemVariables(system), ...PATIENT_FOLD }, 'verify', ...args);
  const change = (text: string, values: unknown[] = []) => withDatabase(system.database, (client) => client.query(text, values));

  async function collectSnapshots(): Promise<void> {
    for (let partition = 0; partition < PARTITIONS; partition++)
      for (const row of await pool.query(readSnapshots, [partition, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]))
        snapshots.set(`${partition}/${row.epoch}/${row.next_offset}`, { partition, row });
  }

  before(async () => {
    const env = { ...PATIENT_FOLD, PLAYHEAD_PROCESSOR_SNAPSHOT_INTERVAL_MS: '300', PLAYHEAD_PROCESSOR_FLUSH_INTERVAL_MS: '50' };
    system = await startSystem({ partitions: PARTITIONS, env: { processor: env } });
    pool = createReadPool({ url: system.database, applicationName: 'test', poolSize: 2, statementTimeoutMs: 10_000 });
    const logger = createLogger({ service: 'test', instance: 'test', level: 'fatal' });
    log = createLogAdmin({ brokers: system.brokers, clientId: 'test', logger, topic: system.topic, scheduler: systemScheduler });
    codec = createCodec(system.schemaIds);
    let sending = true;
    const polling = (async () => {
      for (; sending; await systemScheduler.sleep(POLL_MS)) await collectSnapshots();
    })();
    const run = await sendAudience(
      system,
      {
        viewers: 90,
        seed: 'replay',
        spreadMs: 6_000,
        delivery: { speed: 150, duplicates: 0.2, disorder: 0.2, disorderMs: 800, loss: 0.04 },
      },
      async () => {
        // A crash in the middle: what the next one writes begins from a snapshot, too.
        await systemScheduler.sleep(2_500);
        await system.kill('processor', 'SIGKILL');
        await system.start('processor');
      },
    );
    await sealAll(system, acceptedCopies(run.results));
    sending = false;
    await polling;
    // The clean end leaves a snapshot at the committed position, and the position no longer moves.
    await system.kill('processor', 'SIGTERM');
    await system.kill('ingest', 'SIGTERM');
    await collectSnapshots();
    for (let partition = 0; partition < PARTITIONS; partition++) straight.push(await foldStraight(partition));
  });
  after(async () => {
    await Promise.all([pool?.close(), log?.close()]);
    await system?.stop();
  });

  async function foldStraight(partition: number): Promise<Straight> {
    const records: LogRecord[] = [];
    const fetchFrom = async (of: number, offset: number): Promise<readonly LogRecord[] | undefined> => {
      const found = await log.fetchFrom(of, offset);
      records.push(...(found ?? []));
      return found;
    };
    const [stands] = (await change('SELECT next_offset::int AS at FROM partition_progress WHERE partition = $1', [partition])).rows;
    const place = { state: createPartition(SETTINGS), nextOffset: 0 };
    const outputs: Output[] = [];
    const end = await replayTo({ ...replayDeps(partition), fetchFrom }, place, stands.at, (made) => outputs.push(...made));
    assert.deepEqual(end, { ok: true });
    return { records: records.filter(({ offset }) => offset < stands.at), outputs, state: place.state };
  }

  it('leads from every snapshot to the same end, by the same emissions (V7)', async () => {
    assert.ok(snapshots.size >= 3 * PARTITIONS, `${snapshots.size} snapshots were met`);
    for (const { partition, row } of snapshots.values()) {
      const opened = inOneGo(openSnapshot(row, SETTINGS));
      assert.ok(opened.ok, `partition ${partition} at ${row.next_offset}`);
      const { records, outputs, state } = straight[partition] as Straight;
      const place = { state: opened.state, nextOffset: row.next_offset };
      const made: Output[] = [];
      const end = await replayTo(replayDeps(partition), place, records.length, (more) => made.push(...more));
      assert.deepEqual(end, { ok: true });
      const name = `partition ${partition} from ${row.next_offset}`;
      assert.equal(JSON.stringify(made), JSON.stringify(outputs.slice(row.emission_seq)), name);
      assert.equal(stateText(place.state), stateText(state), name);
    }
  });

  it('`playhead verify` finds the same, from the older snapshots and from the start, and records it', async () => {
    const nightly = await verify('--record');
    assert.equal(nightly.code, 0, nightly.stdout + nightly.stderr);
    assert.match(nightly.stdout, /^partition 0: same: offsets \d+ to \d+, \d+ emissions, 1 snapshots$/m);
    assert.match(nightly.stdout, /3 partitions came out once more, 0 did not, 0 skipped/);
    const shown = /```text\n(partition 0: same[\s\S]*?)```/.exec(readFileSync(PAGE, 'utf8'))?.[1] ?? '';
    const unnumbered = (text: string): string => text.replaceAll(/\d+/g, 'n');
    assert.equal(unnumbered(nightly.stdout), unnumbered(shown), 'docs/checks.md shows what it says');
    const whole = await verify('--from-start');
    assert.equal(whole.code, 0, whole.stdout + whole.stderr);
    const emissions = [...whole.stdout.matchAll(/offsets 0 to \d+, (\d+) emissions/g)].reduce((sum, match) => sum + Number(match[1]), 0);
    assert.equal(
      emissions,
      straight.reduce((sum, { outputs }) => sum + outputs.length, 0),
    );
    const { rows } = await change('SELECT name, sound, unsound, skipped, problems FROM check_results');
    assert.deepEqual(rows, [{ name: 'verify', sound: 3, unsound: 0, skipped: 0, problems: 0 }]);
  });

  const damages: { what: string; damage: string; repair: string; says: RegExp }[] = [
    {
      what: 'a changed figure',
      damage:
        'UPDATE sessions SET total_watch_ms = total_watch_ms + 1 WHERE (partition, emission_seq) = (SELECT partition, min(emission_seq) FROM sessions GROUP BY 1 ORDER BY 1 LIMIT 1)',
      repair:
        'UPDATE sessions SET total_watch_ms = total_watch_ms - 1 WHERE (partition, emission_seq) = (SELECT partition, min(emission_seq) FROM sessions GROUP BY 1 ORDER BY 1 LIMIT 1)',
      says: /sessions: emission \d+ has total_watch_ms \d+, the log says \d+/,
    },
    {
      what: 'a section too many',
      damage: `INSERT INTO watch_sections SELECT site, video, session, part, started_at, 999, run, from_ms, to_ms, section_started_at, rate_milli, partition, emission_seq FROM watch_sections ORDER BY partition, emission_seq LIMIT 1`,
      repair: 'DELETE FROM watch_sections WHERE section = 999',
      says: /watch_sections: emission \d+ does not come out of the log/,
    },
    {
      what: 'a row that went away',
      damage:
        'WITH gone AS (DELETE FROM custom_events WHERE ctid = (SELECT min(ctid) FROM custom_events) RETURNING *) INSERT INTO kept SELECT * FROM gone',
      repair: 'INSERT INTO custom_events SELECT * FROM kept',
      says: /custom_events: emission \d+ is missing/,
    },
  ];
  for (const { what, damage, repair, says } of damages) {
    it(`notices ${what} (negative control)`, async () => {
      await change('CREATE TABLE IF NOT EXISTS kept (LIKE custom_events)');
      await change(damage);
      const found = await verify('--from-start');
      await change(repair);
      assert.equal(found.code, 2, found.stdout + found.stderr);
      assert.match(found.stdout, says);
      assert.match(found.stdout, /2 partitions came out once more, 1 did not/);
    });
  }

  it('notices a state that is whole and wrong, and one that is damaged (negative control)', async () => {
    const [newest] = await pool.query(readSnapshots, [1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
    assert.ok(newest);
    const opened = inOneGo(openSnapshot(newest, SETTINGS));
    assert.ok(opened.ok);
    opened.state.ledger.folded += 1;
    const position = { nextOffset: newest.next_offset, emissionSeq: newest.emission_seq };
    const wrong = inOneGo(takeSnapshot({ schemaId: newest.schema_id, state: opened.state, position, fingerprint: undefined }));
    const put = (row: { state_hash: Buffer; checksum: Buffer; payload: Buffer }): Promise<unknown> =>
      change('UPDATE snapshots SET state_hash = $3, checksum = $4, payload = $5 WHERE partition = $1 AND next_offset = $2', [
        1,
        newest.next_offset,
        row.state_hash,
        row.checksum,
        row.payload,
      ]);
    await put({ state_hash: wrong.stateHash, checksum: wrong.checksum, payload: wrong.payload });
    const silent = await verify();
    await put({ ...newest, payload: Buffer.concat([newest.payload, Buffer.from([0])]) });
    const damaged = await verify('--partition', '1');
    await put(newest);
    assert.equal(silent.code, 2, silent.stdout);
    assert.match(silent.stdout, /partition 1: DIFFERENT\n {2}the snapshot at offset \d+ holds another state than the replay \(H20\)/);
    assert.equal(damaged.code, 2, damaged.stdout);
    assert.match(damaged.stdout, /the snapshot at offset \d+ cannot be trusted: bad_checksum/);
  });

  it('says why nothing could be compared: other settings, no snapshot', async () => {
    const other = await playhead({ ...systemVariables(system), PLAYHEAD_FOLD_GRACE_MS: '1234' }, 'verify');
    assert.equal(other.code, 3, other.stdout + other.stderr);
    assert.match(other.stdout, /partition 0: skipped: its snapshots were made by another fold version or under other fold settings/);
    await change('CREATE TABLE kept_snapshots AS SELECT * FROM snapshots');
    await change('DELETE FROM snapshots');
    const none = await verify();
    await change('INSERT INTO snapshots SELECT * FROM kept_snapshots');
    assert.equal(none.code, 3);
    assert.match(none.stdout, /partition 2: skipped: it has no snapshot yet/);
  });

  it('is folded alike by every supported Node.js, in every cut (F38)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'playhead-recorded-'));
    try {
      const names = straight.map(({ records }, partition) => {
        const name = `real-${partition}`;
        const place = { partition, partitions: PARTITIONS, ids: system.schemaIds };
        writeLog(join(folder, name), { form: 'raw', settings: SETTINGS, ...place, records });
        return name;
      });
      const results = new Map<string, Results>();
      for (const version of NODE_VERSIONS) {
        const node = await nodeBinary(version);
        if (node.ok) results.set(version, await foldUnder({ version, path: node.path }, folder, REAL_CUTS));
      }
      assert.ok(results.size > 0);
      assert.deepEqual(differences(results, names, REAL_CUTS), []);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
