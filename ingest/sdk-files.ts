// The SDK's bundles as served at /sdk.js and /sdk.mjs: built ahead into dist/sdk by the image, or built at start where esbuild is
// at hand. Neither: the gateway runs without them.
import { readFile } from 'node:fs/promises';
import { messageOf } from '../infra/runtime/errors.ts';
import type { SdkFiles } from './app.ts';

/** Loads or builds the bundles; undefined (and a log line) if neither is possible. Never rejects. */
export async function loadSdk(logger: { info(fields: object, message: string): void }): Promise<SdkFiles | undefined> {
  try {
    const prebuilt = (name: string): Promise<string> => readFile(new URL(`./sdk-dist/${name}`, import.meta.url), 'utf8');
    const [iife, esm] = await Promise.all([prebuilt('sdk.js'), prebuilt('sdk.mjs')]);
    return { iife, esm };
  } catch {
    try {
      const { buildSdk } = await import('./sdk/build.ts');
      return await buildSdk();
    } catch (thrown) {
      logger.info({ error: messageOf(thrown) }, 'the SDK is neither built nor can it be built here: /sdk.js answers 404');
      return undefined;
    }
  }
}

/** Loads or builds the script for pages that talked to Webalytic; undefined if neither is possible. Never rejects. */
export async function loadPageScript(logger: { info(fields: object, message: string): void }): Promise<string | undefined> {
  try {
    return await readFile(new URL('./sdk-dist/page-hits.js', import.meta.url), 'utf8');
  } catch {
    try {
      const { buildPageScript } = await import('./sdk/build.ts');
      return await buildPageScript();
    } catch (thrown) {
      logger.info({ error: messageOf(thrown) }, 'the page script is neither built nor can it be built here: /lc/sdk.js answers 404');
      return undefined;
    }
  }
}
