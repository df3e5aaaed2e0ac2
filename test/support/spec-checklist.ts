// The two-way checklist of processor/core/SPEC.md: which tests name a number in their titles, and which numbers a test file names.
// Run it to write both tables anew: node --import tsx test/support/spec-checklist.ts
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SPEC_FILE = join(ROOT, 'processor/core/SPEC.md');
const TEST_FOLDERS = ['test/unit/processor/core', 'test/scenario', 'test/property/processor', 'test/golden'];
const NUMBER = /\b(?:ST|A|E|V|C)\d+\b/g;
export const NUMBERS_TITLE = 'Checklist: numbers to tests';
export const TESTS_TITLE = 'Checklist: tests to numbers';

export const readSpec = (): string => readFileSync(SPEC_FILE, 'utf8');

/** Numbers that SPEC.md defines: the first cells of its tables, in order, repeated ones too. */
export const definedIn = (spec: string): string[] =>
  withoutChecklist(spec)
    .split('\n')
    .map((line) => /^\| ((?:ST|A|E|V|C)\d+) \|/.exec(line)?.[1] ?? '')
    .filter((number) => number !== '');

const withoutChecklist = (spec: string): string => spec.split(`## ${NUMBERS_TITLE}\n`)[0] as string;

/** Test files by name, each with the numbers in the titles of its tests, in the order in which they are defined. */
export function numbersByFile(spec: string): Map<string, string[]> {
  const defined = definedIn(spec);
  const files = TEST_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `${folder}/${name}`),
  ).sort();
  return new Map(
    files.map((file) => [file, namedIn(readFileSync(join(ROOT, file), 'utf8')).sort((a, b) => defined.indexOf(a) - defined.indexOf(b))]),
  );
}

function namedIn(code: string): string[] {
  const titles = [...code.matchAll(/\b(?:describe|it)\(\s*(['`])(.*?)\1,/g)].map(([, , title]) => title ?? '');
  return [...new Set(titles.flatMap((title) => title.match(NUMBER) ?? []))];
}

/** Both tables, as they stand in SPEC.md. */
export function checklist(spec: string): string {
  const byFile = numbersByFile(spec);
  const byNumber = definedIn(spec).map(
    (number) => `| ${number} | ${[...byFile].flatMap(([file, numbers]) => (numbers.includes(number) ? [file] : [])).join(', ')} |`,
  );
  const files = [...byFile].map(([file, numbers]) => `| ${file} | ${numbers.join(', ')} |`);
  const table = (title: string, head: string, rows: readonly string[]): string => `## ${title}\n\n${head}\n|---|---|\n${rows.join('\n')}\n`;
  return `${table(NUMBERS_TITLE, '| no. | tests |', byNumber)}\n${table(TESTS_TITLE, '| test file | numbers |', files)}`;
}

/** SPEC.md with the checklist written anew; what stands after it is kept. */
export function withChecklist(spec: string): string {
  const after = spec.split(`## ${TESTS_TITLE}\n`)[1] ?? '';
  const rest = after.includes('\n## ') ? after.slice(after.indexOf('\n## ')) : '';
  return `${withoutChecklist(spec)}${checklist(spec)}${rest}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(SPEC_FILE, withChecklist(readSpec()));
