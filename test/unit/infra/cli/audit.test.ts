// Judging a partition by what its rows say (I1, I4, I5, I8).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePartition, ledgerDifference, verdictLine } from '../../../../infra/cli/audit.ts';
import type { EmissionAuditRow } from '../../../../infra/cli/sql/audit-emissions.ts';

const sound: EmissionAuditRow = {
  partition: 3,
  emission_seq: 10,
  next_offset: 99,
  epoch: 2,
  rows: 10,
  numbers: 10,
  lowest: 1,
  highest: 10,
  offset_falls: 0,
  epoch_falls: 0,
  stale_rows: 0,
  rows_ahead: 0,
  stored_events: 25,
  stored_duplicates: 3,
  ledger: { eventsInLog: 30, folded: 20, late: 4, dead: 1, duplicates: 3, waiting: 2 },
};
const problemsOf = (changed: Partial<EmissionAuditRow>, partial = false): string[] =>
  judgePartition({ ...sound, ...changed }, partial).problems;

test('a sound partition has no problems', () => {
  assert.deepEqual(problemsOf({}), []);
  assert.deepEqual(problemsOf({ emission_seq: 0, rows: 0, numbers: 0, lowest: null, highest: null }), []);
  assert.match(verdictLine(judgePartition(sound, false)), /^partition 3: 10 emissions, next offset 99: ok$/);
});

test('I4: a repeated, a missing and a surplus number are each seen', () => {
  assert.match(problemsOf({ rows: 11 }).join(), /used more than once/);
  assert.match(problemsOf({ rows: 9, numbers: 9 }).join(), /10 emissions expected from 1 to 10, 9 found/);
  assert.match(problemsOf({ rows: 11, numbers: 11, highest: 11 }).join(), /beyond the progress row/);
});

test('I4 with retention: numbering is judged from the first row that is left', () => {
  assert.deepEqual(problemsOf({ rows: 4, numbers: 4, lowest: 7 }, true), []);
  assert.match(problemsOf({ rows: 3, numbers: 3, lowest: 7 }, true).join(), /4 emissions expected from 7/);
  assert.deepEqual(problemsOf({ rows: 0, numbers: 0, lowest: null, highest: null }, true), []);
});

test('I5 and I8: falling offsets and epochs and rows of an old epoch are seen', () => {
  assert.match(problemsOf({ rows_ahead: 1 }).join(), /I5: 1 rows come from offsets beyond the progress row's 99/);
  assert.match(problemsOf({ offset_falls: 1 }).join(), /I5.*offset/);
  assert.match(problemsOf({ epoch_falls: 1 }).join(), /I5.*epoch/);
  assert.match(problemsOf({ stale_rows: 2 }).join(), /I8: 2 rows/);
});

test('I1: the ledger must balance', () => {
  assert.equal(ledgerDifference(sound.ledger), 0);
  assert.match(problemsOf({ ledger: { ...sound.ledger, folded: 19, dead: 2 } }).join(), /^$/);
  assert.match(problemsOf({ ledger: { ...sound.ledger, folded: 19 } }).join(), /I1: the ledger is off by 1/);
  assert.match(problemsOf({ stored_events: 26 }).join(), /I1: sessions and dead letters hold 26 events, the ledger 25/);
  assert.match(problemsOf({ stored_duplicates: 4 }).join(), /I1: rows count 4 duplicates, the ledger 3/);
  assert.deepEqual(problemsOf({ stored_events: 1, stored_duplicates: 0 }), []);
});
