// The pages of the doors of Analytics Engine and Microticks: what they show is what happens.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { eventually, withDatabase } from '../support/audience-run.ts';
import { docExamples, runDocExample } from '../support/doc-examples.ts';
import { startSystem, type TestSystem } from '../support/system.ts';

const SECRET = 'sk_the_one_secret_of_the_page_shown';
const PAGES = ['docs/doors/analytics-engine.md', 'docs/doors/microticks.md'];

describe('pages of counting doors', { timeout: 240_000 }, () => {
  let system: TestSystem;

  before(async () => {
    system = await startSystem({ env: { ingest: { PLAYHEAD_INGEST_KEYS_REFRESH_MS: '100' } } });
    await withDatabase(system.database, (client) =>
      client.query(`INSERT INTO keys (id, site, kind, secret_hash, hint, scopes) VALUES ('one', $1, 'read', $2, 'sk_the', $3)`, [
        system.site,
        createHash('sha256').update(SECRET).digest(),
        ['query', 'admin'],
      ]),
    );
  });
  after(() => system?.stop());

  /** The token of a session that was opened beside the page, since examples cannot use what others answered. */
  async function token(ts: string): Promise<string> {
    let body: { token?: string } = {};
    await eventually(
      async () => {
        const answer = await fetch(`${system.ingest}/sessions`, {
          method: 'POST',
          body: new URLSearchParams({ consumer_key: 'consumer-17', ts }),
        });
        body = (await answer.json()) as { token?: string };
        return answer.status === 200;
      },
      async () => JSON.stringify(body),
      10_000,
    );
    return body.token ?? '';
  }

  for (const page of PAGES) {
    it(`${page} shows what happens`, async () => {
      const examples = docExamples(page);
      assert.ok(examples.length >= 4);
      const ts = new Date().toISOString();
      const variables: Record<string, string> = {
        INGEST: system.ingest,
        QUERY: system.query,
        SITE: system.site,
        SECRET,
        READ_KEY: system.readKey,
        DATABASE_URL: system.database,
        TS: encodeURIComponent(ts),
      };
      for (const example of examples) {
        if (example.text.includes('$TOKEN')) variables['TOKEN'] ??= await token(ts);
        await runDocExample(example, variables).catch((thrown: Error) => {
          throw new Error(`${page}:${example.line}: ${thrown.message}`, { cause: thrown });
        });
      }
    });
  }
});
