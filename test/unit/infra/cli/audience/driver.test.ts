// The driver repeats what was not accepted with the same numbers, and knows what it does not know.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import { SHORT_VIDEOS } from '../../../../../infra/cli/audience/catalog.ts';
import { planDelivery } from '../../../../../infra/cli/audience/delivery.ts';
import { createDriver, type DeliveryRecord } from '../../../../../infra/cli/audience/driver.ts';
import { createViewing } from '../../../../../infra/cli/audience/viewing.ts';
import { systemScheduler } from '../../../../../infra/runtime/clock.ts';
import { listen } from '../../../../../infra/runtime/http.ts';

type Handler = (body: string, request: number) => { status: number; retryAfter?: string } | 'reset';

async function drive(handler: Handler, attemptsMax = 5): Promise<{ records: DeliveryRecord[]; bodies: string[] }> {
  const bodies: string[] = [];
  const listener: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      bodies.push(body);
      const answer = handler(body, bodies.length);
      if (answer === 'reset') request.socket.destroy();
      else {
        if (answer.retryAfter) response.setHeader('retry-after', answer.retryAfter);
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end('{"accepted":1,"rejected":[]}');
      }
    });
  };
  const server = createServer(listener);
  const { port } = await listen(server, { host: '127.0.0.1', port: 0 });
  const driver = createDriver(
    { scheduler: systemScheduler },
    { endpoint: `http://127.0.0.1:${port}`, key: 'pk_test', attemptsMax, retryPauseMaxMs: 5 },
  );
  const viewing = createViewing({ seed: 3, startsAt: 1_764_000_000_000, videos: SHORT_VIDEOS });
  const plan = planDelivery(viewing, { speed: 10_000 });
  const records = await driver.run(plan, 0);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return { records, bodies };
}

describe('audience driver', () => {
  it('sends the same body again after 503 and a reset, and counts them as unknown attempts', async () => {
    const { records, bodies } = await drive((_, request) =>
      request === 1 ? { status: 503, retryAfter: '0' } : request === 2 ? 'reset' : { status: 202 },
    );
    assert.ok(records.every((record) => record.outcome === 'accepted'));
    assert.equal(
      records.reduce((sum, record) => sum + record.unknownAttempts, 0),
      2,
    );
    assert.equal(new Set(bodies).size, records.length);
    assert.equal(bodies.length, records.length + 2);
  });

  it('repeats 429, which is a refusal, and takes other 4xx as the last word', async () => {
    const limited = await drive(() => ({ status: 429, retryAfter: '0' }), 2);
    assert.ok(limited.records.every((record) => record.outcome === 'refused' && record.attempts === 2));
    const refused = await drive(() => ({ status: 400 }));
    assert.ok(refused.records.every((record) => record.outcome === 'refused' && record.attempts === 1));
  });

  it('does not know what became of a request that was never answered well', async () => {
    const { records } = await drive(() => 'reset', 2);
    assert.ok(records.every((record) => record.outcome === 'unknown' && record.unknownAttempts === 2));
  });
});
