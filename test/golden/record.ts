// Records the golden logs of the current fold version: node --import tsx test/golden/record.ts
// A line is {"record": ...} (what entered the log) or {"output": ...} (what came out). A recording that exists is never changed: if the fold
// now says otherwise, its meaning has changed, and FOLD_VERSION must. (Only while a version has never been released may its file be
// deleted and recorded again.)
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, FOLD_VERSION, type FoldRecord, step } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import { timeline } from '../support/scenario.ts';
import { GOLDEN_CASES } from './cases.ts';

export const GOLDEN_FOLDER = fileURLToPath(new URL('.', import.meta.url));

/** Records and outputs as NDJSON, each output after the record that made it. */
export function recording(records: readonly FoldRecord[]): string {
  const state = createPartition(FOLD_SETTINGS_DEFAULT);
  const lines: ({ record: FoldRecord } | { output: Output })[] = [];
  for (const record of records) {
    lines.push({ record });
    for (const output of step(state, record)) lines.push({ output });
  }
  return `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`;
}

/** The records in a recording. */
export const recordsIn = (text: string): FoldRecord[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .flatMap((line) => (line.record === undefined ? [] : [line.record as FoldRecord]));

function recordAll(): void {
  const folder = join(GOLDEN_FOLDER, String(FOLD_VERSION));
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(GOLDEN_CASES)) {
    const file = join(folder, `${name}.ndjson`);
    const made = recording(timeline(text).records);
    if (existsSync(file) && readFileSync(file, 'utf8') !== made) {
      throw new Error(`${file} would change: a changed meaning needs a new FOLD_VERSION`);
    }
    writeFileSync(file, made);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) recordAll();
