// The examples of the SDK's README, run as they stand: only the addresses are put in.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { buildSdk } from '../../ingest/sdk/build.ts';
import { startBeaconRecorder } from '../support/beacon-recorder.ts';
import { startBrowser } from '../support/browser.ts';
import { clipPath } from '../support/clip.ts';
import { startStaticServer } from '../support/static-server.ts';

const SDK = new URL('../../ingest/sdk/', import.meta.url);
const GATEWAY = 'https://beacons.example.org';

async function example(language: string): Promise<string> {
  const readme = await readFile(new URL('README.md', SDK), 'utf8');
  const found = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)?.[1];
  assert.ok(found, `README has a ${language} example`);
  return found;
}

async function bundled(code: string): Promise<string> {
  const result = await build({
    stdin: { contents: code, loader: 'ts', resolveDir: fileURLToPath(SDK) },
    alias: { 'playhead/sdk': fileURLToPath(new URL('track.ts', SDK)) },
    bundle: true,
    write: false,
    format: 'iife',
  });
  return result.outputFiles[0]?.text ?? '';
}

it('the examples of the README track a video', async () => {
  const recorder = await startBeaconRecorder();
  const { iife } = await buildSdk();
  const texts: Record<string, string> = { 'sdk.js': iife };
  const site = await startStaticServer({ directory: '.', files: { 'intro.mp4': await clipPath() }, texts });
  const { browser, close } = await startBrowser();
  try {
    const tag = (await example('html')).replace(`${GATEWAY}/sdk.js"`, `sdk.js" data-endpoint="${recorder.url}"`);
    texts['tag.html'] = `<!doctype html>${tag}`;
    texts['module.js'] = await bundled((await example('ts')).replace(GATEWAY, recorder.url));
    texts['module.html'] = '<!doctype html><video src="intro.mp4"></video><script src="module.js"></script>';
    for (const name of ['tag.html', 'module.html']) {
      const page = await browser.newPage();
      await page.goto(`${site.url}/${name}`);
      await page.evaluate(`document.querySelector('video').play()`);
      await sleep(1_500);
      await page.close();
      await sleep(300);
    }
    const beacons = recorder.requests.flatMap((request) => request.beacons);
    const sessions = [...new Set(beacons.map((beacon) => beacon.session))];
    assert.equal(sessions.length, 2);
    const [byTag, byModule] = sessions.map((session) => recorder.events(session).map((event) => event.type));
    for (const types of [byTag, byModule]) for (const type of ['attempt', 'playing', 'leave']) assert.ok(types?.includes(type), `${types}`);
    assert.ok(byModule?.includes('custom'));
    assert.ok(beacons.every((beacon) => beacon['key'] === 'pk_demo' && beacon.video.id === 'intro'));
    assert.ok(beacons.some((beacon) => JSON.stringify(beacon['meta']) === '{"plan":"free","course":12}'));
  } finally {
    await close();
    await site.close();
    await recorder.close();
  }
});
