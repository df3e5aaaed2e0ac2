// Where a path leads when several doors are there: strict paths, shared ones told apart, and mistakes that stop the start.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { systemClock, systemScheduler } from '../../../infra/runtime/clock.ts';
import type { Door, Route } from '../../../ingest/doors/door.ts';
import { createFront } from '../../../ingest/front.ts';
import { createRateLimiter } from '../../../ingest/rate-limit.ts';

const door = (protocol: string, routes: readonly Omit<Route, 'handle'>[], more: Partial<Door> = {}): Door => ({
  protocol,
  routes: routes.map((route) => ({
    ...route,
    handle: async ({ prefixKey }) => {
      if (prefixKey === 'fault') throw new Error('broken');
      return { status: 200, body: `${protocol} ${prefixKey}`.trim() };
    },
  })),
  ...more,
});

const frontOf = (doors: readonly Door[]) =>
  createFront({
    doors,
    next: (_request, response) => void response.writeHead(404).end('next'),
    prefixLimiter: createRateLimiter({ scheduler: systemScheduler, bucketsMax: 10 }),
    metrics: { request: () => {}, body: () => {}, limitHit: () => {}, beacons: () => {} } as never,
    logger: { error: () => {} } as never,
    clock: systemClock,
    scheduler: systemScheduler,
    informed: () => true,
    stopping: () => false,
    settings: { trustedHops: 0, prefixPerSecond: 1_000, prefixBurst: 1_000 },
  });

describe('doors and paths (protocols.md 0.5)', () => {
  const stops: (() => void)[] = [];
  after(() => {
    for (const stop of stops) stop();
  });
  async function serve(doors: readonly Door[]) {
    const server = createServer(frontOf(doors));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    return async (path: string, headers: Record<string, string> = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', headers, body: '{}' });
      return [response.status, await response.text()];
    };
  }

  it('a slash more is another path, and keys stand in front of any', async () => {
    const post = await serve([door('ga', [{ method: 'POST', path: '/batch' }]), door('posthog', [{ method: 'POST', path: '/batch/' }])]);
    assert.deepEqual(await post('/batch'), [200, 'ga']);
    assert.deepEqual(await post('/batch/?v=1'), [200, 'posthog']);
    assert.deepEqual(await post('/k/a%2Bb%2Fc%3D%3D/batch'), [200, 'ga a+b/c==']);
    assert.deepEqual(await post('/batch/x'), [404, 'next']);
  });

  it('a shared path goes to the first door that knows its own', async () => {
    const epas: Omit<Route, 'handle'> = { method: 'POST', path: '/', select: ({ headers }) => headers['x-epas-event'] !== undefined };
    const post = await serve([door('epas', [epas]), door('mux', [{ method: 'POST', path: '/' }])]);
    assert.deepEqual(await post('/', { 'x-epas-event': 'init' }), [200, 'epas']);
    assert.deepEqual(await post('/'), [200, 'mux']);
  });

  it('two doors that claim the same path stop the start', () => {
    const same: Omit<Route, 'handle'> = { method: 'POST', path: '/batch' };
    assert.throws(() => frontOf([door('ga', [same]), door('posthog', [same])]), /two doors claim POST \/batch/);
  });

  it('a fault of ours is said in the words of the door', async () => {
    const word: Door['word'] = (failure) => ({ status: failure.status, headers: failure.headers, body: `sorry: ${failure.type}` });
    const post = await serve([
      door('plain', [{ method: 'POST', path: '/plain' }]),
      door('worded', [{ method: 'POST', path: '/worded' }], { word }),
    ]);
    assert.deepEqual(await post('/k/fault/worded'), [500, 'sorry: internal']);
    const [status, text] = await post('/k/fault/plain');
    assert.deepEqual([status, JSON.parse(String(text)).status], [500, 500]);
  });
});
