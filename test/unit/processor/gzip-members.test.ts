// gzip in members: any gunzip reads it, we read it in steps, and nothing else passes for it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { inflateMembers, MembersOut } from '../../../processor/gzip-members.ts';
import { inOneGo } from '../../../processor/slices.ts';

const BYTES_MAX = 16 * 1024 * 1024;

function packed(pieces: readonly Buffer[]): Buffer {
  const out = new MembersOut();
  for (const piece of pieces) out.add(piece);
  return out.end();
}

const pieces = Array.from({ length: 90 }, (_, n) => Buffer.from(`piece ${n} `.repeat(1 + n * 40)));
const raw = Buffer.concat(pieces);

describe('gzip members', () => {
  it('is one gzip file for everybody else, and several steps for us', () => {
    const bytes = packed(pieces);
    assert.ok(bytes.length < raw.length / 4);
    assert.deepEqual(gunzipSync(bytes), raw);
    assert.deepEqual(inOneGo(inflateMembers(bytes, BYTES_MAX)), raw);
    assert.ok([...inflateMembers(bytes, BYTES_MAX)].length >= 4);
  });

  it('keeps a copy of each piece: the writer uses its buffer again', () => {
    const out = new MembersOut();
    const buffer = Buffer.from('first');
    out.add(buffer);
    buffer.write('other');
    out.add(buffer);
    assert.equal(String(inOneGo(inflateMembers(out.end(), BYTES_MAX))), 'firstother');
  });

  it('reads a gzip file without sizes as well', () => {
    assert.deepEqual(inOneGo(inflateMembers(gzipSync(raw), BYTES_MAX)), raw);
  });

  it('refuses what inflates to more than it may, what is cut, and what is no gzip', () => {
    const bytes = packed(pieces);
    assert.throws(() => inOneGo(inflateMembers(bytes, raw.length - 1)));
    assert.throws(() => inOneGo(inflateMembers(gzipSync(raw), raw.length - 1)));
    assert.throws(() => inOneGo(inflateMembers(bytes.subarray(0, -9), BYTES_MAX)));
    assert.throws(() => inOneGo(inflateMembers(Buffer.from([0]), BYTES_MAX)));
  });
});
