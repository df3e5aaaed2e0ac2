// The contract survives the wire: any beacon comes back as it was, anything damaged is named, other writers are understood.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Beacon, EVENT_TYPES, PROTOCOLS } from '../../../schemas/beacon.ts';
import { createCodec, type SchemaIds, schemaText } from '../../../schemas/codec.ts';
import { recordKey } from '../../../schemas/topics.ts';

const IDS: SchemaIds = { beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 };
const int32 = fc.integer({ min: -1, max: 0x7fffffff });
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const detail = fc.record({
  fromMs: int32,
  toMs: int32,
  rateMilli: int32,
  bitrateBps: int32,
  width: int32,
  height: int32,
  levelMilli: int32,
  flag: fc.integer({ min: -1, max: 1 }),
  code: text,
  name: text,
  text,
});
const event = fc.record({
  type: fc.constantFrom(...EVENT_TYPES),
  seq: int32,
  at: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  positionMs: int32,
  detail: fc.option(detail, { nil: null }),
});
const context = fc.record({
  title: text,
  durationMs: int32,
  live: fc.integer({ min: -1, max: 1 }),
  pageHost: text,
  pagePath: text,
  referrerHost: text,
  source: text,
  medium: text,
  campaign: text,
  country: text,
  region: text,
  browser: text,
  platform: text,
  device: text,
  playerName: text,
  playerVersion: text,
  bot: fc.boolean(),
  viewer: text,
  meta: text,
});
const instant = fc.integer({ min: -1, max: 4_102_444_800_000 });
const beaconArbitrary: fc.Arbitrary<Beacon> = fc.record({
  site: text,
  session: text,
  video: text,
  protocol: fc.constantFrom(...PROTOCOLS),
  receivedAt: instant,
  sentAt: instant,
  baseAt: instant,
  context: fc.option(context, { nil: null }),
  events: fc.array(event, { maxLength: 20 }),
  rejects: fc.array(fc.record({ index: int32, seq: int32, reason: text, detail: text, payload: text }), { maxLength: 3 }),
  ignoredFields: fc.nat(1000),
});

/** Plain data without the checksum, for comparison. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify({ ...(value as object), checksum: undefined }));

describe('codec: records', () => {
  const codec = createCodec(IDS);

  it('gives back any beacon, however many are encoded behind one another', () => {
    fc.assert(
      fc.property(fc.array(beaconArbitrary, { minLength: 1, maxLength: 30 }), (beacons) => {
        const records = beacons
          .map((beacon) => ({ beacon, key: Buffer.from(recordKey(beacon.site, beacon.session)) }))
          .map(({ beacon, key }) => ({ beacon, key, value: codec.encodeBeacon(beacon, key) }));
        for (const { beacon, key, value } of records) {
          const message = codec.decode(key, value);
          assert.equal(message.kind, 'beacon');
          if (message.kind === 'beacon') assert.deepEqual(plain(message.beacon), plain(beacon));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('holds a beacon larger than the slab', () => {
    const big = 'x'.repeat(400_000);
    const key = Buffer.from('s/k');
    const beacon = {
      site: 's',
      session: 'k',
      video: '',
      protocol: 'native' as const,
      receivedAt: 1,
      sentAt: -1,
      baseAt: -1,
      context: null,
      events: [],
      rejects: [{ index: 0, seq: -1, reason: 'r', detail: '', payload: big }],
      ignoredFields: 0,
    };
    const message = codec.decode(key, codec.encodeBeacon(beacon, key));
    assert.ok(message.kind === 'beacon' && message.beacon.rejects[0]?.payload.length === big.length);
  });

  it('names every kind of damage and never throws (K20, P15)', () => {
    fc.assert(
      fc.property(beaconArbitrary, fc.nat(), fc.integer({ min: 1, max: 255 }), (beacon, place, flip) => {
        const key = Buffer.from(recordKey(beacon.site, beacon.session));
        const value = Buffer.from(codec.encodeBeacon(beacon, key));
        const at = place % value.length;
        value[at] = (value[at] as number) ^ flip;
        const message = codec.decode(key, value);
        assert.ok(message.kind === 'bad' || message.kind === 'unknown_schema', `byte ${at} flipped was not noticed`);
        assert.equal(codec.decode(key, value.subarray(0, at)).kind === 'beacon', false);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses a record under another key (wrong bytes in the key are noticed by the checksum)', () => {
    const key = Buffer.from('site/a');
    const value = codec.encodeBeacon(
      {
        site: 'site',
        session: 'a',
        video: 'v',
        protocol: 'native',
        receivedAt: 1,
        sentAt: -1,
        baseAt: -1,
        context: null,
        events: [],
        rejects: [],
        ignoredFields: 0,
      },
      key,
    );
    assert.deepEqual(codec.decode(Buffer.from('site/b'), value), {
      kind: 'bad',
      reason: 'bad_checksum',
      detail: 'CRC-32 of key and payload differs',
    });
  });

  it('tells ticks, controls, empty and foreign records apart', () => {
    assert.equal(codec.decode(null, codec.encodeTick({ instance: 'i' })).kind, 'tick');
    const control = codec.decode(null, codec.encodeControl({ command: 'settings', site: 's', protocol: '', settings: { idleGapMs: 5 } }));
    assert.ok(control.kind === 'control' && control.control.settings['idleGapMs'] === 5);
    assert.equal(codec.decode(null, null).kind, 'bad');
    assert.equal(codec.decode(null, Buffer.from('hello, world')).kind, 'bad');
    assert.deepEqual(codec.decode(null, Buffer.from([0, 0, 0, 1, 0, 1, 2, 3, 4, 5])), { kind: 'unknown_schema', id: 256 });
  });
});

describe('codec: old and new writers together (F29)', () => {
  const withFields = (change: (fields: object[]) => object[]): string => {
    const schema = JSON.parse(schemaText('control')) as { fields: object[] };
    return JSON.stringify({ ...schema, fields: change(schema.fields) });
  };
  const control = { command: 'settings', site: 's', protocol: 'native', settings: { idleGapMs: 5 } } as const;

  it('reads a newer writer with a field more', () => {
    const text = withFields((fields) => [...fields, { name: 'zone', type: 'string', default: 'utc' }]);
    const writer = createCodec({ ...IDS, control: 9 }, (name) => (name === 'control' ? text : schemaText(name)));
    const reader = createCodec(IDS);
    const record = writer.encodeControl(control);
    assert.deepEqual(reader.decode(null, record), { kind: 'unknown_schema', id: 9 });
    reader.learn(9, text);
    const message = reader.decode(null, record);
    assert.equal(message.kind, 'control');
    if (message.kind === 'control') assert.deepEqual(plain(message.control), plain(control));
  });

  it('reads an older writer with a field less, by its default', () => {
    const text = withFields((fields) => fields.filter((field) => (field as { name: string }).name !== 'protocol'));
    const writer = createCodec({ ...IDS, control: 8 }, (name) => (name === 'control' ? text : schemaText(name)));
    const reader = createCodec(IDS);
    reader.learn(8, text);
    const message = reader.decode(null, writer.encodeControl(control));
    assert.equal(message.kind, 'control');
    if (message.kind === 'control') assert.deepEqual(plain(message.control), plain({ ...control, protocol: '' }));
  });

  it('refuses a schema that is no record of the log', () => {
    assert.throws(() => createCodec(IDS).learn(11, '{"type":"record","name":"Other","fields":[]}'), /no record of this log/);
  });
});
