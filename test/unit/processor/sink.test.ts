// What the progress row says of a flush (D3, D4, D7), and what a SQLSTATE says of a failure.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../../processor/sink.ts';
import { isRefusedRow, RETRYABLE_SQLSTATES, sqlStateOf } from '../../../processor/sqlstates.ts';

const owner = { partition: 0, epoch: 5, claimToken: 'mine', writer: 'p', configHash: Buffer.alloc(0) };
const flush = { owner, from: { nextOffset: 10, emissionSeq: 3 }, to: { nextOffset: 20, emissionSeq: 4 } };
const seen = { epoch: 5, claimToken: 'mine', nextOffset: 10, emissionSeq: 3 };

const verdicts = [
  { name: 'nothing has happened yet', seen, verdict: 'ours' },
  { name: 'this flush is in the database', seen: { ...seen, nextOffset: 20, emissionSeq: 4 }, verdict: 'done' },
  { name: 'a newer claim', seen: { ...seen, epoch: 6 }, verdict: 'fenced' },
  { name: 'the same epoch under another token: a restored database', seen: { ...seen, claimToken: 'theirs' }, verdict: 'fenced' },
  { name: 'our claim, an older position: the database went back', seen: { ...seen, nextOffset: 5, emissionSeq: 1 }, verdict: 'moved' },
  { name: 'our claim, the same offset, another number', seen: { ...seen, emissionSeq: 2 }, verdict: 'moved' },
  { name: 'no row at all', seen: undefined, verdict: 'moved' },
] as const;

for (const each of verdicts) test(`${each.name}: ${each.verdict}`, () => assert.equal(judge(each.seen, flush), each.verdict));

test('a flush that moves nothing may be written again', () => {
  assert.equal(judge(seen, { ...flush, to: flush.from }), 'ours');
});

test('the SQLSTATE is found along the causes; a lost connection has none', () => {
  const inner = Object.assign(new Error('value too long'), { code: '22001' });
  assert.equal(sqlStateOf(new Error('outer', { cause: inner })), '22001');
  assert.equal(sqlStateOf(Object.assign(new Error('reset'), { code: 'ECONNRESET' })), '');
  assert.equal(sqlStateOf(undefined), '');
});

test('classes 22 and 23 mean a refused row, except a unique key (H13, D8)', () => {
  const error = (code: string) => Object.assign(new Error('x'), { code });
  assert.deepEqual(
    ['22021', '23502', '23505', '40P01', 'ECONNRESET'].map((code) => isRefusedRow(error(code))),
    [true, true, false, false, false],
  );
  assert.ok(Object.keys(RETRYABLE_SQLSTATES).every((state) => /^[0-9A-Z]{5}$/.test(state)));
});
