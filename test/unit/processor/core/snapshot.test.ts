// Snapshots through the real Avro schema (SPEC.md, V7).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import avsc from 'avsc';
import { createPartition, FOLD_VERSION, step } from '../../../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../../../processor/core/settings.ts';
import { SNAPSHOT_VERSION } from '../../../../processor/core/snapshot.ts';
import { PLAY_STATES } from '../../../../processor/core/transitions.ts';
import { visitStampText } from '../../../../schemas/visits.ts';
import { context, LogBuilder } from '../../../support/records.ts';
import { bytesOf, restoreFrom, stateText } from '../../../support/state-bytes.ts';

const schema = JSON.parse(readFileSync(new URL('../../../../schemas/snapshot.avsc', import.meta.url), 'utf8'));
const type = avsc.Type.forSchema(schema);

/** A state with a little of everything in it. */
function busyState() {
  const log = new LogBuilder();
  const state = createPartition(FOLD_SETTINGS_DEFAULT);
  const known = context({ title: 'Intro', durationMs: 60_000, meta: '{"a":1}' });
  const records = [
    log.control(0, { site: 'demo', settings: { idleGapMs: 60_000 } }),
    log.beacon(1_000, {
      context: known,
      events: [
        { type: 'attempt', seq: 0 },
        { type: 'playing', seq: 1, at: 900, positionMs: 0 },
      ],
    }),
    log.beacon(5_000, { events: [{ type: 'heartbeat', seq: 4, at: 5_000, positionMs: 4_000 }] }),
    log.tick(9_000),
    log.tick(12_000),
    log.beacon(12_500, {
      events: [
        { type: 'error', seq: 5, at: 12_000, positionMs: 11_000, detail: { code: 'net', flag: 0 } },
        { type: 'pause', seq: 6, at: 12_100 },
      ],
    }),
    log.beacon(13_000, { events: [{ type: 'custom', seq: 9, at: 13_000, detail: { name: 'like', text: '{}' } }], context: known }),
    log.beacon(13_100, { events: [], rejects: [{ index: 0, seq: 8, reason: 'bad_event', detail: '', payload: '{}' }] }),
    log.beacon(13_200, {
      session: 'bob',
      video: 'other',
      protocol: 'mave',
      baseAt: -1,
      events: [{ type: 'playing', positionMs: 5 }, { type: 'leave' }],
    }),
    log.beacon(13_300, {
      session: 'carol',
      protocol: 'mave',
      events: [
        { type: 'pause', at: 13_300, positionMs: 4_000 },
        { type: 'playing', at: 9_300, positionMs: 0 },
      ],
    }),
    log.beacon(13_300, {
      session: 'dave',
      video: '',
      protocol: 'ga',
      context: context({ title: 'Überblick – 概要 🎬', viewer: 'v1' }),
      events: [
        {
          type: 'custom',
          detail: {
            name: 'pageview',
            code: visitStampText({ kind: 'page', order: '', interactive: true, day: '2026-11-22', source: '', nonce: 'n' }),
          },
        },
      ],
    }),
  ];
  for (const record of records) step(state, record);
  return state;
}

type Plain = Record<string, unknown>;
type PlainSession = Plain & { part: number; line: string; video: number };
const plainOf = (bytes: Buffer): Plain & { version: number; streams: (Plain & { sessions: PlainSession[]; videos: Plain[] })[] } =>
  type.fromBuffer(bytes) as never;

/** Every field of `plain` that holds a plain value is what the state says under the same name. */
function sameFields(plain: Plain, held: object, except: readonly string[] = []): number {
  let compared = 0;
  for (const [name, value] of Object.entries(plain)) {
    if (except.includes(name)) continue;
    assert.equal(JSON.stringify(value), JSON.stringify((held as Plain)[name]), name);
    compared++;
  }
  return compared;
}

describe('snapshot (V7)', () => {
  it('is Avro of the schema, and says under each name what the state says', () => {
    const state = busyState();
    const plain = plainOf(bytesOf(state));
    sameFields(plain, { ...state, version: SNAPSHOT_VERSION, foldVersion: FOLD_VERSION }, ['limits', 'overrides', 'streams', 'visits']);
    assert.equal(plain.streams.length, state.streams.size);
    for (const each of plain.streams) {
      const stream = state.streams.get(`${each['site']}/${each['session']}`) ?? assert.fail('a stream that is not held');
      sameFields(each, { ...stream, session: stream.session, pending: [...stream.held, ...stream.pending] }, ['videos', 'sessions']);
      each.videos.forEach((video, i) => void sameFields(video, stream.videos[i] as object));
      assert.equal(each.sessions.length, stream.sessions.length);
      for (const session of each.sessions) {
        const { part, line } = session;
        const held = stream.sessions.find((open) => open.part === part && open.line === line) ?? assert.fail('a part that is not held');
        const compared = sameFields(session, held, ['video', 'context']);
        assert.ok(compared > 40);
        sameFields(session['context'] as Plain, held.context);
        assert.equal(stream.videos[session.video], held.video);
      }
    }
  });

  it('comes back equal, in whatever blocks another Avro writer cuts it', () => {
    const bytes = bytesOf(busyState());
    assert.deepEqual(bytesOf(restoreFrom(bytes, FOLD_SETTINGS_DEFAULT)), bytes);
    assert.deepEqual(bytesOf(restoreFrom(type.toBuffer(plainOf(bytes)), FOLD_SETTINGS_DEFAULT)), bytes);
  });

  it('equal states have equal bytes, different ones do not', () => {
    assert.equal(stateText(busyState()), stateText(busyState()));
    const other = busyState();
    step(other, new LogBuilder().tick(14_300));
    assert.notEqual(stateText(other), stateText(busyState()));
  });

  it('refuses a layout it does not know, and bytes that end too soon or too late', () => {
    const bytes = bytesOf(busyState());
    const later = type.toBuffer({ ...plainOf(bytes), version: SNAPSHOT_VERSION + 1 });
    assert.throws(() => restoreFrom(later, FOLD_SETTINGS_DEFAULT), /snapshot layout 2/);
    // One cut leaves out the visits alone: that is what versions wrote that knew none.
    const visits = avsc.Type.forSchema(schema.fields.find(({ name }: { name: string }) => name === 'visits').type);
    const visitsFrom = bytes.length - visits.toBuffer(plainOf(bytes)['visits']).length;
    for (let end = 0; end < bytes.length; end++) {
      if (end === visitsFrom) assert.equal(restoreFrom(bytes.subarray(0, end), FOLD_SETTINGS_DEFAULT).streams.size, 4);
      else assert.throws(() => restoreFrom(bytes.subarray(0, end), FOLD_SETTINGS_DEFAULT), RangeError, `cut at ${end}`);
    }
    assert.throws(() => restoreFrom(Buffer.concat([bytes, bytes]), FOLD_SETTINGS_DEFAULT), RangeError);
  });

  it('the schema knows the states of playback in their order', () => {
    assert.match(JSON.stringify(schema), new RegExp(JSON.stringify(PLAY_STATES).replace(/[[\]]/g, '\\$&')));
  });
});
