// The count that the runner ends with, and the guard of destructive helpers.
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { assertTestDatabase } from '../../support/database-guard.ts';
import { reportRun } from '../../support/suite-report.ts';

type Event = { type: string; data: object };
const file = resolve('test/unit/a.test.ts');
const event = (type: string, name: string, more: object = {}): Event => ({
  type,
  data: { name, file, nesting: 0, details: { type: 'test', duration_ms: 1 }, ...more },
});

async function report(events: Event[]): Promise<{ tally: object; lines: string[] }> {
  const lines: string[] = [];
  const stream = (async function* () {
    yield* events;
  })();
  return { tally: await reportRun(stream, (line) => lines.push(line)), lines };
}

test('tests are counted once, suites and parents of failures not at all', async () => {
  const failed = {
    details: {
      type: 'test',
      duration_ms: 1,
      error: Object.assign(new Error('outer'), { failureType: 'testCodeFailure', cause: new Error('boom') }),
    },
  };
  const parent = { details: { type: 'test', duration_ms: 1, error: Object.assign(new Error('x'), { failureType: 'subtestsFailed' }) } };
  const { tally, lines } = await report([
    event('test:pass', 'one'),
    event('test:pass', 'a suite', { details: { type: 'suite', duration_ms: 1 } }),
    event('test:fail', 'two', { nesting: 1, ...failed }),
    event('test:fail', 'parent of two', parent),
  ]);
  assert.deepEqual(tally, { passed: 1, failed: 1, skipped: 0 });
  assert.match(lines.join('\n'), /FAIL test\/unit\/a\.test\.ts: two\n.*boom/);
});

test('a skip is said with its reason and counted apart', async () => {
  const { tally, lines } = await report([
    event('test:pass', 'needs Docker', { skip: 'no Docker here' }),
    event('test:pass', 'later', { todo: true }),
  ]);
  assert.deepEqual(tally, { passed: 0, failed: 0, skipped: 2 });
  assert.match(lines.join('\n'), /SKIP .*needs Docker: no Docker here/);
});

test('output is shown where a test of the file failed, and only there', async () => {
  const output = { type: 'test:stderr', data: { file, message: 'the log says why\n' } };
  const quiet = await report([output, event('test:pass', 'one')]);
  assert.doesNotMatch(quiet.lines.join('\n'), /says why/);
  const loud = await report([output, event('test:fail', 'one', { details: { type: 'test', duration_ms: 1, error: new Error('x') } })]);
  assert.match(loud.lines.join('\n'), /says why/);
});

test('a database whose name does not say that it is for tests is refused', () => {
  assertTestDatabase('postgres://user@host/playhead_test_1');
  assert.throws(() => assertTestDatabase('postgres://test:test@test/production'), /Refusing to touch the database "production"/);
});
