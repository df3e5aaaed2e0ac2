// Phoenix frames, joins and pushes of mave's socket clients (protocols.md section 3), the current ones and those of 2023.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type ChannelMemory,
  canonicalJson,
  NEW_CHANNEL,
  readJoin,
  readPush,
  sessionOfTopic,
  videoOfJoin,
} from '../../../../../ingest/core/protocols/mave-socket.ts';
import { endOf, frameVersionOf, readFrame, replyTo, writeFrame } from '../../../../../ingest/core/protocols/phoenix.ts';

const hashId = (text: string): string => createHash('sha256').update(text).digest('base64url').slice(0, 32);

describe('Phoenix frames', () => {
  it('are lists in version 2 and objects before', () => {
    const frame = { joinRef: '3', ref: '4', topic: 'session:a', event: 'event', payload: { name: 'play' } };
    for (const version of [1, 2] as const) assert.deepEqual(readFrame(writeFrame(frame, version), version), frame);
    assert.deepEqual(JSON.parse(writeFrame(frame, 2)), ['3', '4', 'session:a', 'event', { name: 'play' }]);
    assert.deepEqual([frameVersionOf('2.0.0'), frameVersionOf('1.0.0'), frameVersionOf(null)], [2, 1, 1]);
  });

  it('answers and ends have the shapes that the client knows', () => {
    const beat = { joinRef: null, ref: '12', topic: 'phoenix', event: 'heartbeat', payload: {} };
    assert.equal(writeFrame(replyTo(beat, 'ok'), 2), '[null,"12","phoenix","phx_reply",{"status":"ok","response":{}}]');
    assert.equal(writeFrame(endOf('3', 'session:a', 'phx_close'), 2), '["3","3","session:a","phx_close",{}]');
  });

  it('anything else is unreadable, and nothing throws', () => {
    for (const text of [
      '',
      '{',
      '[]',
      '[1,2,3,4,5]',
      '["1","2","t","e"]',
      '{"topic":1}',
      `["1","2","${'t'.repeat(600)}","e",{}]`,
      `[null,null,"t","e",${'['.repeat(40)}${']'.repeat(40)}]`,
    ])
      assert.equal(readFrame(text, 2), undefined, text.slice(0, 40));
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.json()),
        fc.constantFrom(1 as const, 2 as const),
        (text, version) => void readFrame(text, version),
      ),
    );
  });
});

describe('joins', () => {
  const join = (payload: unknown) => readJoin('session:abc_-1', payload, 'https://site.example/upgrade');

  it('take metadata, key, page, identifier and session data', () => {
    const read = join({
      metadata: { vid: 'v1', nested: {} },
      key: 'k',
      source_url: 'https://site.example/watch?x=1',
      session_data: { course: 12 },
    });
    assert.ok(read);
    assert.deepEqual(
      [read.session, read.key, read.identifier, read.context.page, read.context.meta, read.ignoredFields],
      ['abc_-1', 'k', '', 'https://site.example/watch?x=1', '{"course":12,"vid":"v1"}', 1],
    );
    assert.equal(join({ metadata: {}, key: 'k' })?.context.page, 'https://site.example/upgrade');
  });

  it('need a key, and metadata or an identifier', () => {
    for (const payload of [null, [], 'x', {}, { metadata: {} }, { key: '', metadata: {} }, { key: 'k' }, { key: 5, metadata: {} }])
      assert.equal(join(payload), undefined, JSON.stringify(payload));
    assert.equal(join({ key: 'k', identifier: 'video-1' })?.identifier, 'video-1');
  });

  it('metadata of any kind describe a video', () => {
    const videos = ['intro', 5, false, null, ['intro'], {}].map((metadata) => {
      const read = join({ key: 'k', metadata });
      assert.ok(read, JSON.stringify(metadata));
      assert.equal(read.context.meta, '');
      return videoOfJoin(read, 'vid', hashId);
    });
    assert.equal(new Set(videos).size, videos.length);
    assert.equal(videos[0], `m_${createHash('sha256').update('"intro"').digest('base64url').slice(0, 22)}`);
  });

  it('the two-argument constructor sends the metadata as identifier', () => {
    const read = join({ key: 'k', identifier: { vid: 7 } });
    assert.ok(read);
    assert.equal(videoOfJoin(read, 'vid', hashId), '7');
    assert.equal(read.context.meta, '{"vid":7}');
  });

  it('the video is the field that the site names, else the identifier, else the same hash for equal metadata', () => {
    const video = (payload: Record<string, unknown>, field?: string) => {
      const read = join({ key: 'k', ...payload });
      assert.ok(read);
      return videoOfJoin(read, field, hashId);
    };
    assert.equal(video({ metadata: { vid: 'v1' }, identifier: 'i' }, 'vid'), 'v1');
    assert.equal(video({ metadata: { vid: 'v1' }, identifier: 'i' }), 'i');
    assert.equal(video({ metadata: { vid: { a: 1 } }, identifier: 'i' }, 'vid'), 'i');
    const hashed = video({ metadata: { b: [1, { y: 1, x: 2 }], a: 'é' } });
    assert.equal(hashed, `m_${createHash('sha256').update('{"a":"é","b":[1,{"x":2,"y":1}]}').digest('base64url').slice(0, 22)}`);
    assert.equal(video({ metadata: { a: 'é', b: [1, { x: 2, y: 1 }] } }), hashed);
  });

  it('topics are sessions', () => {
    assert.deepEqual(['session:a', 'session:', 'room:a', 'phoenix', ''].map(sessionOfTopic), ['a', '', '', '', '']);
    assert.equal(canonicalJson(undefined), 'null');
  });
});

/** Events of some pushes in a row, as `type@position` with what else they say. */
function told(...payloads: unknown[]): { events: string[]; reasons: string[]; memory: ChannelMemory } {
  let memory: ChannelMemory = NEW_CHANNEL;
  const events: string[] = [];
  const reasons: string[] = [];
  for (const payload of payloads) {
    const pushed = readPush(payload, memory);
    memory = pushed.memory;
    if (pushed.reason !== '') reasons.push(pushed.reason);
    for (const { type, positionMs, detail } of pushed.events) {
      const known = Object.entries(detail ?? {}).filter(([, value]) => value !== -1 && value !== '');
      events.push([`${type}@${positionMs}`, ...known.map(([name, value]) => `${name}:${value}`)].join(' '));
    }
  }
  return { events, reasons, memory };
}

describe('pushes', () => {
  it('play and pause, with positions as numbers or text', () => {
    const { events, memory } = told(
      { name: 'play', duration: 120.5, from: 0 },
      { name: 'pause', duration: 120.5, to: '5.25' },
      { name: 'play', from: '5.25', duration: null },
      { name: 'pause', to: 9.123456 },
    );
    assert.deepEqual(events, ['playing@0', 'pause@5250', 'playing@5250', 'pause@9123']);
    assert.equal(memory.durationMs, 120_500);
  });

  it('without a position they mean nothing, and that is counted', () => {
    assert.deepEqual(told({ name: 'play', from: null }, { name: 'pause', to: null }, { name: 'pause' }, { name: 'play', from: 'NaN' }), {
      events: [],
      reasons: Array(4).fill('no_position'),
      memory: NEW_CHANNEL,
    });
  });

  it('what is no event at all is counted', () => {
    for (const payload of [null, 5, [], {}, { name: 7 }, { name: '' }]) assert.deepEqual(told(payload).reasons, ['not_an_event']);
  });

  it('2023: a pause and a play of the same instant are one seek, and the word for it adds nothing', () => {
    assert.deepEqual(
      told(
        { name: 'play', from: 0, timestamp: 1_000 },
        { name: 'pause', to: 4, timestamp: 5_000 },
        { name: 'play', from: 60, timestamp: 5_000 },
        { name: 'seeked', timestamp: 5_003 },
      ).events,
      ['playing@0', 'pause@4000', 'seek@-1 fromMs:4000 toMs:60000', 'playing@60000'],
    );
    assert.deepEqual(
      told({ name: 'pause', to: 4, timestamp: 1 }, { name: 'seeked', timestamp: 9 }).events,
      ['pause@4000', 'seek@-1'],
      'while paused',
    );
  });

  it('2023: everything else', () => {
    assert.deepEqual(
      told(
        { name: 'rebuffering_start', from: 3.5, timestamp: 1 },
        { name: 'rebuffering_end', timestamp: 2 },
        { name: 'track_set', language: 'NL', timestamp: 3 },
        { name: 'fullscreen_enter', timestamp: 4 },
        { name: 'fullscreen_exit', timestamp: 5 },
        { name: 'playback_failure', timestamp: 6 },
        { name: 'chapter', from: 2, title: 'x', timestamp: 7 },
      ).events,
      [
        'stall_start@3500',
        'stall_end@-1',
        'captions@-1 flag:1 code:nl',
        'fullscreen@-1 flag:1',
        'fullscreen@-1 flag:0',
        'error@-1 flag:1 code:playback_failure',
        'custom@2000 name:chapter text:{"from":2,"title":"x"}',
      ],
    );
    assert.deepEqual(
      told(...['', 'dutch', 'zz', 5].map((language) => ({ name: 'track_set', language })), { name: 'track_set' }).reasons,
      Array(5).fill('no_language'),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.jsonValue(),
            fc.record({
              name: fc.constantFrom('play', 'pause', 'seeked', 'x'),
              from: fc.jsonValue(),
              to: fc.jsonValue(),
              timestamp: fc.jsonValue(),
            }),
          ),
        ),
        (payloads) => void told(...payloads),
      ),
    );
  });
});
