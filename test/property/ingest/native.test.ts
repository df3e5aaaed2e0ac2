// Whatever JSON is sent: parsing never throws, and a beacon that comes out fits the codec and every column it can reach (G6).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { admit } from '../../../ingest/core/admit.ts';
import { pageOf } from '../../../ingest/core/campaign.ts';
import { clientOf } from '../../../ingest/core/device.ts';
import type { Draft } from '../../../ingest/core/draft.ts';
import { BODY_BYTES_MAX } from '../../../ingest/core/limits.ts';
import { parseJson } from '../../../ingest/core/parse.ts';
import { readNativeBody } from '../../../ingest/core/protocols/native.ts';
import { referrerOf } from '../../../ingest/core/referrer.ts';
import { hashId } from '../../../ingest/enrichment.ts';
import { type Beacon, EVENT_TYPES } from '../../../schemas/beacon.ts';
import { createCodec } from '../../../schemas/codec.ts';

const codec = createCodec({ beacon: 1, tick: 2, control: 3, session: 4, snapshot: 5 });
const lookups = {
  place: () => ({ country: 'DE', region: '' }),
  client: clientOf,
  page: pageOf,
  referrer: (url: string, host: string) => referrerOf(url, host, new Map()),
  viewer: () => '',
};

const number = fc.oneof(
  fc.integer({ min: -10, max: 100_000 }),
  fc.double(),
  fc.constantFrom(-1, 0, 2 ** 31, 2 ** 53, 2 ** 63, 1e308, Number.MAX_SAFE_INTEGER, -(2 ** 31) - 1, 0.5),
);
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\u0000', '\ud800', '\udc00x', '__proto__', 'https://a.example/b?utm_source=\u0000', 'x'.repeat(3000)),
);
const anything = fc.oneof(number, text, fc.boolean(), fc.constant(null), fc.jsonValue({ maxDepth: 2 }));
const type = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...EVENT_TYPES) }, { weight: 1, arbitrary: text });
const fields = [
  'seq',
  'at',
  'positionMs',
  'fromMs',
  'toMs',
  'rate',
  'bitrateBps',
  'width',
  'height',
  'codec',
  'code',
  'message',
  'fatal',
  'on',
  'language',
  'level',
  'muted',
  'phase',
  'id',
  'name',
  'data',
  'junk',
];
const event = fc.record({ type, ...Object.fromEntries(fields.map((name) => [name, anything])) }, { requiredKeys: ['type'] });
const beacon = fc.record(
  {
    key: text,
    session: text,
    events: fc.oneof(
      { weight: 9, arbitrary: fc.array(fc.oneof({ weight: 9, arbitrary: event }, { weight: 1, arbitrary: anything }), { maxLength: 6 }) },
      { weight: 1, arbitrary: anything },
    ),
    video: fc.oneof(anything, fc.record({ id: anything, title: anything, durationMs: anything, live: anything }, { requiredKeys: [] })),
    page: anything,
    referrer: anything,
    player: fc.oneof(anything, fc.record({ name: anything, version: anything }, { requiredKeys: [] })),
    meta: fc.oneof(anything, fc.dictionary(text, anything)),
    sentAt: anything,
    extra: anything,
  },
  { requiredKeys: ['session', 'events'] },
);
const body = fc.oneof(
  { weight: 4, arbitrary: beacon },
  { weight: 4, arbitrary: fc.array(fc.oneof(beacon, anything), { maxLength: 4 }) },
  { weight: 1, arbitrary: anything },
);

const LONE = /\p{Cs}/u;
const CONTROL = /\p{Cc}/u;
const SESSION = /^[A-Za-z0-9_-]{1,64}$/;

function assertFits(kept: Beacon): void {
  const key = Buffer.from(`${kept.site}/${kept.session}`);
  const back = codec.decode(key, codec.encodeBeacon(kept, key));
  assert.equal(back.kind, 'beacon');
  const { checksum: _checksum, ...read } = (back as unknown as { beacon: Beacon & { checksum: unknown } }).beacon;
  assert.equal(JSON.stringify(read), JSON.stringify(kept));
  if (kept.session === '') assert.ok(kept.events.length === 0 && kept.rejects.length > 0);
  else assert.match(kept.session, SESSION);
  JSON.stringify(kept, (_key, value) => {
    if (typeof value === 'string') assert.ok(!LONE.test(value) && !CONTROL.test(value), JSON.stringify(value));
    if (typeof value === 'number') assert.ok(Number.isSafeInteger(value), String(value));
    return value;
  });
  for (const json of [
    kept.context?.meta ?? '',
    ...kept.events.filter((each) => each.type === 'custom').map((each) => each.detail?.text ?? ''),
  ]) {
    if (json !== '') assertJsonb(JSON.parse(json));
  }
}

/** What PostgreSQL's jsonb refuses: NUL and lone surrogates, in texts and keys. */
function assertJsonb(value: unknown): void {
  JSON.stringify(value, (key, inner) => {
    for (const each of [key, inner]) if (typeof each === 'string') assert.ok(!LONE.test(each) && !each.includes('\u0000'));
    return inner;
  });
}

const admitted = (draft: Draft): Beacon =>
  admit(
    draft,
    {
      site: 'demo',
      viewerKeys: true,
      receivedAt: 1764000000000,
      address: '192.0.2.1',
      userAgent: 'Agent',
      refererHeader: '',
      originHeader: 'null',
    },
    lookups,
  );

describe('any body', () => {
  it('never throws, and what comes out fits log and tables', () => {
    let beacons = 0;
    fc.assert(
      fc.property(body, (given) => {
        const sent = JSON.stringify(given);
        const parsed = parseJson(sent);
        if (!parsed.ok) return;
        const read = readNativeBody(parsed.value, { hashId, bodyBytes: Math.min(sent.length, BODY_BYTES_MAX) });
        if (!read.ok) return;
        for (const draft of read.drafts) {
          assertFits(admitted(draft));
          beacons += 1;
        }
      }),
      { numRuns: 1500 },
    );
    assert.ok(beacons > 100, `only ${beacons} beacons came out`);
  });

  it('any text at all never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json(),
          fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('utf8')),
        ),
        (sent) => {
          const parsed = parseJson(sent);
          if (parsed.ok) readNativeBody(parsed.value, { hashId, bodyBytes: sent.length });
        },
      ),
    );
  });

  it('accounts for every event: kept or rejected, each once', () => {
    fc.assert(
      fc.property(fc.array(beacon, { minLength: 1, maxLength: 4 }), (given) => {
        const parsed = parseJson(JSON.stringify(given));
        if (!parsed.ok) return;
        const read = readNativeBody(parsed.value, { hashId, bodyBytes: 1 });
        if (!read.ok) return;
        for (const [index, draft] of read.drafts.entries()) {
          const list: unknown = (parsed.value as { events: unknown }[])[index]?.events;
          if (draft.rejects.some((reject) => reject.index === -1)) continue;
          assert.equal(draft.events.length + draft.rejects.length, (list as unknown[]).length);
          assert.equal(new Set(draft.rejects.map((reject) => reject.index)).size, draft.rejects.length);
        }
      }),
    );
  });
});
