import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { csvCell, csvLines, flatten, ndjsonLines, type Row } from '../../../query-api/formats.ts';

async function* pagesOf(...pages: Row[][]): AsyncGenerator<Row[]> {
  yield* pages;
}
const textOf = async (lines: AsyncIterable<string>): Promise<string> => {
  let text = '';
  for await (const line of lines) text += line;
  return text;
};

describe('formats', () => {
  it('never begins a text cell as a formula, and leaves numbers alone', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const cell = csvCell(text);
        assert.doesNotMatch(cell.startsWith('"') ? cell.slice(1) : cell, /^[=+\-@\t\r]/);
      }),
    );
    assert.equal(csvCell(-5), '-5');
    assert.equal(csvCell('-5'), "'-5");
    assert.equal(csvCell('a"b,c'), '"a""b,c"');
    assert.equal(csvCell(null), '');
    assert.equal(csvCell([{ code: 'E' }]), '"[{""code"":""E""}]"');
  });

  it('flattens objects into columns and keeps a site’s own objects whole', async () => {
    assert.deepEqual(
      [...flatten({ a: { b: 1, c: { d: 2 } }, e: [1] })],
      [
        ['a.b', 1],
        ['a.c.d', 2],
        ['e', [1]],
      ],
    );
    const text = await textOf(csvLines(pagesOf([{ at: 'x', data: { label: 'l' } }], [{ at: 'y', data: null }])));
    assert.equal(text, 'at,data\r\nx,"{""label"":""l""}"\r\ny,\r\n');
  });

  it('writes one JSON document per line', async () => {
    assert.equal(await textOf(ndjsonLines(pagesOf([{ a: 1 }], [], [{ a: 'x\ny' }]))), '{"a":1}\n{"a":"x\\ny"}\n');
  });
});
