import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildSdk } from '../../../ingest/sdk/build.ts';

const SDK_GZIP_BYTES_MAX = 4_096;

it('the SDK is under 4 KB gzipped, as a script and as a module', async () => {
  for (const [format, text] of Object.entries(await buildSdk())) {
    const bytes = gzipSync(text, { level: 9 }).length;
    assert.ok(bytes < SDK_GZIP_BYTES_MAX, `${format}: ${bytes} bytes`);
  }
});
