// The page of the measurement protocols: what it shows is what happens.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { docExamples, runDocExample } from '../support/doc-examples.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const PAGE = 'docs/doors/measurement-protocol.md';

describe('page of the measurement protocols', { timeout: 240_000 }, () => {
  let system: TestSystem;
  before(async () => {
    system = await startSystem({ env: { ingest: { PLAYHEAD_INGEST_KEYS_REFRESH_MS: '100' } } });
  });
  after(() => system?.stop());

  it(`${PAGE} shows what happens`, async () => {
    const variables = {
      INGEST: system.ingest,
      QUERY: system.query,
      SITE: system.site,
      READ_KEY: system.readKey,
      ADMIN_KEY: system.adminKey,
      DATABASE_URL: system.database,
    };
    const examples = docExamples(PAGE);
    assert.ok(examples.length >= 6);
    for (const example of examples) {
      await runDocExample(example, variables).catch((thrown: Error) => {
        throw new Error(`${PAGE}:${example.line}: ${thrown.message}`, { cause: thrown });
      });
    }
  });
});
