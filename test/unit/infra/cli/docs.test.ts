// Documents generated from the config specs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { collectVariables, envExample, variableTable, withVariableTable } from '../../../../infra/cli/docs.ts';
import { allVariables, VARIABLE_GROUPS } from '../../../../infra/cli/variables.ts';
import { PROJECT_DIRECTORY } from '../../../../infra/local/paths.ts';

test('.env.example is what the specs say (npm run docs:config)', () => {
  assert.equal(readFileSync(join(PROJECT_DIRECTORY, '.env.example'), 'utf8'), envExample(VARIABLE_GROUPS));
});

test('a table of variables in a document is what the specs say (npm run docs:config)', () => {
  for (const file of ['README.md', 'docs/configuration.md']) {
    let text: string;
    try {
      text = readFileSync(join(PROJECT_DIRECTORY, file), 'utf8');
    } catch {
      continue;
    }
    const changed = withVariableTable(text, variableTable(VARIABLE_GROUPS));
    if (changed !== undefined) assert.equal(text, changed, file);
  }
});

test('every variable stands in the example once, with its description', () => {
  const text = envExample(VARIABLE_GROUPS);
  for (const name of allVariables()) assert.equal(text.split(`\n#${name}=`).length, 2, name);
  for (const { description } of collectVariables(VARIABLE_GROUPS)) assert.ok(description.length > 5, description);
});

test('a variable that several processes read means the same to all of them', () => {
  const seen = new Map<string, string>();
  for (const { name, spec } of VARIABLE_GROUPS) {
    for (const setting of Object.values(spec)) {
      const said = `${setting.default} ${setting.description}`;
      assert.equal(seen.get(setting.env) ?? said, said, `${setting.env} in ${name}`);
      seen.set(setting.env, said);
    }
  }
});

test('a document without markers is left alone', () => {
  assert.equal(withVariableTable('# Title\n', 'table'), undefined);
});
