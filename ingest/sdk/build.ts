// Bundles the SDK: one classic script for pages, one module for packages. Runs in Node, never in a browser.

import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** Language of 2022: Chrome 94, Firefox 93, Safari 15.4 and newer. */
const TARGET = 'es2022';

/** Names that never leave the bundle, shortened; none of them is a name of the browser or of what pages hand in. */
const INTERNAL_NAMES =
  'acceptedVersion after beacon begin cancel count cover emit emitIfAsked flush handOver head heartbeat hide ' +
  'json leave onMetadata online post queue retryAfterMs show source version versions';
const INTERNAL = new RegExp(`^(${INTERNAL_NAMES.split(' ').join('|')})$`);

/** The page script has no names to shorten: it is its contract. */
const NOTHING = /^$/;

const bundle = async (entry: string, format: 'iife' | 'esm', mangleProps = INTERNAL): Promise<string> => {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format,
    mangleProps,
    target: TARGET,
    legalComments: 'none',
  });
  return result.outputFiles[0]?.text ?? '';
};

/** Source text of both bundles, minified: `iife` sets `window.playhead`, `esm` exports `track`. Rejects with esbuild's errors. */
export async function buildSdk(): Promise<{ iife: string; esm: string }> {
  const [iife, esm] = await Promise.all([bundle('./script.ts', 'iife'), bundle('./track.ts', 'esm')]);
  return { iife, esm };
}

/** Source text of the script for pages that talked to Webalytic, minified. Rejects with esbuild's errors. */
export const buildPageScript = (): Promise<string> => bundle('./page-hits.ts', 'iife', NOTHING);
