// Foreign clients as they come from npm, unmodified, as a script that a page can load. For tests only: nothing of it is shipped.
import { build } from 'esbuild';

const ROOT = new URL('../../', import.meta.url).pathname;

/** Bundles a module's text, its imports resolved from our development dependencies. */
export async function clientBundle(text: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: text, resolveDir: ROOT, loader: 'js' },
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}
