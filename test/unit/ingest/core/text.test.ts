import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { bytesOf, cleanJson, cleanText, cutText, textOf } from '../../../../ingest/core/text.ts';

describe('text', () => {
  const cases: [string, string, string][] = [
    ['plain', 'Intro', 'Intro'],
    ['NUL', 'a\u0000b', 'ab'],
    ['control characters', '\u0001a\u007fb\u0085c', 'abc'],
    ['white controls become a space', 'a\n\tb\r\nc', 'a b c'],
    ['a lone high surrogate', 'a\ud800b', 'a\ufffdb'],
    ['a lone low surrogate', 'a\udc00', 'a\ufffd'],
    ['a pair stays', '😀', '😀'],
  ];
  for (const [name, given, expected] of cases) it(name, () => assert.equal(cleanText(given), expected));

  it('counts UTF-8 bytes as a buffer would', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => bytesOf(cleanText(text)) === Buffer.byteLength(cleanText(text))));
  });

  it('cuts between characters, never above the limit', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(20), (text, max) => {
        const cut = cutText(text, max);
        return Buffer.byteLength(cut) <= max && text.startsWith(cut) && !/\p{Cs}/u.test(cut);
      }),
    );
    assert.equal(cutText('äöü', 5), 'äö');
    assert.equal(textOf('  x  ', 10), 'x');
    assert.equal(textOf(5, 10), '');
  });

  it('cleans every text and key of a JSON value', () => {
    assert.equal(JSON.stringify(cleanJson({ 'k\u0000': ['\ud800', { a: Number.POSITIVE_INFINITY }] })), '{"k":["\ufffd",{"a":null}]}');
  });
});
