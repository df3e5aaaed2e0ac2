import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseJson } from '../../../../ingest/core/parse.ts';

describe('parseJson', () => {
  const good: [string, string, unknown][] = [
    ['an object', '{"a":1}', { a: 1 }],
    ['a byte order mark', '\ufeff{"a":1}', { a: 1 }],
    ['brackets in texts do not count', '{"a":"[[[[[[[[[\\"[[["}', { a: '[[[[[[[[["[[[' }],
    ['a text that ends with a backslash', '["\\\\",[1]]', ['\\', [1]]],
    ['six levels', '[[[[[[]]]]]]', [[[[[[]]]]]]],
    ['a value that only looks like a dangerous key', '{"a":"__proto__ constructor"}', { a: '__proto__ constructor' }],
  ];
  for (const [name, text, value] of good) it(name, () => assert.deepEqual(parseJson(text), { ok: true, value }));

  const bad: [string, string, string, string][] = [
    ['empty', '', 'invalid', ''],
    ['not JSON', '{a:1}', 'invalid', ''],
    ['NaN', '[NaN]', 'invalid', ''],
    ['seven levels', '[[[[[[[]]]]]]]', 'limit', ''],
    ['100,000 levels', '['.repeat(100_000), 'limit', ''],
    ['__proto__', '{"a":[{"__proto__":1}]}', 'invalid', '/a/0/__proto__'],
    ['constructor', '{"a":{"constructor":1}}', 'invalid', '/a/constructor'],
    ['constructor in escapes', '{"\\u0063onstructor":1}', 'invalid', '/constructor'],
  ];
  for (const [name, text, kind, pointer] of bad) {
    it(`refuses ${name}`, () => {
      const parsed = parseJson(text);
      assert.ok(!parsed.ok);
      assert.deepEqual([parsed.kind, parsed.pointer], [kind, pointer]);
    });
  }

  it('takes linear time for many quotes and backslashes', () => {
    const startedAt = performance.now();
    parseJson(`"${'\\\\'.repeat(250_000)}`);
    parseJson(`[${'"\\"",'.repeat(80_000)}`);
    assert.ok(performance.now() - startedAt < 3000);
  });
});
