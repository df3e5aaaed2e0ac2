// The handler in front of the Express app: what every ingest path needs before its door is asked (prefix of keys, CORS, the
// client's address, the limit per network) and after it answered (headers, metrics). Paths that no door claims go on to Express,
// which costs four times as much per request.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { toError } from '../infra/runtime/errors.ts';
import type { Clock, Scheduler } from '../infra/runtime/ports.ts';
import { readBody } from './body.ts';
import { addressPrefix, clientAddress } from './core/place.ts';
import type { Door, DoorReply, DoorRequest, Route } from './doors/door.ts';
import { type Failure, failure, problemOf } from './doors/failure.ts';
import type { IngestMetrics } from './metrics.ts';
import { rateHeaders, traceIdOf } from './problem.ts';
import type { RateLimiter } from './rate-limit.ts';

export type FrontDeps = {
  doors: readonly Door[];
  /** Everything that is no ingest path. */
  next: (request: IncomingMessage, response: ServerResponse) => void;
  prefixLimiter: RateLimiter;
  metrics: IngestMetrics;
  logger: Pick<Logger, 'error'>;
  clock: Clock;
  scheduler: Pick<Scheduler, 'monotonicMs' | 'uuid'>;
  /** Keys and aliases were read at least once. Before that a key that is not known says nothing about the key. */
  informed: () => boolean;
  /** True once a stop has begun: answers then close their connection. */
  stopping: () => boolean;
  settings: { trustedHops: number; prefixPerSecond: number; prefixBurst: number };
};

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
type Target = { path: string; query: string; prefixKey: string };

const KEY_PREFIX = /^\/k\/([^/]{1,128})(?=\/)/;
const PREFLIGHT_MAX_AGE_SECONDS = '7200';
const METHODS = 'GET, POST, PUT, OPTIONS';
const FAULT_RETRY_SECONDS = 2;
const UNINFORMED_RETRY_SECONDS = 2;
const EXPOSED = 'Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset';

/** The request listener of the ingest server. */
export function createFront(deps: FrontDeps): Handler {
  const routes = routeTable(deps.doors);
  return (request, response) => {
    const target = targetOf(request.url ?? '/');
    const claimed = routes.claims(target.path);
    if (!claimed) return deps.next(request, response);
    if (request.method === 'OPTIONS') return preflight(request, response);
    const found = routes.find(request, target);
    // A path that is ours with a method that is not: Express words the 405.
    if (found === undefined) return deps.next(request, response);
    void serve(deps, { request, response, ...found, target });
  };
}

type Place = { door: Door; route: Route };
type RouteTable = { claims(path: string): boolean; find(request: IncomingMessage, target: Target): Place | undefined };

/** Where each path leads. Two routes of the same method and path are a mistake unless they select. @throws Error for such a mistake. */
function routeTable(doors: readonly Door[]): RouteTable {
  const exact = new Map<string, Place[]>();
  const paths = new Set<string>();
  const patterns: Place[] = [];
  for (const door of doors) {
    for (const route of door.routes) {
      if (typeof route.path !== 'string') {
        patterns.push({ door, route });
        continue;
      }
      const name = `${route.method} ${route.path}`;
      const places = exact.get(name) ?? [];
      if (places.some((other) => other.route.select === undefined))
        throw new Error(`two doors claim ${name}: ${door.protocol} cannot have it`);
      exact.set(name, [...places, { door, route }]);
      paths.add(route.path);
    }
  }
  const matches = ({ route }: Place, path: string): boolean => (route.path as RegExp).test(path);
  return {
    claims: (path) => paths.has(path) || patterns.some((place) => matches(place, path)),
    find({ method, headers }, { path, query }) {
      const places = exact.get(`${method} ${path}`) ?? patterns.filter((place) => place.route.method === method && matches(place, path));
      const [only] = places;
      if (only === undefined || (places.length === 1 && only.route.select === undefined)) return only;
      const facts = { headers, query: new URLSearchParams(query) };
      return places.find(({ route }) => route.select?.(facts) ?? true);
    },
  };
}

function targetOf(url: string): Target {
  const mark = url.indexOf('?');
  const whole = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const prefix = whole.startsWith('/k/') ? KEY_PREFIX.exec(whole) : null;
  if (prefix === null) return { path: whole, query, prefixKey: '' };
  return { path: whole.slice(prefix[0].length), query, prefixKey: decoded(prefix[1] as string) };
}

/** A request target without its prefix of a write key. */
export function withoutKeyPrefix(url: string): string {
  const { path, query } = targetOf(url);
  return query === '' ? path : `${path}?${query}`;
}

/** The path that a URL asks for, without query and key prefix. */
export const pathOf = (url: string): string => targetOf(url).path;

/** Keys made elsewhere may hold `/`, `+` and `=`, which stand percent-encoded in a path. */
function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Allowed for any origin: which key a request names is known only when it comes, and the key decides then. */
function preflight(request: IncomingMessage, response: ServerResponse): void {
  const origin = request.headers.origin ?? '';
  const wanted = request.headers['access-control-request-headers'];
  response.writeHead(204, {
    ...corsHeaders(origin),
    'access-control-allow-methods': METHODS,
    'access-control-max-age': PREFLIGHT_MAX_AGE_SECONDS,
    ...(wanted === undefined ? {} : { 'access-control-allow-headers': wanted }),
  });
  response.end();
}

function corsHeaders(origin: string): Record<string, string> {
  if (origin === '') return { vary: 'Origin' };
  return {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': EXPOSED,
  };
}

type Exchange = { request: IncomingMessage; response: ServerResponse; door: Door; route: Route; target: Target };

async function serve(deps: FrontDeps, exchange: Exchange): Promise<void> {
  const startedAt = deps.scheduler.monotonicMs();
  const { request } = exchange;
  let wireBytes = 0;
  const doorRequest = describeRequest(deps, request, exchange.target, async () => {
    const body = await readBody(request);
    if (body.ok) wireBytes = body.wireBytes;
    return body;
  });
  let reply: DoorReply | undefined;
  try {
    reply =
      uninformed(deps, exchange.door, request) ?? overRate(deps, exchange.door, doorRequest) ?? (await exchange.route.handle(doorRequest));
  } catch (thrown) {
    const traceId = traceIdOf(request.headers['traceparent'], deps.scheduler.uuid);
    deps.logger.error({ err: toError(thrown), traceId }, 'a request failed inside the gateway');
    const failed = failure('internal', 'The gateway failed. Send again with the same sequence numbers.', FAULT_RETRY_SECONDS);
    reply = word(exchange.door, failed, traceId);
  }
  if (reply === undefined) return;
  send(deps, exchange, doorRequest.origin, reply);
  deps.metrics.request(reply.status, deps.scheduler.monotonicMs() - startedAt);
  if (wireBytes > 0) deps.metrics.body(reply.status, wireBytes);
  if (!request.readableEnded && !request.destroyed) request.resume();
}

/** What a door sees of an upgrade: a request without a body. */
export const requestOf = (deps: RequestDeps, request: IncomingMessage): DoorRequest =>
  describeRequest(deps, request, targetOf(request.url ?? '/'), async () => ({ ok: false, kind: 'aborted' }));

type RequestDeps = { clock: Clock; settings: { trustedHops: number } };

function describeRequest(deps: RequestDeps, request: IncomingMessage, target: Target, body: DoorRequest['body']): DoorRequest {
  const forwarded = request.headers['x-forwarded-for'];
  const origin = request.headers.origin ?? '';
  return {
    method: request.method ?? '',
    path: target.path,
    query: new URLSearchParams(target.query),
    headers: request.headers,
    prefixKey: target.prefixKey,
    address: clientAddress({
      socketAddress: request.socket.remoteAddress ?? '',
      forwardedFor: Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? ''),
      trustedHops: deps.settings.trustedHops,
    }),
    userAgent: request.headers['user-agent'] ?? '',
    origin,
    receivedAt: deps.clock.now(),
    body,
  };
}

const word = (door: Door, failed: Failure, traceId: string): DoorReply => door.word?.(failed) ?? problemOf(failed, traceId);

/** A refusal is final for a player: a gateway that cannot know its keys yet asks it to come again instead (reliability 1). */
function uninformed(deps: FrontDeps, door: Door, request: IncomingMessage): DoorReply | undefined {
  if (deps.informed()) return undefined;
  deps.metrics.beacons('dropped', 'not_ready', 1);
  const failed = failure('overloaded', 'The gateway has not read its keys yet. Nothing was taken.', UNINFORMED_RETRY_SECONDS);
  return word(door, failed, traceIdOf(request.headers['traceparent'], deps.scheduler.uuid));
}

function overRate(deps: FrontDeps, door: Door, request: DoorRequest): DoorReply | undefined {
  const { prefixPerSecond, prefixBurst } = deps.settings;
  const decision = deps.prefixLimiter.take(addressPrefix(request.address), { perSecond: prefixPerSecond, burst: prefixBurst });
  if (decision.allowed) return undefined;
  deps.metrics.limitHit('prefix_rate');
  deps.metrics.beacons('dropped', 'prefix_rate', 1);
  const headers = rateHeaders(decision);
  const failed = failure('rate-limited', `Your network may send ${prefixPerSecond} requests a second.`, Number(headers['retry-after']));
  return word(door, { ...failed, headers }, traceIdOf(request.headers['traceparent'], deps.scheduler.uuid));
}

/** Headers of every answer, flat as writeHead takes them fastest. */
const COMMON_HEADERS: readonly string[] = ['vary', 'Origin', 'x-content-type-options', 'nosniff'];
/** ... unless the door says how long its answer may be kept. */
const UNKEPT: readonly string[] = ['cache-control', 'no-store'];
const CREDENTIALS: readonly string[] = ['access-control-allow-credentials', 'true', 'access-control-expose-headers', EXPOSED];

function send(deps: FrontDeps, { response }: Exchange, origin: string, reply: DoorReply): void {
  const body = reply.body ?? '';
  const headers = [...COMMON_HEADERS];
  if (reply.headers?.['cache-control'] === undefined) headers.push(...UNKEPT);
  if (origin !== '' && reply.cors !== false) headers.push('access-control-allow-origin', origin, ...CREDENTIALS);
  for (const name in reply.headers) headers.push(name, reply.headers[name] as string);
  if (reply.contentType !== undefined) headers.push('content-type', reply.contentType);
  if (reply.status !== 204) headers.push('content-length', String(Buffer.byteLength(body)));
  if (deps.stopping()) headers.push('connection', 'close');
  response.writeHead(reply.status, headers);
  response.end(body);
}
