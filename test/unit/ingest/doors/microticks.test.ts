// The door of Microticks on whole gateways with in-process logs: its answers, its tokens, and what gets into the log.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestGateway, type TestGateway } from '../../../support/gateway.ts';

const TS = '2026-11-22T10:00:00.000Z';

describe('the door of Microticks', () => {
  let first: TestGateway;
  let second: TestGateway;
  before(async () => {
    const aliases = [
      { protocol: 'microticks', foreign_id: 'their-key', site: 'demo', settings: {}, viewer_keys: false },
      { protocol: 'microticks', foreign_id: 'asleep', site: 'demo', settings: { active: false }, viewer_keys: false },
    ];
    [first, second] = await Promise.all([startTestGateway({ aliases }), startTestGateway({ aliases })]);
    await new Promise((resolve) => setTimeout(resolve, 300));
  });
  after(() => Promise.all([first?.stop(), second?.stop()]));

  const send = (path: string, fields: Record<string, string>, system = first) =>
    system.post(new URLSearchParams(fields).toString(), { path, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  const open = async (consumer = 'pk_demo'): Promise<string> => {
    const answer = await send('/sessions', { consumer_key: consumer, token: '', ts: TS });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.status, 200);
    assert.match(answer.body.token, /^[0-9a-f]{32}$/);
    return answer.body.token;
  };
  const act = (token: string, fields: Record<string, string> = {}, system = first) =>
    send('/events', { token, action: 'click', data: '{"x":1}', ts: '2026-11-22T10:00:01.000Z', ...fields }, system);

  it('opens a session for a write key and for an alias, takes actions, and stops it', async () => {
    for (const consumer of ['pk_demo', 'their-key']) {
      const token = await open(consumer);
      const acted = await act(token);
      assert.equal(acted.status, 200);
      assert.ok(Number.isSafeInteger(acted.body.event_id));
      assert.deepEqual((await send('/sessions/stop', { token, ts: '2026-11-22T10:00:02.000Z' })).body, { status: 200 });
      const beacons = first.beacons().filter((beacon) => beacon.session === `microticks-${token}`);
      assert.deepEqual(
        beacons.flatMap((beacon) => beacon.events.map((event) => event.type)),
        ['heartbeat', 'custom', 'leave'],
      );
      assert.deepEqual(JSON.parse(beacons[0]?.context?.meta ?? ''), { consumer });
      const custom = beacons[1]?.events[0]?.detail;
      assert.equal(custom?.name, 'click');
      assert.deepEqual(JSON.parse(custom?.text ?? ''), { id: acted.body.event_id, data: { x: 1 } });
    }
  });

  it('knows a token that another instance issued, without a word between them', async () => {
    const token = await open();
    assert.equal((await act(token, {}, second)).status, 200);
    assert.equal(second.beacons().filter((beacon) => beacon.session === `microticks-${token}`).length, 1);
  });

  it('does not know a token of its own making, nor one with a wrong digit', async () => {
    const token = await open();
    const last = token.endsWith('0') ? '1' : '0';
    for (const wrong of [token.slice(0, 31) + last, 'f'.repeat(32), 'x', `${token.toUpperCase()}0`, `${token}0`]) {
      const answer = await act(wrong);
      assert.equal(answer.status, 400, wrong);
      assert.deepEqual(answer.body, { description: 'Could not find session', status: 400 });
    }
  });

  it('refuses what comes after the stop', async () => {
    const token = await open();
    assert.equal((await send('/sessions/stop', { token, ts: TS })).status, 200);
    for (const answer of [await act(token), await send('/sessions/stop', { token, ts: TS })]) {
      assert.equal(answer.status, 400);
      assert.deepEqual(answer.body, { description: 'Session was already stopped.', status: 400 });
    }
  });

  it('gives the same action sent again the same number, and another one another', async () => {
    const token = await open();
    const numbers = [await act(token), await act(token), await act(token, { ts: '2026-11-22T10:00:01.001Z' })].map(
      (answer) => answer.body.event_id,
    );
    assert.equal(numbers[0], numbers[1]);
    assert.notEqual(numbers[0], numbers[2]);
  });

  it('keeps text that is no JSON as text', async () => {
    const token = await open();
    for (const data of ['plain text', '{"__proto__":1}', '[[[[[[[[1]]]]]]]]', '{'])
      assert.equal((await act(token, { data, action: 'text' })).status, 200, data);
    const kept = first
      .beacons()
      .filter((beacon) => beacon.session === `microticks-${token}`)
      .flatMap((beacon) => beacon.events)
      .filter((event) => event.detail?.name === 'text')
      .map((event) => JSON.parse(event.detail?.text ?? '').data);
    assert.deepEqual(kept.sort(), ['plain text', '{"__proto__":1}', '[[[[[[[[1]]]]]]]]', '{'].sort());
  });

  for (const [path, names] of [
    ['/sessions', ['consumer_key', 'ts']],
    ['/sessions/stop', ['token', 'ts']],
    ['/events', ['token', 'action', 'data', 'ts']],
  ] as [string, string[]][]) {
    for (const missing of names) {
      it(`says that ${path} lacks ${missing}, and stores its neighbour`, async () => {
        const token = await open();
        const fields = { consumer_key: 'pk_demo', token, action: 'a', data: '1', ts: TS };
        const answer = await send(path, { ...fields, [missing]: '' });
        assert.equal(answer.status, 400);
        assert.deepEqual(answer.body, { error: `No "${missing}" parameter provided`, status: 400 });
        assert.equal((await act(token)).status, 200);
      });
    }
  }

  it('refuses unknown consumers, those put to sleep, wrong times and oversized data', async () => {
    const token = await open();
    const refused: [Promise<{ status: number; body: { error: string; status: number } }>, RegExp][] = [
      [send('/sessions', { consumer_key: 'nobody', ts: TS }), /^Invalid consumer_key$/],
      [send('/sessions', { consumer_key: 'asleep', ts: TS }), /^Consumer is not active\.$/],
      [send('/sessions', { consumer_key: 'pk_demo', ts: 'yesterday' }), /"ts"/],
      [act(token, { ts: '12' }), /"ts"/],
      [act(token, { data: 'x'.repeat(9_000) }), /"data"/],
      [act(token, { action: 'x'.repeat(257) }), /"action"/],
    ];
    for (const [asked, wanted] of refused) {
      const answer = await asked;
      assert.equal(answer.status, 400);
      assert.equal(answer.body.status, 400);
      assert.match(answer.body.error, wanted);
    }
    assert.equal((await act(token)).status, 200);
  });
});

it('says 503 and when to come again while the log cannot be written, and nothing is taken', async () => {
  const system = await startTestGateway({ wrapWriter: (writer) => ({ ...writer, ready: () => false }) });
  try {
    await new Promise((resolve) => setTimeout(resolve, 200));
    const answer = await system.post('consumer_key=pk_demo&ts=2026-11-22T10:00:00Z', {
      path: '/sessions',
      headers: { authorization: 'pk_demo' },
    });
    assert.equal(answer.status, 503);
    assert.equal(answer.body.status, 503);
    assert.equal(typeof answer.body.error, 'string');
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.equal(system.records(), 0);
  } finally {
    await system.stop();
  }
});
