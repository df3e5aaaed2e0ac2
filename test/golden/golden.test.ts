// Golden recordings: the current fold reproduces its own byte by byte, and those of older versions stay (SPEC.md, C5).
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FOLD_VERSION } from '../../processor/core/partition.ts';
import { GOLDEN_CASES } from './cases.ts';
import { GOLDEN_FOLDER, recording, recordsIn } from './record.ts';

const filesOf = (version: number): string[] => readdirSync(join(GOLDEN_FOLDER, String(version))).sort();

describe('golden recordings (C5)', () => {
  for (let version = 1; version <= FOLD_VERSION; version++) {
    it(`version ${version} has recordings that hold records and outputs (C5)`, () => {
      const files = filesOf(version);
      assert.ok(files.length > 0);
      for (const file of files) assert.ok(recordsIn(readFileSync(join(GOLDEN_FOLDER, String(version), file), 'utf8')).length > 0);
    });
  }

  it('every case is recorded under the current version (C5)', () => {
    const files = filesOf(FOLD_VERSION);
    for (const name of Object.keys(GOLDEN_CASES)) assert.ok(files.includes(`${name}.ndjson`), name);
  });

  for (const file of filesOf(FOLD_VERSION)) {
    it(`${file} is reproduced byte by byte (C5, V6)`, () => {
      const text = readFileSync(join(GOLDEN_FOLDER, String(FOLD_VERSION), file), 'utf8');
      assert.equal(recording(recordsIn(text)), text);
    });
  }
});
