import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { peertubeIdOf, shortUuidOf } from '../../../schemas/peertube-ids.ts';

describe('forms of a PeerTube video id', () => {
  it('tells numbers, UUIDs and other ids apart', () => {
    const cases: [string, string, string][] = [
      ['42', 'number', '42'],
      ['0', 'other', '0'],
      ['007', 'other', '007'],
      ['99999999999', 'other', '99999999999'],
      ['9C9DE5E8-0A1E-484A-B099-E80766180A6D', 'uuid', '9c9de5e8-0a1e-484a-b099-e80766180a6d'],
      ['1111111111111111111111', 'uuid', '00000000-0000-0000-0000-000000000000'],
      ['1111111111111111111112', 'uuid', '00000000-0000-0000-0000-000000000001'],
      ['111111111111111111111Z', 'uuid', '00000000-0000-0000-0000-000000000039'],
      ['1111111111111111111121', 'uuid', '00000000-0000-0000-0000-00000000003a'],
      ['ZZZZZZZZZZZZZZZZZZZZZZ', 'other', 'ZZZZZZZZZZZZZZZZZZZZZZ'],
      ['11111111111111111111l1', 'other', '11111111111111111111l1'],
      ['intro', 'other', 'intro'],
      ['', 'other', ''],
    ];
    for (const [text, form, id] of cases) assert.deepEqual(peertubeIdOf(text), { form, id }, text);
  });

  it('reads every short form back as the UUID it was made from', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        const short = shortUuidOf(uuid);
        assert.equal(short?.length, 22);
        assert.deepEqual(peertubeIdOf(short as string), { form: 'uuid', id: uuid });
      }),
    );
    assert.equal(shortUuidOf('intro'), undefined);
  });
});
