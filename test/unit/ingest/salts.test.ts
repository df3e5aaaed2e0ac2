// Salts of viewer keys under a clock of the test's: made before they are needed, the same for all gateways, and destroyed on schedule, in the
// table and in memory.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Statement } from '../../../infra/runtime/ports.ts';
import { keyInstantOf } from '../../../ingest/core/local-day.ts';
import { type Salts, startSalts } from '../../../ingest/salts.ts';
import { visitStampOf } from '../../../schemas/visits.ts';
import { PLAIN_KEY, startTestGateway, type TestGateway, until } from '../../support/gateway.ts';

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 9, 24, 12);
const FARTHEST_ZONES = ['Etc/GMT+12', 'America/New_York', 'UTC', 'Europe/Amsterdam', 'Pacific/Kiritimati'];

/** The table of salts, and gateways on it. */
function start(gateways = 1) {
  const table = new Map<string, Buffer>();
  const state = { now: NOON, away: false };
  const query = async <P extends readonly unknown[], R>({ name }: Statement<P, R>, params: P): Promise<R[]> => {
    if (state.away) throw new Error('the database is away');
    const [day, salt] = params as unknown as [string, Buffer];
    if (name === 'insert-viewer-salt' && !table.has(day)) table.set(day, salt);
    if (name === 'delete-old-viewer-salts') for (const each of table.keys()) if (each < day) table.delete(each);
    return name === 'select-viewer-salts' ? ([...table].map(([each, kept]) => ({ day: each, salt: kept })) as R[]) : [];
  };
  const timers: { ms: number; run: () => void }[] = [];
  const all = Array.from({ length: gateways }, () =>
    startSalts({
      query,
      clock: { now: () => state.now },
      scheduler: { every: (ms: number, run: () => void) => void timers.push({ ms, run }) } as never,
      refreshIntervalMs: 60_000,
      logger: { warn() {} },
    }),
  );
  const pass = async (ms: number): Promise<void> => {
    state.now += ms;
    for (const salts of all) await salts.refresh();
  };
  return { table, state, timers, all: all as [Salts, ...Salts[]], pass };
}

describe('salts of viewer keys', () => {
  it('every site has a salt for its day at any hour, in every zone', async () => {
    const { state, all, pass } = start();
    for (let hour = 0; hour < 72; hour++) {
      await pass(HOUR);
      for (const zone of FARTHEST_ZONES) assert.ok(all[0].saltFor(keyInstantOf(state.now, zone)) !== undefined, `${zone} in hour ${hour}`);
    }
  });

  it('what it was made with is gone a day and a half after a site’s day is over, at the latest', async () => {
    const { table, state, all, pass } = start();
    await pass(0);
    for (const zone of FARTHEST_ZONES) {
      const day = keyInstantOf(state.now, zone);
      const salt = all[0].saltFor(day) as Buffer;
      while (keyInstantOf(state.now, zone) === day) await pass(HOUR);
      await pass(36 * HOUR);
      assert.equal(all[0].saltFor(day), undefined, zone);
      assert.ok(![...table.values()].some((kept) => kept.equals(salt)), zone);
    }
  });

  it('with the database away the old ones are forgotten all the same, and none is made up', async () => {
    const { state, all, pass } = start();
    await pass(0);
    state.away = true;
    await pass(24 * HOUR);
    assert.ok(all[0].saltFor(state.now) !== undefined, 'tomorrow’s was there in time');
    await pass(48 * HOUR);
    assert.equal(all[0].saltFor(state.now), undefined);
    assert.equal(all[0].saltFor(NOON), undefined);
  });

  it('while there is none for today it is tried again within seconds, and not any more once there is one', async () => {
    const { table, state, timers, all } = start();
    state.away = true;
    await all[0].refresh();
    assert.equal(all[0].loaded(), false);
    const soonest = timers.reduce((a, b) => (a.ms < b.ms ? a : b));
    assert.ok(soonest.ms <= 2_000);
    state.away = false;
    soonest.run();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(all[0].loaded() && all[0].saltFor(state.now) !== undefined);
    table.clear();
    soonest.run();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(table.size, 0, 'nothing was asked');
  });

  it('all gateways have the same', async () => {
    const { state, all, pass } = start(3);
    for (let hour = 0; hour < 30; hour++) {
      await pass(HOUR);
      assert.equal(new Set(all.map((salts) => salts.saltFor(state.now)?.toString('hex'))).size, 1);
    }
  });
});

describe('a gateway that has no salts yet', () => {
  it('is not ready: whoever sends hits does not send them twice', async () => {
    let away = true;
    const gateway = await startTestGateway({
      keys: [PLAIN_KEY],
      otherRows: (name) => {
        if (name === 'select-viewer-salts' && away) throw new Error('the database is away');
        return undefined;
      },
    });
    try {
      await until(async () => {
        const { checks } = gateway.gateway.health();
        return Object.entries(checks).every(([name, { ok }]) => ok || name === 'secrets');
      });
      assert.deepEqual([gateway.gateway.health().ready, gateway.gateway.health().checks['secrets']?.ok], [false, false]);
      away = false;
      await until(async () => gateway.gateway.health().ready);
      const hit = await fetch(`${gateway.url}/k/pk_demo/collect?v=1&tid=UA-1&cid=c&t=pageview`);
      assert.equal(hit.status, 204);
    } finally {
      await gateway.stop();
    }
  });
});

describe('visitors at four in the morning', () => {
  let gateway: TestGateway;
  let now = 0;
  before(async () => {
    now = Date.UTC(2026, 9, 24, 21, 58);
    gateway = await startTestGateway({
      keys: [PLAIN_KEY],
      clock: { now: () => now },
      otherRows: (name) => (name === 'select-site-timezones' ? [{ site: 'demo', timezone: 'Europe/Amsterdam' }] : undefined),
    });
    await until(async () => gateway.gateway.health().ready);
  });
  after(() => gateway.stop());

  /** A hit of one visitor at an instant: the key it came under, and its date. */
  async function hitAt(at: string): Promise<{ session: string; day: string | undefined }> {
    now = Date.parse(at);
    const seen = gateway.records();
    const answer = await fetch(`${gateway.url}/k/pk_demo/collect`, { method: 'POST', body: 'v=1&tid=UA-1&cid=same&t=pageview&dp=/' });
    assert.equal(answer.status, 204);
    assert.equal(gateway.records(), seen + 1);
    const [beacon] = gateway.beacons().filter(({ receivedAt }) => receivedAt === now);
    return { session: beacon?.session ?? '', day: beacon?.events[0] && visitStampOf('ga', beacon.events[0])?.day };
  }

  it('one key over midnight, another after the clocks show four; the night is 25 hours long', async () => {
    const evening = await hitAt('2026-10-24T21:59:00Z');
    const night = await hitAt('2026-10-24T22:01:00Z');
    assert.deepEqual([evening.day, night.day], ['2026-10-24', '2026-10-25']);
    assert.equal(night.session, evening.session);
    // Two hours after two o'clock is three o'clock that night.
    assert.equal((await hitAt('2026-10-25T02:59:59Z')).session, evening.session);
    const morning = await hitAt('2026-10-25T03:00:00Z');
    assert.notEqual(morning.session, evening.session);
    assert.equal((await hitAt('2026-10-25T22:59:00Z')).session, morning.session);
  });
});
