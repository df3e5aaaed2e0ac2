// The event table of api.md section 2: what each type keeps, what refuses an event, what is only ignored.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readNativeBody } from '../../../../ingest/core/protocols/native.ts';
import { readNativeEvent } from '../../../../ingest/core/protocols/native-events.ts';
import { UNKNOWN_DETAIL } from '../../../../schemas/beacon.ts';

const options = { hashId: (text: string) => `hashed-${text.length}`, bodyBytes: 100 };

describe('events of the native beacon', () => {
  const good: [Record<string, unknown>, object | null][] = [
    [{ type: 'attempt' }, null],
    [{ type: 'leave', seq: null, at: null, positionMs: null }, null],
    [
      { type: 'seek', fromMs: 1000.4, toMs: 2000 },
      { fromMs: 1000, toMs: 2000 },
    ],
    [{ type: 'seek', toMs: 5 }, { toMs: 5 }],
    [{ type: 'rate', rate: 1.25 }, { rateMilli: 1250 }],
    [
      { type: 'quality', bitrateBps: 8e9, width: 1920, height: 1080, codec: 'avc1' },
      { bitrateBps: 2_147_483_647, width: 1920, height: 1080, code: 'avc1' },
    ],
    [
      { type: 'error', code: 404, message: 'x'.repeat(300), fatal: true },
      { code: '404', text: 'x'.repeat(256), flag: 1 },
    ],
    [{ type: 'fullscreen', on: false }, { flag: 0 }],
    [
      { type: 'captions', on: true, language: 'de' },
      { flag: 1, code: 'de' },
    ],
    [
      { type: 'volume', level: 0.5, muted: true },
      { levelMilli: 500, flag: 1 },
    ],
    [
      { type: 'ad', phase: 'start', id: 'a1' },
      { code: 'start', name: 'a1' },
    ],
    [
      { type: 'custom', name: 'buy', data: { price: 3 } },
      { name: 'buy', text: '{"price":3}' },
    ],
    [{ type: 'custom', name: 'buy' }, { name: 'buy' }],
  ];
  for (const [input, detail] of good) {
    it(`keeps ${JSON.stringify(input).slice(0, 60)}`, () => {
      const result = readNativeEvent(input);
      assert.ok(result.ok);
      assert.deepEqual(result.read.event.detail, detail === null ? null : { ...UNKNOWN_DETAIL, ...detail });
      assert.equal(result.read.ignoredFields, 0);
    });
  }

  const bad: [unknown, string, string][] = [
    [5, 'not_an_object', ''],
    [[], 'not_an_object', ''],
    [{}, 'missing_field', '/type'],
    [{ type: 'dance' }, 'unknown_type', '/type'],
    [{ type: 'unknown' }, 'unknown_type', '/type'],
    [{ type: 'toString' }, 'unknown_type', '/type'],
    [{ type: 'pause', seq: -1 }, 'invalid_value', '/seq'],
    [{ type: 'pause', seq: '1' }, 'invalid_value', '/seq'],
    [{ type: 'pause', at: -1 }, 'invalid_value', '/at'],
    [{ type: 'pause', at: Number.POSITIVE_INFINITY }, 'invalid_value', '/at'],
    [{ type: 'pause', positionMs: Number.NaN }, 'invalid_value', '/positionMs'],
    [{ type: 'rate' }, 'missing_field', '/rate'],
    [{ type: 'rate', rate: 101 }, 'invalid_value', '/rate'],
    [{ type: 'volume', level: 2 }, 'invalid_value', '/level'],
    [{ type: 'ad', phase: 'middle' }, 'invalid_value', '/phase'],
    [{ type: 'custom' }, 'missing_field', '/name'],
    [{ type: 'custom', name: 'n'.repeat(65) }, 'too_long', '/name'],
    [{ type: 'custom', name: 'n', data: 'x'.repeat(2050) }, 'too_long', '/data'],
    [{ type: 'fullscreen', on: 'yes' }, 'invalid_value', '/on'],
  ];
  for (const [input, reason, pointer] of bad) {
    it(`refuses ${JSON.stringify(input).slice(0, 60)}`, () => {
      const result = readNativeEvent(input);
      assert.ok(!result.ok);
      assert.deepEqual([result.refusal.reason, result.refusal.pointer], [reason, pointer]);
    });
  }
});

describe('the native body', () => {
  const draftOf = (body: object) => {
    const result = readNativeBody({ session: 's', events: [{ type: 'pause' }], ...body }, options);
    assert.ok(result.ok);
    const [draft] = result.drafts;
    assert.ok(draft);
    return draft;
  };

  it('counts unknown fields everywhere, and optional fields of a wrong type', () => {
    const draft = draftOf({
      extra: 1,
      video: { id: 'v', colour: 'red' },
      player: 7,
      meta: { a: [1], b: 1 },
      events: [{ type: 'pause', junk: 1 }],
    });
    assert.equal(draft.ignoredFields, 5);
    assert.equal(draft.context.meta, '{"b":1}');
  });

  it('sorts metadata, keeps scalars, holds to 40 keys', () => {
    const meta = Object.fromEntries(Array.from({ length: 45 }, (_, n) => [`k${String(n).padStart(2, '0')}`, n]));
    const draft = draftOf({ meta });
    const kept = JSON.parse(draft.context.meta) as object;
    assert.equal(Object.keys(kept).length, 40);
    assert.equal(draft.ignoredFields, 5);
    assert.equal(draftOf({ meta: { b: true, a: 'x' } }).context.meta, '{"a":"x","b":true}');
  });

  it('hashes session ids that do not fit, refuses video ids that are too long', () => {
    assert.equal(draftOf({ session: 'päth/1' }).session, 'hashed-6');
    const result = readNativeBody({ session: 's', video: { id: 'v'.repeat(257) }, events: [{ type: 'pause' }] }, options);
    assert.ok(!result.ok && result.kind === 'invalid');
    assert.deepEqual(result.errors, [{ pointer: '/video/id', detail: 'must be at most 256 bytes' }]);
  });

  it('takes client times as deltas; without any, from the receipt', () => {
    const timed = draftOf({ events: [{ type: 'pause' }, { type: 'playing', at: 1000 }, { type: 'pause' }, { type: 'playing', at: 400 }] });
    assert.equal(timed.baseAt, 1000);
    assert.deepEqual(
      timed.events.map((event) => event.at),
      [0, 0, 0, -600],
    );
    assert.equal(draftOf({}).baseAt, -1);
  });

  it('refuses unnumbered events of a session that is numbered in another beacon of the request', () => {
    const result = readNativeBody(
      [
        { session: 's', events: [{ type: 'pause', seq: 0 }] },
        { session: 's', events: [{ type: 'pause' }] },
      ],
      options,
    );
    assert.ok(result.ok);
    assert.deepEqual(
      result.drafts.map((draft) => [draft.session, draft.events.length, draft.rejects.map((reject) => reject.reason)]),
      [
        ['s', 1, []],
        ['s', 0, ['seq_mixed']],
      ],
    );
  });
});
