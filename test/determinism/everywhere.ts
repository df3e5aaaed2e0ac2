// Folds a folder of logs in processes of their own, under each Node.js version and with each cut, and tells where two results differ.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FOLD = fileURLToPath(new URL('./fold.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const CUTS = ['whole', '1', '7', '64', 'random'] as const;

/** Results by file name, as bytes. */
export type Results = ReadonlyMap<string, Buffer>;

/** Runs fold.ts over the logs in one process of that Node.js. @throws with what the process printed if it fails. */
export async function foldUnder(node: { version: string; path: string }, logs: string, cuts: readonly string[]): Promise<Results> {
  const out = await mkdtemp(join(tmpdir(), 'playhead-fold-'));
  try {
    const { stdout } = await run(node.path, ['--import', 'tsx', FOLD, logs, out, ...cuts], { cwd: ROOT });
    if (stdout.trim() !== `v${node.version}`) throw new Error(`${node.path} is ${stdout.trim()}, not v${node.version}`);
    return new Map(readdirSync(out).map((name) => [name, readFileSync(join(out, name))]));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** The first line in which two results differ, or undefined if they are equal byte by byte. */
export function difference(a: Buffer | undefined, b: Buffer | undefined): string | undefined {
  if (a === undefined || b === undefined) return 'one of them is missing';
  if (a.equals(b)) return undefined;
  const [left, right] = [a.toString().split('\n'), b.toString().split('\n')];
  const line = left.findIndex((text, index) => text !== right[index]);
  return `line ${line + 1}:\n  ${left[line]?.slice(0, 600)}\n  ${right[line]?.slice(0, 600)}`;
}

/** Where the results of two Node.js versions, or two cuts of one log, differ. */
export function differences(results: ReadonlyMap<string, Results>, names: readonly string[], cuts: readonly string[] = CUTS): string[] {
  const [reference = ''] = results.keys();
  const found: string[] = [];
  for (const [version, files] of results) {
    for (const name of names) {
      const straight = results.get(reference)?.get(`${name}.${cuts[0]}`);
      for (const cut of cuts) {
        const where = difference(straight, files.get(`${name}.${cut}`));
        if (where !== undefined) found.push(`${name}, Node ${version} cut ${cut} against Node ${reference} uncut, ${where}`);
      }
    }
  }
  return found;
}
