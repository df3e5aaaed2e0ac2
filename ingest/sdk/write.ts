// Writes both bundles where the built gateway and the package's `playhead/sdk` expect them. A script: `npm run build` runs it.

import { mkdir, writeFile } from 'node:fs/promises';
import { buildPageScript, buildSdk } from './build.ts';

const directory = new URL('../../dist/ingest/sdk-dist/', import.meta.url);
const { iife, esm } = await buildSdk();
await mkdir(directory, { recursive: true });
await writeFile(new URL('sdk.js', directory), iife);
await writeFile(new URL('sdk.mjs', directory), esm);
await writeFile(new URL('page-hits.js', directory), await buildPageScript());
