// Bundles the dashboard into plain files: index.html, app.js, app.css. No other build step, no external host.
import { copyFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Writes the dashboard into a folder (made if missing). @throws the bundler's error, which names file and line. */
export async function buildDashboard(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await build({
    entryPoints: { app: here('./main.ts') },
    outdir: folder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
  });
  await copyFile(here('./index.html'), `${folder}/index.html`);
  await copyFile(here('./icon.svg'), `${folder}/icon.svg`);
}
