// What must be true of a running Playhead, however it was started: by npm start or by docker compose. Speaks only HTTP, with the
// addresses and keys that its operator has.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { systemScheduler } from '../../infra/runtime/clock.ts';

export type RunningSystem = { ingest: string; query: string; writeKey: string; readKey: string };

const VISIBLE_TIMEOUT_MS = 60_000;
const POLL_MS = 300;

type Check = { name: string; run(system: RunningSystem): Promise<void> };

const json = async (system: RunningSystem, path: string): Promise<{ data: never }> => {
  const answer = await fetch(`${system.query}${path}`, { headers: { authorization: `Bearer ${system.readKey}` } });
  assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`);
  return (await answer.json()) as { data: never };
};

/** One viewer who watches four seconds and leaves. */
async function watchOnce(system: RunningSystem): Promise<{ session: string; video: string }> {
  const session = randomBytes(12).toString('hex');
  const video = `check-${session.slice(0, 6)}`;
  const at = Date.now() - 4_000;
  const events = [
    { seq: 0, type: 'attempt', at, positionMs: 0 },
    { seq: 1, type: 'playing', at: at + 200, positionMs: 0 },
    { seq: 2, type: 'pause', at: at + 4_200, positionMs: 4_000 },
    { seq: 3, type: 'leave', at: at + 4_200, positionMs: 4_000 },
  ];
  const body = JSON.stringify({ key: system.writeKey, session, video: { id: video, durationMs: 10_000 }, sentAt: at + 4_200, events });
  const answer = await fetch(`${system.ingest}/v1/beacons`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  assert.equal(answer.status, 202, await answer.clone().text());
  assert.equal(((await answer.json()) as { accepted: number }).accepted, events.length);
  return { session, video };
}

/** The checks, in order; each stands alone. */
export const RUNNING_SYSTEM_CHECKS: readonly Check[] = [
  {
    name: 'the dashboard, the document of the API and its page are served',
    async run(system) {
      for (const path of ['/', '/openapi.json', '/docs/']) {
        const answer = await fetch(`${system.query}${path}`);
        assert.equal(answer.status, 200, path);
      }
      const page = await (await fetch(`${system.query}/`)).text();
      assert.match(page, /<script/);
    },
  },
  {
    name: 'the SDK is served to pages',
    async run(system) {
      const answer = await fetch(`${system.ingest}/sdk.js`);
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get('content-type') ?? '', /javascript/);
    },
  },
  {
    name: 'a play is visible within seconds, with its watch time to the millisecond',
    async run(system) {
      const { video } = await watchOnce(system);
      const deadline = systemScheduler.monotonicMs() + VISIBLE_TIMEOUT_MS;
      for (;;) {
        const { data } = (await json(system, `/v1/plays?video=${video}`)) as {
          data: { plays: number; uniqueWatchMs: number; totalWatchMs: number };
        };
        if (data.plays === 1 && data.totalWatchMs === 4_000) {
          assert.equal(data.uniqueWatchMs, 4_000);
          return;
        }
        assert.ok(systemScheduler.monotonicMs() < deadline, `not visible: ${JSON.stringify(data)}`);
        await systemScheduler.sleep(POLL_MS);
      }
    },
  },
  {
    name: 'an unknown write key and a missing read key are refused',
    async run(system) {
      const sent = await fetch(`${system.ingest}/v1/beacons`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ key: 'pk_nobody', session: 's', video: { id: 'v' }, events: [{ type: 'attempt', at: Date.now() }] }),
      });
      assert.equal(sent.status, 401);
      assert.equal((await fetch(`${system.query}/v1/plays`)).status, 401);
    },
  },
  {
    name: 'the ledger balances',
    async run(system) {
      const { data } = (await json(system, '/v1/ledger')) as { data: { total: { difference: number; eventsInLog: number } } };
      assert.equal(data.total.difference, 0);
      assert.ok(data.total.eventsInLog > 0);
    },
  },
];
