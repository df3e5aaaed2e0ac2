// The processor as a process, on a real Kafka and a real PostgreSQL.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sql, until } from '../support/processor-harness.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

/** From an accepted beacon to its row; the target on an idle machine is 2 s, tests run beside others. */
const VISIBLE_MS_MAX = 5_000;

let system: TestSystem;

async function send(session: string, events: readonly object[]): Promise<void> {
  const response = await fetch(`${system.ingest}/v1/beacons`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: system.writeKey, session, video: { id: 'intro', durationMs: 60_000 }, sentAt: Date.now(), events }),
  });
  assert.equal(response.status, 202, await response.text());
}

// A suite of its own, so that the system stops before the servers that the whole file shares.
describe('on real servers', () => {
  before(async () => {
    system = await startSystem({ partitions: 4, services: ['ingest', 'processor'], env: { ingest: { PLAYHEAD_TICK_INTERVAL_MS: '500' } } });
  });
  after(() => system?.stop());

  test('a play is visible within seconds, and sealed once it is left', { timeout: 90_000 }, async () => {
    const at = Date.now();
    const seen = async (): Promise<boolean> =>
      (await sql(system.database, `SELECT FROM open_sessions WHERE session = 'visible' AND plays = 1`)).length === 1;
    const start = performance.now();
    await send('visible', [
      { seq: 0, type: 'attempt', at, positionMs: 0 },
      { seq: 1, type: 'playing', at: at + 100, positionMs: 0 },
    ]);
    await until('visible', seen, VISIBLE_MS_MAX);
    process.stderr.write(`visible after ${Math.round(performance.now() - start)} ms\n`);
    await system.closeAll();
    await until(
      'sealed',
      async () => (await sql(system.database, `SELECT FROM sessions WHERE session = 'visible' AND reason = 'closed'`)).length === 1,
      15_000,
    );
    assert.equal((await sql(system.database, 'SELECT FROM open_sessions')).length, 0);
  });

  test('kill -9, a second processor and a clean stop leave one row per session (F2, F5)', { timeout: 180_000 }, async () => {
    const sendRound = async (round: number): Promise<void> => {
      const at = Date.now();
      for (let n = 0; n < 40; n++)
        await send(`many${n}`, [{ seq: round, type: round === 0 ? 'playing' : 'heartbeat', at, positionMs: round * 1000 }]);
    };
    await sendRound(0);
    await system.kill('processor', 'SIGKILL');
    await sendRound(1);
    await system.start('processor');
    await system.start('processor', { instance: 'processor-2' });
    await sendRound(2);
    await system.kill('processor', 'SIGTERM');
    await sendRound(3);
    await system.closeAll();
    const counted = async (): Promise<number> =>
      (await sql(system.database, `SELECT FROM sessions WHERE session LIKE 'many%' AND received = 4`)).length;
    await until('all sealed', async () => (await counted()) === 40, 60_000);
    assert.equal((await sql(system.database, `SELECT FROM sessions WHERE session LIKE 'many%'`)).length, 40);
    await system.kill('processor', 'SIGTERM', { instance: 'processor-2' });
    const stopped = await sql(
      system.database,
      'SELECT p.partition FROM partition_progress p JOIN snapshots s USING (partition, next_offset, emission_seq)',
    );
    assert.equal(stopped.length, 4, 'a clean stop leaves a snapshot at each position');
  });
});
