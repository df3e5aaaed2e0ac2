// mave's events as drafts (protocols.md section 2): fields and limits, one refusal for the whole request, nothing refused for length.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAVE_EVENTS_MAX, readMaveEvents } from '../../../../../ingest/core/protocols/mave.ts';

const NOW = 1_795_313_456_000;
const SESSION = '7f3c0a52-0d6c-4b7e-9d0a-0a4c3b2d1e0f';
const event = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  name: 'play',
  timestamp: NOW - 1_000,
  session_id: SESSION,
  duration: 120.5,
  video_time: 0,
  embed_id: 'abcde0123456789',
  component: 'player',
  source_url: 'https://site.example/path?x=1#frag',
  ...changes,
});
const read = (...events: unknown[]) => {
  const result = readMaveEvents({ events }, NOW);
  assert.ok(result.ok, JSON.stringify(result));
  return result;
};
const only = (...events: unknown[]) => {
  const { drafts } = read(...events);
  assert.equal(drafts.length, 1);
  const [first] = drafts;
  assert.ok(first);
  return first;
};

describe('mave events', () => {
  it('play and pause are playing and pause, with the context of the viewing', () => {
    const { draft, space } = only(event(), event({ name: 'pause', timestamp: NOW, video_time: 1.004 }));
    assert.deepEqual([draft.protocol, draft.session, draft.video, space], ['mave', SESSION, 'abcde0123456789', 'abcde']);
    assert.deepEqual([draft.baseAt, draft.sentAt, draft.context.durationMs], [NOW - 1_000, -1, 120_500]);
    assert.deepEqual([draft.context.page, draft.context.playerName], ['https://site.example/path?x=1#frag', 'player']);
    assert.deepEqual(
      draft.events.map(({ type, seq, at, positionMs }) => [type, seq, at, positionMs]),
      [
        ['playing', -1, 0, 0],
        ['pause', -1, 1_000, 1_004],
      ],
    );
  });

  it('what cannot be a position or a duration is unknown, never an error and never zero', () => {
    for (const video_time of [null, undefined, 'x', {}, [], -1, true])
      assert.equal(only(event({ video_time })).draft.events[0]?.positionMs, -1);
    for (const duration of [null, undefined, 0, 'x', {}]) assert.equal(only(event({ duration })).draft.context.durationMs, -1);
    assert.equal(only(event({ video_time: '5.25' })).draft.events[0]?.positionMs, 5_250);
  });

  it('times are integers, floats or numeric text; those nobody believes are counted', () => {
    assert.equal(only(event({ timestamp: NOW - 1000.4 })).draft.baseAt, NOW - 1_000);
    assert.equal(only(event({ timestamp: `${NOW - 1000}` })).draft.baseAt, NOW - 1_000);
    assert.equal(read(event({ timestamp: NOW + 600_001 }), event({ timestamp: NOW - 86_400_001 }), event()).clamped, 2);
    for (const timestamp of [-5, 1e300])
      assert.deepEqual([read(event({ timestamp })).clamped, only(event({ timestamp })).draft.baseAt], [1, NOW]);
  });

  it('a missing or malformed name, session or time refuses the request at the first bad event', () => {
    const cases: [Record<string, unknown>, RegExp][] = [
      [{ name: undefined }, /^name/],
      [{ name: '' }, /^name/],
      [{ name: 5 }, /^name/],
      [{ session_id: undefined }, /^session_id/],
      [{ session_id: 'not-a-uuid' }, /^session_id/],
      [{ session_id: 7 }, /^session_id/],
      [{ timestamp: undefined }, /^timestamp/],
      [{ timestamp: null }, /^timestamp/],
      [{ timestamp: 'soon' }, /^timestamp/],
      [{ timestamp: {} }, /^timestamp/],
    ];
    for (const [changes, reason] of cases) {
      const result = readMaveEvents({ events: [event(), event(changes), event({ name: 1 })] }, NOW);
      assert.ok(!result.ok && result.kind === 'event');
      assert.equal(result.index, 1);
      assert.match(result.reason, reason);
    }
    for (const wrong of [null, 'x', 5, []]) assert.ok(!readMaveEvents({ events: [wrong] }, NOW).ok);
  });

  it('is never refused for length: what is long is cut', () => {
    const long = 'x'.repeat(5_000);
    const { draft } = only(event({ name: long, embed_id: long, component: long, source_url: `https://a.example/${long}`, extra: long }));
    assert.deepEqual([draft.events[0]?.detail?.name.length, draft.video.length, draft.context.playerName.length], [128, 256, 64]);
    assert.equal(draft.context.page.length, 2_048);
    assert.equal(JSON.parse(draft.events[0]?.detail?.text ?? '').extra.length, 2_048);
    assert.equal(JSON.parse(only(event({ extra: long })).draft.context.meta).extra.length, 2_048);
  });

  it('any other name is a custom event with its own fields', () => {
    const { draft } = only(event({ name: 'quality_menu', level: 720, nested: { a: 1 }, video_time: 3 }));
    const [custom] = draft.events;
    assert.deepEqual(
      [custom?.type, custom?.positionMs, custom?.detail?.name, custom?.detail?.text],
      ['custom', 3_000, 'quality_menu', '{"level":720}'],
    );
    assert.equal(draft.ignoredFields, 1);
  });

  it('further scalars are metadata within the bounds; nested values are left out and counted', () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, i]));
    const { draft } = only(event({ ...many, nested: [1], ['x'.repeat(70)]: 'cut key' }));
    assert.equal(Object.keys(JSON.parse(draft.context.meta)).length, 40);
    assert.equal(draft.ignoredFields, 12);
    const longKey = only(event({ ['x'.repeat(65)]: 1, ['y'.repeat(64)]: 2 })).draft;
    assert.deepEqual([longKey.context.meta, longKey.ignoredFields], [`{"${'y'.repeat(64)}":2}`, 1], 'longer keys are left out, not cut');
    assert.equal(only(event({ plan: 'pro' })).draft.context.meta, '{"plan":"pro"}');
  });

  it('without an embed id the video is host and path, and there is no space', () => {
    const { draft, space } = only(event({ embed_id: undefined }));
    assert.deepEqual([draft.video, space], ['site.example/path', '']);
    assert.equal(only(event({ embed_id: undefined, source_url: undefined })).draft.video, '');
    assert.equal(only(event({ embed_id: 'short' })).space, '');
  });

  it('several players of a page are several sessions; events stand in the order of their time', () => {
    const other = SESSION.replace('7', '8');
    const result = read(
      event({ timestamp: NOW, name: 'pause' }),
      event({ session_id: other.toUpperCase() }),
      event({ timestamp: NOW - 500 }),
    );
    assert.deepEqual(
      result.drafts.map(({ draft }) => [draft.session, draft.events.map(({ type, at }) => [type, at])]),
      [
        [
          SESSION,
          [
            ['playing', 0],
            ['pause', 500],
          ],
        ],
        [other, [['playing', 0]]],
      ],
    );
  });

  it('the payload is an object with a list of at most 500', () => {
    for (const body of [null, [], 'x', 5, {}, { events: {} }, { events: 'x' }])
      assert.deepEqual(readMaveEvents(body, NOW), { ok: false, kind: 'payload' });
    assert.deepEqual(readMaveEvents({ events: Array(MAVE_EVENTS_MAX + 1).fill(event()) }, NOW), { ok: false, kind: 'too_many' });
    assert.ok(readMaveEvents({ events: Array(MAVE_EVENTS_MAX).fill(event()) }, NOW).ok);
    assert.deepEqual(readMaveEvents({ events: [] }, NOW), { ok: true, drafts: [], clamped: 0 });
  });

  it('never throws, and every draft fits the contract', () => {
    const field = fc.oneof(fc.jsonValue(), fc.string(), fc.double(), fc.constant(NOW), fc.constant(SESSION));
    const anything = fc.record(
      {
        name: field,
        timestamp: field,
        session_id: fc.oneof(fc.constant(SESSION), field),
        video_time: field,
        duration: field,
        embed_id: field,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(anything, fc.jsonValue()), { maxLength: 5 }), (events) => {
        const result = readMaveEvents({ events }, NOW);
        if (!result.ok) return;
        for (const { draft } of result.drafts) {
          assert.match(draft.session, /^[0-9a-f-]{36}$/);
          assert.ok(
            draft.baseAt >= 0 && draft.events.every(({ at, positionMs }) => Number.isSafeInteger(at) && Number.isSafeInteger(positionMs)),
          );
        }
      }),
    );
  });
});
