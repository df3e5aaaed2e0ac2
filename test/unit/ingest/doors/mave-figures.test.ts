// From mave's wire to figures, door and fold together on an in-process log: clients that no package drives (2023), and the faults of the
// original that are not repeated (protocols.md sections 2 and 3, Differs).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { createPartition, step } from '../../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../../processor/core/settings.ts';
import type { SessionPart } from '../../../../schemas/session.ts';
import { PLAIN_KEY, startTestGateway, type TestGateway, until } from '../../../support/gateway.ts';

describe('mave, from the wire to the figures', () => {
  let gateway: TestGateway;
  let sessions = 0;
  before(async () => {
    gateway = await startTestGateway({ keys: [PLAIN_KEY] });
  });
  after(() => gateway.stop());

  /** The sealed session of that id if everything ended now. */
  function folded(session: string): SessionPart {
    const parts: SessionPart[] = [];
    for (let partition = 0; partition < 4; partition++) {
      const state = createPartition(FOLD_SETTINGS_DEFAULT);
      const records = gateway.log.records(partition).map((record) => ({
        offset: record.offset,
        appendAt: record.appendAt,
        keyText: record.key === null ? null : String(record.key),
        message: gateway.codec.decode(record.key, record.value) as never,
      }));
      const control = { kind: 'control', control: { command: 'close_all', site: '', protocol: '', settings: {} } } as const;
      const last = records.at(-1);
      const all = [...records, { offset: (last?.offset ?? 0) + 1, appendAt: last?.appendAt ?? 0, keyText: null, message: control }];
      for (const record of all) for (const output of step(state, record)) if (output.kind === 'sealed') parts.push(output.part);
    }
    const [only, ...more] = parts.filter((part) => part.session === session);
    assert.ok(only !== undefined && more.length === 0, `${parts.length} parts`);
    return only;
  }
  const watched = ({ sections }: SessionPart) => sections.map(({ fromMs, toMs }) => [fromMs, toMs]);

  describe('events over HTTP', () => {
    const start = Date.now() - 120_000;
    const fresh = () => `7f3c0a52-0d6c-4b7e-9d0a-${String(++sessions).padStart(12, '0')}`;
    const event = (session_id: string, name: string, seconds: number, video_time: unknown, more: object = {}) => ({
      name,
      timestamp: start + seconds * 1000,
      session_id,
      video_time,
      duration: 60,
      embed_id: 'abcde0123456789',
      ...more,
    });
    const send = async (events: unknown[]) => assert.equal((await gateway.post({ events }, { path: '/k/pk_demo/v1/events' })).status, 202);

    it('differs: the peer has no duplicate key; here a batch that is sent again, whole and in part, counts once', async () => {
      const session = fresh();
      const events = [
        event(session, 'play', 0, 0),
        event(session, 'pause', 10, 10),
        event(session, 'play', 12, 10),
        event(session, 'pause', 20, 18),
      ];
      await send(events);
      await send(events);
      await send([...events.slice(2), event(session, 'play', 25, 18), event(session, 'pause', 30, 23)]);
      const part = folded(session);
      assert.deepEqual([part.totalWatchMs, part.plays, part.received, part.duplicates], [23_000, 1, 6, 6]);
    });

    it('a clock that is years away keeps its distances, and is recognised when it repeats', async () => {
      const session = fresh();
      const years = { timestamp: 5_000 };
      const events = [event(session, 'play', 0, 0, years), event(session, 'pause', 0, 10, { timestamp: 15_000 })];
      await send(events);
      await send(events);
      const part = folded(session);
      assert.deepEqual([part.totalWatchMs, part.received, part.duplicates], [10_000, 2, 2]);
      assert.ok(Math.abs(part.startedAt - Date.now()) < 60_000);
    });

    it('differs: at the peer one position that is no number loses its stored batch; here nothing but itself', async () => {
      const session = fresh();
      await send([
        event(session, 'play', 0, 0),
        event(session, 'pause', 10, 'ten'),
        event(session, 'play', 20, 30),
        event(session, 'pause', 25, 35),
      ]);
      assert.deepEqual(watched(folded(session)), [
        [0, 5_000],
        [30_000, 35_000],
      ]);
    });

    it('differs: at the peer a session without a closing pause counts nothing; here it is a play of five seconds at most', async () => {
      const session = fresh();
      await send([event(session, 'play', 0, 0)]);
      const part = folded(session);
      assert.deepEqual([part.plays, part.totalWatchMs], [1, 5_000]);
    });

    it('batches that arrive in the wrong order are counted in the order in which they happened', async () => {
      const session = fresh();
      await send([event(session, 'pause', 10, 10)]);
      await send([event(session, 'play', 0, 0)]);
      await send([event(session, 'play', 12, 40), event(session, 'pause', 15, 43)]);
      const part = folded(session);
      assert.deepEqual(watched(part), [
        [0, 10_000],
        [40_000, 43_000],
      ]);
      assert.deepEqual([part.plays, part.seeks, part.received], [1, 1, 4]);
    });

    it('a clock that is wrong, a fast and a slow one, is put right as a whole', async () => {
      for (const hours of [-30, 2]) {
        const session = fresh();
        const stamp = (seconds: number): object => ({ timestamp: Date.now() + hours * 3_600_000 + seconds * 1_000 });
        await send([event(session, 'play', 0, 0, stamp(0)), event(session, 'pause', 0, 10, stamp(10))]);
        const part = folded(session);
        assert.equal(part.totalWatchMs, 10_000);
        assert.ok(Math.abs(part.startedAt - Date.now()) < 60_000, `${hours} h`);
      }
    });

    it('several players of one page are several sessions, several videos of one session are one each', async () => {
      const [one, two] = [fresh(), fresh()];
      await send([
        event(one, 'play', 0, 0),
        event(two, 'play', 0, 0, { embed_id: 'abcde9999999999' }),
        event(one, 'pause', 4, 4),
        event(two, 'pause', 6, 6, { embed_id: 'abcde9999999999' }),
      ]);
      assert.deepEqual([folded(one).totalWatchMs, folded(two).totalWatchMs], [4_000, 6_000]);
    });

    it('pause without play, play after play, and a play that nothing follows', async () => {
      const session = fresh();
      await send([
        event(session, 'pause', 0, 3),
        event(session, 'play', 1, 3),
        event(session, 'play', 6, 8),
        event(session, 'pause', 9, 11),
        event(session, 'play', 20, 40),
      ]);
      const part = folded(session);
      assert.deepEqual([part.totalWatchMs, part.plays, part.seeks], [13_000, 1, 1]);
      assert.deepEqual(watched(part).at(-1), [40_000, 45_000]);
    });

    it('never more than the video is long', async () => {
      const session = fresh();
      await send([event(session, 'play', 0, 58)]);
      assert.deepEqual(watched(folded(session)), [[58_000, 60_000]]);
    });
  });

  describe('the client of 2023 over the socket', () => {
    /** Sends pushes of the old client into a session of its own; resolves when they are in the log. */
    async function told(pushes: readonly Record<string, unknown>[], end: 'cut' | 'stay' = 'stay'): Promise<string> {
      const session = `old-${++sessions}`;
      const topic = `session:${session}`;
      const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/socket/websocket?source_url=https%3A%2F%2Fa.example%2F&vsn=2.0.0`);
      await new Promise((resolve) => socket.on('open', resolve));
      const before = gateway.records();
      socket.send(JSON.stringify(['3', '3', topic, 'phx_join', { identifier: 'film', key: 'pk_demo', session_data: { course: 12 } }]));
      for (const [index, push] of pushes.entries()) socket.send(JSON.stringify(['3', String(index + 4), topic, 'event', push]));
      await until(async () => gateway.records() >= before + pushes.length);
      if (end === 'cut') {
        socket.terminate();
        await until(async () => gateway.records() >= before + pushes.length + 1);
      }
      return session;
    }
    const at = (seconds: number): number => 1_700_000_000_000 + seconds * 1000;

    it('play, stalls, a seek, captions, pause', async () => {
      const session = await told([
        { name: 'play', from: 0, duration: 120, timestamp: at(0) },
        { name: 'rebuffering_start', from: 10, timestamp: at(10) },
        { name: 'rebuffering_end', timestamp: at(12) },
        { name: 'rebuffering_start', from: 13, timestamp: at(15) },
        { name: 'rebuffering_end', timestamp: at(15.1) },
        { name: 'pause', to: 18, timestamp: at(20.1) },
        { name: 'play', from: 60, timestamp: at(20.1) },
        { name: 'pause', to: 70, timestamp: at(30.1) },
      ]);
      const part = folded(session);
      assert.deepEqual(
        [part.video, part.plays, part.seeks, part.stalls, part.stallMs, part.totalWatchMs],
        ['film', 1, 1, 1, 2_000, 28_000],
      );
      assert.equal(part.context.meta, '{"course":12}');
    });

    it('a failure before the first frame is a start failure', async () => {
      const part = folded(await told([{ name: 'playback_failure', timestamp: at(0) }]));
      assert.deepEqual([part.startFailures, part.plays], [1, 0]);
    });

    it('differs: the peer stores positions beyond the media length at a disconnect; here a play is credited up to it, never beyond', async () => {
      const part = folded(await told([{ name: 'play', from: 119.9, duration: 120, timestamp: at(0) }], 'cut'));
      assert.ok(part.totalWatchMs <= 100, `${part.totalWatchMs}`);
      assert.deepEqual([part.plays, part.completions], [1, part.totalWatchMs > 0 ? 1 : 0]);
    });
  });
});
