// A copy of the source with a defect in it, for controls whose defect is a line of the product.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Patch } from './controls.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What a simulated world imports. */
const COPIED = ['schemas', 'processor', 'ingest', 'infra/runtime', 'test/sim', 'package.json', 'tsconfig.json'];

export type DefectBuild = { root: string; main: string; remove(): void };

/** Copies and changes. @throws Error naming the text that is not there exactly once: the product has changed, and the control must follow. */
export function buildWithDefect(patches: readonly Patch[]): DefectBuild {
  const root = mkdtempSync(join(tmpdir(), 'playhead-defect-'));
  const remove = (): void => rmSync(root, { recursive: true, force: true });
  try {
    for (const path of COPIED) cpSync(join(ROOT, path), join(root, path), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    for (const { file, find, replace } of patches) {
      const text = readFileSync(join(root, file), 'utf8');
      const times = text.split(find).length - 1;
      if (times !== 1) throw new Error(`${file} has this text ${times} times, not once; change test/sim/controls.ts with it:\n${find}`);
      writeFileSync(
        join(root, file),
        text.replace(find, () => replace),
      );
    }
    return { root, main: join(root, 'test/sim/main.ts'), remove };
  } catch (thrown) {
    remove();
    throw thrown;
  }
}
