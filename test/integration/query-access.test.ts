// Who may ask what (OWASP API Security Top 10, 2023; reliability.md Q1 to Q5): every route against every scope, sites kept
// apart, keys made, rotated and revoked, limits, and nothing secret in logs or answers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { routes } from '../../query-api/routes/list.ts';
import type { Route } from '../../query-api/routes/route.ts';
import { EMPTY_CONTEXT, partOf, SEED_SITE, SEED_START_MS, writeParts } from '../support/query-seed.ts';
import { type KeyName, OTHER_SITE, type QueryServer, SECRETS, startQueryServer } from '../support/query-server.ts';

const FIGURES = { played: true, startupMs: 400, stalls: 1, switchesUp: 0, kbps: 800, error: undefined };
const SECTIONS = [{ run: 0, fromMs: 0, toMs: 5_000, startedAt: SEED_START_MS, rateMilli: 1_000 }];

/** An address of a route that exists for the site asked, with what it needs. */
function requestOf(route: Route, id: string): { path: string; method: string; body?: unknown } {
  const path = route.path
    .replace('{type}', 'dimension')
    .replace('{index}', '1')
    .replace('{session}', id)
    .replace('{id}', route.path.startsWith('/v1/keys') ? 'key_revoked' : id);
  const query = route.path === '/v1/engagement' ? `?video=${id}` : '';
  const body = route.path === '/v1/keys' ? { kind: 'write' } : route.path.startsWith('/v1/custom-definitions') ? { name: 'plan' } : {};
  return { path: path + query, method: route.method.toUpperCase(), ...(route.body === undefined ? {} : { body }) };
}

describe('query access', { timeout: 120_000 }, () => {
  let server: QueryServer;

  before(async () => {
    server = await startQueryServer();
    const of = (site: string, id: string) =>
      partOf(
        { site, session: id, video: id, part: 0, startedAt: SEED_START_MS },
        { context: EMPTY_CONTEXT, sections: SECTIONS, figures: FIGURES },
      );
    await writeParts(server.connection, [
      { part: of(SEED_SITE, 'mine'), open: false },
      { part: of(OTHER_SITE, 'theirs'), open: false },
    ]);
    for (const [site, id] of [
      [SEED_SITE, 'mine'],
      [OTHER_SITE, 'theirs'],
    ])
      await server.sql('INSERT INTO videos (site, id, duration_ms, first_seen_at, last_seen_at) VALUES ($1, $2, 60000, now(), now())', [
        site,
        id,
      ]);
  });
  after(() => server?.stop());

  it('API5: opens each route to its scope and to no other', async () => {
    const scopes: Record<string, string[]> = { query: ['query'], export: ['query', 'export'], admin: ['admin'], none: [] };
    for (const route of routes)
      for (const [key, held] of Object.entries(scopes)) {
        const { path, ...options } = requestOf(route, 'mine');
        const { status } = await server.ask(path, { ...options, key: key as KeyName });
        assert.equal(status === 403, !held.includes(route.scope), `${route.method} ${route.path} with ${key}: ${status}`);
        if (held.includes(route.scope)) assert.ok(status < 300, `${route.method} ${route.path} with ${key}: ${status}`);
      }
  });

  it('API2: refuses a missing, truncated, unknown, revoked or write key, and says so', async () => {
    const cases: Record<string, string | undefined> = {
      missing: undefined,
      basic: 'Basic c2s6c2s=',
      truncated: `Bearer ${SECRETS.query.slice(0, -1)}`,
      unknown: `Bearer sk_${'z'.repeat(32)}`,
      revoked: `Bearer ${SECRETS.revoked}`,
      write: 'Bearer pk_demo',
    };
    for (const [name, authorization] of Object.entries(cases)) {
      const { status, headers, body } = await server.ask('/v1/plays', {
        key: null,
        headers: authorization === undefined ? {} : { authorization },
      });
      assert.equal(status, 401, name);
      assert.equal(headers.get('www-authenticate'), 'Bearer');
      assert.match(body.type, /#(no-key|unknown-key)$/);
    }
  });

  it('API2: refuses a key in the URL, even a right one', async () => {
    for (const name of ['key', 'api_key', 'access_token', 'token']) {
      const { status, body } = await server.ask(`/v1/plays?${name}=${SECRETS.query}`);
      assert.equal(status, 400, name);
      assert.match(body.type, /#key-in-url$/);
      assert.ok(!JSON.stringify(body).includes(SECRETS.query));
    }
  });

  it('API1: answers for another site as for what does not exist', async () => {
    for (const path of ['/v1/sessions/theirs', '/v1/sessions/theirs/events', '/v1/videos/theirs']) {
      assert.equal((await server.ask(path, { key: 'other' })).status, 200, path);
      const mine = await server.ask(path);
      const never = await server.ask(path.replace('theirs', 'nobody'));
      assert.equal(mine.status, 404, path);
      assert.deepEqual({ ...mine.body, traceId: '' }, { ...never.body, traceId: '' });
    }
    const range = 'from=2025-11-24&to=2025-11-25';
    const plays = await server.ask(`/v1/plays?${range}&video=theirs`);
    assert.equal(plays.body.data.plays, 0);
    assert.deepEqual((await server.ask(`/v1/engagement?video=theirs&${range}`)).body.data, []);
    for (const path of [
      `/v1/plays?${range}&groupBy=video`,
      `/v1/sessions?${range}`,
      '/v1/videos',
      '/v1/live',
      `/v1/sources?${range}`,
      '/v1/keys',
    ])
      assert.ok(!(await server.ask(path)).text.includes('theirs'), path);
    assert.equal((await server.ask('/v1/keys/key_other', { method: 'DELETE' })).status, 404);
    assert.equal((await server.ask('/v1/keys/key_other/rotate', { method: 'POST' })).status, 404);
    assert.equal((await server.ask('/v1/plays', { key: 'other' })).status, 200);
  });

  it('API1: refuses a cursor of another site', async () => {
    await writeParts(
      server.connection,
      ['mine2', 'mine3'].map((session) => ({
        part: partOf(
          { session, video: 'mine', part: 0, startedAt: SEED_START_MS },
          { context: EMPTY_CONTEXT, sections: SECTIONS, figures: FIGURES },
        ),
        open: false,
      })),
      { after: 100 },
    );
    const path = '/v1/sessions?from=2025-11-24&to=2025-11-25&limit=1';
    const { next } = (await server.ask(path)).body;
    assert.equal(typeof next, 'string');
    assert.equal((await server.ask(`${path}&cursor=${next}`)).status, 200);
    assert.equal((await server.ask(`${path}&cursor=${next}`, { key: 'other' })).status, 400);
  });

  it('API3: ignores unknown input fields and shows no internal column', async () => {
    const put = await server.ask('/v1/videos/mine', {
      method: 'PUT',
      body: { title: 'T', site: OTHER_SITE, pinned: ['x'], firstSeenAt: 0 },
    });
    assert.equal(put.status, 200);
    assert.deepEqual(put.body.data.pinned, ['title']);
    const internal = /emission|source_offset|sourceOffset|epoch|writer|checksum|secret_hash|viewer_key|"viewer"|claim|partition"/;
    for (const path of ['/v1/sessions/mine', '/v1/sessions?from=2025-11-24&to=2025-11-25', '/v1/videos', '/v1/keys', '/v1/plays'])
      assert.doesNotMatch((await server.ask(path)).text, internal, path);
  });

  it('makes, rotates and revokes keys; a revoked one is refused within seconds', async () => {
    const made = await server.ask('/v1/keys', { method: 'POST', body: { kind: 'read', scopes: ['query'], label: 'test' } });
    assert.equal(made.status, 201);
    assert.equal(made.headers.get('cache-control'), 'no-store');
    const { id, secret } = made.body.data;
    assert.match(secret, /^sk_[0-9a-f]{64}$/);
    const use = (token: string) => server.ask('/v1/plays', { key: null, headers: { authorization: `Bearer ${token}` } });
    assert.equal((await use(secret)).status, 200);
    assert.ok(!(await server.ask('/v1/keys')).text.includes(secret.slice(10)), 'the secret is shown once');

    const rotated = await server.ask(`/v1/keys/${id}/rotate`, { method: 'POST' });
    assert.equal(rotated.status, 201);
    assert.equal((await use(rotated.body.data.secret)).status, 200);
    assert.equal((await use(secret)).status, 200, 'the old one works until it is revoked');
    const listed = (await server.ask('/v1/keys')).body.data.find((key: { id: string }) => key.id === id);
    assert.equal(listed.replacedBy, rotated.body.data.id);

    await server.sql('UPDATE keys SET revoked_at = now() WHERE id = $1', [id]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal((await use(secret)).status, 401);
    const revoked = await server.ask(`/v1/keys/${rotated.body.data.id}`, { method: 'DELETE' });
    assert.notEqual(revoked.body.data.revokedAt, null);
    assert.equal((await use(rotated.body.data.secret)).status, 401, 'at once where it was revoked');

    const write = await server.ask('/v1/keys', { method: 'POST', body: { kind: 'write', origins: ['https://example.org'] } });
    assert.match(write.body.data.writeKey, /^pk_/);
    assert.equal(write.body.data.secret, null);
    assert.equal((await use(write.body.data.writeKey)).status, 401, 'a write key reads nothing');
    assert.equal((await server.ask('/v1/keys', { method: 'POST', body: { kind: 'read' } })).status, 400);
    assert.equal((await server.ask('/v1/keys', { method: 'POST', body: { kind: 'write', scopes: ['admin'] } })).status, 400);
  });

  it('keeps a secret as its hash only', async () => {
    const rows = await server.sql("SELECT * FROM keys WHERE id = 'key_query'");
    assert.ok(!JSON.stringify(rows).includes(SECRETS.query));
  });

  it('G12: writes no key, query or address to the log, and one line per request', async () => {
    server.logLines.length = 0;
    await server.ask('/v1/plays?filter=country:NL');
    await server.ask(`/v1/plays?token=${SECRETS.query}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const log = server.logLines.join('');
    assert.equal(server.logLines.length, 2);
    assert.doesNotMatch(log, /sk_|country|127\.0\.0\.1|Bearer/);
    assert.match(log, /"keyId":"key_all"/);
  });

  it('API8: sends safe headers and no internals with a fault of ours', async () => {
    const { headers } = await server.ask('/v1/plays');
    assert.equal(headers.get('x-powered-by'), null);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'self'/);
    assert.match(headers.get('vary') ?? '', /Authorization/);
    await server.sql('ALTER TABLE partition_progress RENAME TO hidden');
    try {
      const { status, body, text } = await server.ask('/v1/plays');
      assert.equal(status, 500);
      assert.equal(body.title, 'The server failed');
      assert.doesNotMatch(text, /partition_progress|relation|stack|\.ts/);
    } finally {
      await server.sql('ALTER TABLE hidden RENAME TO partition_progress');
    }
  });

  it('refuses to write through the reading pool (Q3)', async () => {
    const { createReadPool } = await import('../../infra/runtime/postgres.ts');
    const pool = createReadPool({ url: server.database.url, applicationName: 'test', poolSize: 1, statementTimeoutMs: 1_000 });
    await assert.rejects(pool.query({ name: 'w', text: 'DELETE FROM keys' }, []), /read-only/);
    await assert.rejects(pool.query({ name: 's', text: 'SELECT pg_sleep(3)' }, []), /statement timeout/);
    await pool.close();
  });
});

describe('query limits', { timeout: 60_000 }, () => {
  let server: QueryServer;
  before(async () => {
    server = await startQueryServer({
      env: {
        PLAYHEAD_QUERY_REQUESTS_PER_MINUTE_MAX: '20',
        PLAYHEAD_QUERY_REFUSED_PER_MINUTE_MAX: '5',
        PLAYHEAD_QUERY_KEYS_PER_MINUTE_MAX: '2',
        PLAYHEAD_QUERY_CORS_ORIGINS: 'https://dash.example',
      },
    });
  });
  after(() => server?.stop());

  it('API6: refuses a burst of new keys, and logs each that was made', async () => {
    const made = [];
    for (let i = 0; i < 4; i++) made.push((await server.ask('/v1/keys', { method: 'POST', key: 'admin', body: { kind: 'write' } })).status);
    assert.deepEqual(made, [201, 201, 429, 429]);
    assert.equal(server.logLines.filter((line) => line.includes('key created')).length, 2);
  });

  it('API4: limits each key on its own, with headers, and counts the limit', async () => {
    const replies = [];
    for (let i = 0; i < 22; i++) replies.push(await server.ask('/v1/definitions', { key: 'query' }));
    assert.equal(replies.filter(({ status }) => status === 200).length, 20);
    const last = replies.at(-1);
    assert.equal(last?.status, 429);
    assert.match(last?.headers.get('ratelimit') ?? '', /r=0/);
    assert.notEqual(last?.headers.get('retry-after'), null);
    assert.equal((await server.ask('/v1/definitions', { key: 'export' })).status, 200);
    assert.match(await server.registry.metrics(), /playhead_query_limit_hits_total\{limit="requests_per_key"\} 2/);
  });

  it('allows listed origins to flush counted events, and nobody else to do more than read', async () => {
    const methods = async (path: string): Promise<string[]> => {
      const asked = { origin: 'https://dash.example', 'access-control-request-method': 'DELETE' };
      const { headers } = await server.ask(path, { key: null, method: 'OPTIONS', headers: asked });
      return (headers.get('access-control-allow-methods') ?? '').split(',');
    };
    assert.deepEqual(await methods('/analytics'), ['GET', 'HEAD', 'DELETE']);
    for (const path of ['/stats', '/v1/plays', '/sessions']) assert.deepEqual(await methods(path), ['GET', 'HEAD'], path);
  });

  it('allows reading pages of listed origins only, with the Authorization header', async () => {
    const preflight = (origin: string) =>
      server.ask('/v1/plays', {
        key: null,
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' },
      });
    const listed = await preflight('https://dash.example');
    assert.equal(listed.status, 204);
    assert.equal(listed.headers.get('access-control-allow-origin'), 'https://dash.example');
    assert.match(listed.headers.get('access-control-allow-headers') ?? '', /Authorization/);
    assert.equal((await preflight('https://elsewhere.example')).headers.get('access-control-allow-origin'), null);
  });

  it('API2: stops an address that tries keys', async () => {
    const statuses = [];
    for (let i = 0; i < 7; i++)
      statuses.push((await server.ask('/v1/live', { key: null, headers: { authorization: `Bearer sk_${String(i).repeat(32)}` } })).status);
    assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429, 429]);
  });
});
