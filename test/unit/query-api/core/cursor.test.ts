import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeCursor, digestOf, encodeCursor, pageAfter } from '../../../../query-api/core/cursor.ts';

describe('cursor', () => {
  it('comes back as it went, for its own question only', () => {
    fc.assert(
      fc.property(fc.string(), fc.maxSafeInteger(), fc.string({ unit: 'binary' }), (question, number, text) => {
        const token = encodeCursor(question, [number, text]);
        assert.match(token, /^[A-Za-z0-9_-]+$/);
        assert.deepEqual(decodeCursor(question, token, ['number', 'string']), JSON.parse(JSON.stringify([number, text])));
        assert.equal(decodeCursor(`${question}x`, token, ['number', 'string']), undefined);
        assert.equal(decodeCursor(question, token, ['string', 'string']), undefined);
        assert.equal(decodeCursor(question, token, ['number']), undefined);
      }),
    );
  });

  it('refuses anything else without throwing', () => {
    fc.assert(fc.property(fc.string(), (token) => assert.equal(decodeCursor('q', token, ['number']), undefined)));
    assert.equal(decodeCursor('q', 'a'.repeat(5_000), ['number']), undefined);
    assert.equal(decodeCursor('q', Buffer.from(JSON.stringify([digestOf('q'), 1.5])).toString('base64url'), ['number']), undefined);
  });

  it('pages through a list completely and once, also when rows come in between', () => {
    const compareToKey = (row: number, key: readonly (string | number)[]): number => row - (key[0] as number);
    const seen: number[] = [];
    let rows = [1, 3, 5, 7, 9];
    let after: [number] | undefined;
    for (;;) {
      const { page, more } = pageAfter(rows, { after, limit: 2, compareToKey });
      seen.push(...page);
      if (!more) break;
      after = [page.at(-1) as number];
      rows = [0, 1, 2, 3, 5, 7, 9];
    }
    assert.deepEqual(seen, [1, 3, 5, 7, 9]);
    assert.deepEqual(pageAfter([1], { after: [9], limit: 2, compareToKey }), { page: [], more: false });
  });
});
