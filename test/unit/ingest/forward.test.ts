// One base URL: the gateway passes on what no door takes, to a server that stands for the query API and repeats what it was asked.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { sampleBeacon, startTestGateway, type TestGateway } from '../../support/gateway.ts';

type Asked = { method: string; url: string; headers: IncomingMessage['headers']; body: string };

async function startUpstream(): Promise<{ server: Server; url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      asked.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      response.writeHead(request.url === '/nowhere' ? 404 : 200, { 'content-type': 'text/plain', 'x-upstream': 'yes' });
      response.end(`asked ${request.url}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

describe('one base URL: PLAYHEAD_INGEST_QUERY_URL', () => {
  let upstream: Awaited<ReturnType<typeof startUpstream>>;
  let gateway: TestGateway;
  before(async () => {
    upstream = await startUpstream();
    gateway = await startTestGateway({ env: { PLAYHEAD_INGEST_QUERY_URL: upstream.url } });
  });
  after(async () => {
    await gateway.stop();
    upstream.server.close();
  });
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${gateway.url}${path}`, init);
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };

  it('a path of no door is answered by the query API, untouched', async () => {
    const answer = await ask('/v1/plays?video=intro&from=a%20b', {
      headers: { authorization: 'Bearer sk_x', 'x-forwarded-for': '203.0.113.7' },
    });
    assert.deepEqual([answer.status, answer.text], [200, 'asked /v1/plays?video=intro&from=a%20b']);
    assert.equal(answer.headers.get('x-upstream'), 'yes');
    assert.equal(answer.headers.get('x-powered-by'), null);
    assert.equal(answer.headers.get('content-security-policy'), null, 'headers are those of the query API alone');
    const last = upstream.asked.at(-1);
    assert.equal(last?.headers.authorization, 'Bearer sk_x');
    assert.equal(last?.headers['x-forwarded-for'], '203.0.113.7, 127.0.0.1', 'the caller cannot take our place in the list');
  });

  it('a path of a door with a method that only the query API has goes there, the door keeps its own', async () => {
    assert.equal((await ask('/v1/events?session=a')).text, 'asked /v1/events?session=a');
    assert.equal((await gateway.post(sampleBeacon())).status, 202);
    assert.equal((await ask('/k/pk_demo/sessions?page=2')).text, 'asked /sessions?page=2', 'a base URL with a write key');
    assert.equal((await ask('/', { headers: { accept: 'text/html' } })).text, 'asked /');
  });

  it('bodies go along, and statuses come back', async () => {
    const answer = await ask('/v1/keys', { method: 'POST', body: '{"name":"a"}', headers: { 'content-type': 'application/json' } });
    assert.equal(answer.status, 200);
    assert.deepEqual([upstream.asked.at(-1)?.method, upstream.asked.at(-1)?.body], ['POST', '{"name":"a"}']);
    assert.equal((await ask('/nowhere')).status, 404);
    assert.equal(await gateway.metric('playhead_ingest_forwarded_total', { status_class: '4xx' }), 1);
  });

  it('health, the script and the problems stay those of the gateway', async () => {
    const before = upstream.asked.length;
    assert.match((await ask('/healthz')).text, /taking beacons/);
    assert.match((await ask('/docs/problems')).text, /Figures cannot be reached/);
    assert.equal(upstream.asked.length, before);
  });

  it('a query API that is away is 503 with Retry-After; beacons are taken all the same', async () => {
    const lonely = await startTestGateway({ env: { PLAYHEAD_INGEST_QUERY_URL: 'http://127.0.0.1:1' } });
    try {
      const answer = await fetch(`${lonely.url}/v1/plays`);
      assert.equal(answer.status, 503);
      assert.equal(answer.headers.get('retry-after'), '2');
      assert.match(((await answer.json()) as { type: string }).type, /unreachable$/);
      assert.equal((await lonely.post(sampleBeacon())).status, 202);
    } finally {
      await lonely.stop();
    }
  });

  it('without the setting the gateway says that nothing is there', async () => {
    const alone = await startTestGateway();
    try {
      assert.equal((await fetch(`${alone.url}/v1/plays`)).status, 404);
      assert.equal((await fetch(`${alone.url}/v1/beacons`)).status, 405);
    } finally {
      await alone.stop();
    }
  });

  it('an address that is none is refused at start, by name', async () => {
    await assert.rejects(startTestGateway({ env: { PLAYHEAD_INGEST_QUERY_URL: 'query-api:8081' } }), /PLAYHEAD_INGEST_QUERY_URL.*http/s);
  });
});
