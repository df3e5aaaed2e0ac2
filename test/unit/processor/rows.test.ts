// Rows: the right columns, sentinels as NULL, nothing a column cannot hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeCopy } from '../../../infra/runtime/copy-binary.ts';
import { deadLetterOf } from '../../../processor/dead-letters.ts';
import { beaconRows, emissionRows, json, OPEN_REASON, openRows, type TableRows, text } from '../../../processor/rows.ts';
import { sealedOutput, sessionPart } from '../../support/session-examples.ts';

const writer = { partition: 3, epoch: 7, writer: 'p1' };

/** A row as an object by column name. */
function named(table: TableRows | undefined, index = 0): Record<string, unknown> {
  assert.ok(table);
  return Object.fromEntries(table.target.columns.map((column, at) => [column.name, table.rows[index]?.[at]]));
}

test('a sealed session is a row of its table and one row for each section, under one emission number', () => {
  const tables = emissionRows([sealedOutput({ startupMs: 400 }, 12)], writer);
  assert.deepEqual(
    tables.map(({ target, rows }) => [target.table, rows.length]),
    [
      ['sessions', 1],
      ['watch_sections', 1],
    ],
  );
  const row = named(tables[0]);
  assert.equal(row['startup_ms'], 400);
  assert.equal(row['emission_seq'], 12);
  assert.deepEqual([row['partition'], row['epoch'], row['writer']], [3, 7, 'p1']);
  assert.deepEqual(row['checksum'], Buffer.from([0, 0, 0, 1, 0, 0, 0, 2]));
  assert.equal(named(tables[1])['emission_seq'], 12);
});

test('sentinels become NULL and empty JSON, where the column allows it', () => {
  const row = named(emissionRows([sealedOutput({ startupMs: -1, context: { durationMs: -1, live: -1, meta: '' } })], writer)[0]);
  assert.deepEqual([row['startup_ms'], row['duration_ms'], row['live'], row['meta'], row['errors']], [null, null, null, '{}', '[]']);
});

test('an open session is the same row without a number, with its sections', () => {
  const row = named(openRows([{ part: sessionPart(), playing: true, appendAt: 5, foldVersion: 1 }], writer));
  assert.deepEqual([row['reason'], row['emission_seq'], row['source_offset'], row['playing']], [OPEN_REASON, null, null, true]);
  assert.equal(row['sections'], '[[0,0,10000,1700000000000,1000]]');
});

test('custom events, dead letters and duplicates have tables of their own', () => {
  const origin = { emissionSeq: 1, sourceOffset: 2, appendAt: 3, site: 'a', session: 'b' };
  const tables = emissionRows(
    [
      { kind: 'custom', ...origin, video: 'v', at: 4, name: 'chapter', positionMs: -1, data: '', seq: 5 },
      { kind: 'dead', ...origin, eventIndex: -1, seq: -1, reason: 'r', detail: 'd', payload: 'p\0q', events: 1 },
      { kind: 'duplicate', ...origin, duplicates: 2, conflicts: 1 },
    ],
    writer,
  );
  assert.deepEqual(
    tables.map(({ target }) => target.table),
    ['custom_events', 'dead_letters', 'duplicate_counts'],
  );
  assert.deepEqual([named(tables[0])['position_ms'], named(tables[0])['data']], [null, 'null']);
  assert.equal(named(tables[1])['payload'], 'pq');
});

test('a refused row becomes a dead letter under its own number that stands for its events', () => {
  const letter = deadLetterOf(sealedOutput({ received: 9, duplicates: 4 }, 44));
  assert.deepEqual([letter.emissionSeq, letter.sourceOffset, letter.events, letter.reason], [44, 10, 13, 'row_refused']);
  const origin = { emissionSeq: 1, sourceOffset: 2, appendAt: 3, site: 'a', session: 'b' };
  assert.equal(deadLetterOf({ ...origin, kind: 'duplicate', duplicates: 5, conflicts: 1 }).events, 5);
});

test('NUL leaves text and JSON', () => {
  assert.equal(text('a\0b'), 'ab');
  assert.equal(json('{"a":"x\\u0000y"}', '{}'), '{"a":"xy"}');
  assert.equal(json('', '[]'), '[]');
});

test('JSON of any text stays JSON that a jsonb column takes, whatever stands after a backslash', () => {
  assert.equal(json(JSON.stringify({ a: '\\u0000' }), '{}'), '{"a":"\\\\u0000"}');
  assert.equal(json('"\\ud83d\\ude00 \\ud83d \\ude00"', '{}'), '"\\ud83d\\ude00 \ufffd \ufffd"');
  const character = fc.constantFrom('\\', 'u0000', '"', '\0', '/', 'ud800', '\ud800', '\n', 'x');
  const anyText = fc.array(character, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(anyText, (given) => {
      assert.equal(JSON.parse(json(JSON.stringify(given), '{}')), given.replaceAll('\0', '').replace(/\p{Cs}/gu, '\ufffd'));
    }),
    { numRuns: 2_000 },
  );
});

test('no number can stop a row: everything is clamped to its column (G6, H13)', () => {
  const wild = fc.oneof(fc.double(), fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }));
  fc.assert(
    fc.property(wild, wild, wild, wild, (a, b, c, d) => {
      const part = { startedAt: a, endedAt: b, plays: c, stalls: d, totalWatchMs: a, startupMs: b, seqHighest: c, part: 1 };
      const section = { run: a, fromMs: b, toMs: c, startedAt: d, rateMilli: a };
      for (const { target, rows } of emissionRows([sealedOutput({ ...part, sections: [section] })], writer)) encodeCopy(target, rows);
      encodeCopy(beaconRows([{ site: 's', session: '', video: '', appendAt: a, offset: 1, payload: Buffer.alloc(0) }], writer).target, []);
    }),
  );
});
