// The page of mave's doors: what it shows is what happens. Its scripts for pages run in test/browser/mave.test.ts.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { docExamples, runDocExample } from '../support/doc-examples.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const PAGE = 'docs/doors/mave.md';

describe(PAGE, { timeout: 240_000 }, () => {
  let system: TestSystem;
  before(async () => {
    system = await startSystem({ env: { ingest: { PLAYHEAD_INGEST_KEYS_REFRESH_MS: '100' } } });
  });
  after(() => system?.stop());

  it('has examples', () => assert.ok(docExamples(PAGE).length >= 5));

  for (const example of docExamples(PAGE)) {
    it(`line ${example.line} does as it says`, () =>
      runDocExample(example, {
        INGEST: system.ingest,
        QUERY: system.query,
        WRITE_KEY: system.writeKey,
        READ_KEY: system.readKey,
        SITE: system.site,
        DATABASE_URL: system.database,
      }));
  }
});
