// SPEC.md against the code and the tests: nothing numbered without a test, no test without a number, one table in both places.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Input, PLAY_STATES, TRANSITIONS } from '../../../../processor/core/transitions.ts';
import { EVENT_TYPES } from '../../../../schemas/beacon.ts';
import { definedIn, numbersByFile, readSpec, withChecklist } from '../../../support/spec-checklist.ts';

const CORE = fileURLToPath(new URL('../../../../processor/core', import.meta.url));
const spec = readSpec();
const defined = definedIn(spec);

/** Cells of the rows of a section's tables, without their heads. */
function rowsOf(title: string): string[][] {
  const section = spec.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? assert.fail(`no section ${title}`);
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('SPEC.md (C4)', () => {
  it('every number is defined once (C4)', () => {
    assert.ok(defined.length > 40);
    assert.deepEqual(defined, [...new Set(defined)]);
  });

  it('every number has a test and every test file a number that is defined (C4)', () => {
    const byFile = numbersByFile(spec);
    const named = new Set([...byFile.values()].flat());
    assert.deepEqual(
      defined.filter((number) => !named.has(number)),
      [],
      'numbers without a test',
    );
    assert.deepEqual(
      [...named].filter((number) => !defined.includes(number)),
      [],
      'numbers that SPEC.md does not define',
    );
    assert.deepEqual(
      [...byFile].filter(([, numbers]) => numbers.length === 0).map(([file]) => file),
      [],
      'test files without a number',
    );
  });

  it('the two-way checklist is up to date: node --import tsx test/support/spec-checklist.ts (C4)', () => {
    assert.equal(spec, withChecklist(spec));
  });

  it('the transition table is the one in the code (C4)', () => {
    const inputs: Input[] = [...EVENT_TYPES, 'fatal'];
    const table = new Map(rowsOf('Transitions').map(([input = '', ...cells]) => [input, cells]));
    assert.deepEqual([...table.keys()].sort(), [...inputs].sort());
    for (const input of inputs) {
      assert.deepEqual(
        table.get(input),
        PLAY_STATES.map((state) => TRANSITIONS[state][input].join(' / ')),
        input,
      );
    }
  });
});

describe('purity (C1)', () => {
  const files = readdirSync(CORE).filter((name) => name.endsWith('.ts'));

  it('the core imports schemas types and its siblings only (C1)', () => {
    for (const name of files) {
      for (const [, from = ''] of readFileSync(join(CORE, name), 'utf8').matchAll(/from '([^']+)'/g)) {
        assert.match(from, /^(?:\.\/[a-z]+\.ts|\.\.\/\.\.\/schemas\/(?:beacon|session|surfaces|visits)\.ts)$/, `${name} imports ${from}`);
      }
    }
  });

  it('the core knows no clock, chance, console, process or network (C1)', () => {
    const impure =
      /\b(?:Date|process|console|setTimeout|setInterval|queueMicrotask|fetch|performance|crypto|Intl|localeCompare|toLocale\w*)\b|Math\.random/;
    for (const name of files) {
      const code = readFileSync(join(CORE, name), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      assert.doesNotMatch(code, impure, name);
    }
  });
});
