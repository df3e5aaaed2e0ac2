// The Express app: middleware, the routes from their list, the document, the dashboard's files, and the one place where
// what was thrown becomes a problem.
import { existsSync } from 'node:fs';
import compression from 'compression';
import cors from 'cors';
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { pinoHttp } from 'pino-http';
import swaggerUi from 'swagger-ui-express';
import { codeOf, messageOf } from '../infra/runtime/errors.ts';
import { refuseKeyInUrl, requireScope } from './auth.ts';
import type { DialectRoute } from './dialects/dialect.ts';
import { checked, formatOf, queryOf, repeatable } from './input.ts';
import { callerOf, createLimits, type Limits } from './limits.ts';
import type { QueryMetrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import { PROBLEM_KINDS, ProblemError, problemBody } from './problem.ts';
import { respond } from './respond.ts';
import { routes } from './routes/list.ts';
import type { Route, Services } from './routes/route.ts';
import { traceIdOf, tracing } from './trace.ts';

const BODY_BYTES_MAX = 64 * 1024;

export type AppDeps = {
  services: Services;
  metrics: QueryMetrics;
  logger: Logger;
  monotonicMs: () => number;
  config: {
    requestsPerMinuteMax: number;
    keysPerMinuteMax: number;
    refusedPerMinuteMax: number;
    corsOrigins: readonly string[];
    microticksCorsOrigins: readonly string[];
    trustedHops: number;
  };
  version: string;
  /** Routes of the peers' dialects. */
  dialects: readonly DialectRoute[];
  /** Built files of the dashboard; not there = the API alone. */
  dashboardDirectory: string;
};

export function createApp(deps: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', deps.config.trustedHops);
  app.set('query parser', 'simple');
  app.use(tracing(deps.services.uuid), requestLog(deps.logger), timed(deps));
  app.use(headers(), compression());
  const { corsOrigins, microticksCorsOrigins } = deps.config;
  app.use(['/v1', '/api/v1', '/stats', '/openapi.json'], crossOrigin(corsOrigins));
  app.use('/analytics', crossOrigin(corsOrigins, ['DELETE']));
  app.use(['/sessions', '/events'], crossOrigin(microticksCorsOrigins));
  const limits = createLimits(deps.config);
  for (const route of routes) app[route.method](expressPath(route.path), ...pipeline(route, deps, limits));
  for (const route of deps.dialects) app[route.method](expressPath(route.path), ...dialectPipeline(route, deps, limits));
  const all = [...routes, ...deps.dialects];
  for (const path of new Set(all.map((route) => route.path))) app.all(expressPath(path), otherMethods(path, all));
  documents(app, deps.version);
  dashboard(app, deps.dashboardDirectory);
  app.use((request) => {
    refuseKeyInUrl(request.query);
    throw new ProblemError('not-found', 'See /docs for what there is');
  });
  app.use(problems(deps));
  return app;
}

/** `{id}` of OpenAPI → `:id` of Express. */
const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** Key, scope and limits: before any input is looked at, so that nobody learns from errors what their key does not allow. */
function admission(
  route: Pick<Route, 'method' | 'path' | 'scope'> & Pick<DialectRoute, 'secretOf' | 'word' | 'challenge'>,
  deps: AppDeps,
  limits: Limits,
): RequestHandler[] {
  const { authenticator } = deps.services;
  return [
    async (request, response, next) => {
      response.locals['route'] = `${route.method} ${route.path}`;
      response.locals['word'] = route.word;
      response.locals['challenge'] = route.challenge;
      if (route.secretOf === undefined) refuseKeyInUrl(request.query);
      await limits.refusedTooOften(request);
      try {
        response.locals['caller'] = await authenticator.caller(authorizationOf(route, request));
      } catch (thrown) {
        if (thrown instanceof ProblemError && PROBLEM_KINDS[thrown.kind].status === 401) {
          deps.metrics.refused.inc({ reason: thrown.kind });
          await limits.countRefused(request, response);
        }
        throw thrown;
      }
      next();
    },
    limits.perKey,
    (_request, response, next) => {
      requireScope(callerOf(response), route.scope);
      next();
    },
  ];
}

/** Clients of a peer may send their key in another place than ours; it is then one of ours all the same. */
function authorizationOf({ secretOf }: Pick<DialectRoute, 'secretOf'>, { headers, query }: Request): string | undefined {
  if (secretOf === undefined) return headers.authorization;
  const secret = secretOf({ query, authorization: headers.authorization ?? '' });
  return secret === '' ? undefined : `Bearer ${secret}`;
}

function pipeline(route: Route, deps: AppDeps, limits: Limits): RequestHandler[] {
  const lists = repeatable(route.query);
  const { clock } = deps.services;
  return [
    ...admission(route, deps, limits),
    ...(route.limitedCreation ? [limits.creation] : []),
    ...(route.body === undefined ? [] : [express.json({ limit: BODY_BYTES_MAX, strict: true, type: ['application/json', 'text/plain'] })]),
    async (request, response) => {
      const format = formatOf(route, request);
      const answer = await route.handle(
        {
          caller: callerOf(response),
          query: queryOf(route, request.query, lists) as never,
          path: checked(route.params, { ...request.params }, 'parameter') as never,
          body: (route.body === undefined ? undefined : checked(route.body, request.body ?? {}, 'field')) as never,
          format,
          nowMs: clock.now(),
        },
        deps.services,
      );
      await respond(request, response, answer, format);
    },
  ];
}

/** A peer's route: admitted like ours, worded by its dialect. */
function dialectPipeline(route: DialectRoute, deps: AppDeps, limits: Limits): RequestHandler[] {
  const { answers, askAdmin, clock, uuid } = deps.services;
  return [
    ...admission(route, deps, limits),
    ...(route.limitedCreation ? [limits.creation] : []),
    ...(route.readsBody ? [express.json({ limit: BODY_BYTES_MAX, strict: true, type: () => true })] : []),
    async (request, response) => {
      const {
        status = 200,
        headers = {},
        body,
      } = await route.handle({
        caller: callerOf(response),
        params: request.params as Record<string, string>,
        query: request.query,
        body: request.body,
        nowMs: clock.now(),
        ask: answers.ask,
        askAdmin,
        uuid,
      });
      response.status(status).set({ 'cache-control': 'no-store', ...headers });
      sendWorded(response, body);
    },
  ];
}

function sendWorded(response: Response, body: unknown): void {
  if (typeof body === 'string') response.type('text/plain').send(body);
  else response.json(body);
}

function otherMethods(path: string, routes: readonly Pick<Route, 'method' | 'path'>[]): RequestHandler {
  const allowed = routes.filter((route) => route.path === path).map((route) => route.method.toUpperCase());
  return (_request, response) => {
    response.setHeader('allow', allowed.join(', '));
    throw new ProblemError('method-not-allowed', `Available here: ${allowed.join(', ')}`);
  };
}

function headers(): RequestHandler {
  // Upgrading to TLS is the proxy's business: over plain HTTP these two would break the dashboard.
  return helmet({
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    strictTransportSecurity: false,
    crossOriginResourcePolicy: { policy: 'cross-origin' },
  });
}

function crossOrigin(origins: readonly string[], furtherMethods: readonly string[] = []): RequestHandler {
  return cors({
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', ...furtherMethods],
    allowedHeaders: ['Authorization', 'Accept', 'If-None-Match', 'traceparent'],
    exposedHeaders: ['ETag', 'Link', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'traceparent', 'X-Data-Through'],
    maxAge: 600,
  });
}

/** One line per request: what was asked of which resource, never the query, the key or the address (G12). */
function requestLog(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    quietReqLogger: true,
    genReqId: (_request, response) => traceIdOf(response as Response),
    customLogLevel: (_request, response, error) => (error !== undefined || response.statusCode >= 500 ? 'error' : 'debug'),
    customProps: (_request, response) => ({ keyId: callerOf(response as Response)?.keyId, route: (response as Response).locals['route'] }),
    serializers: {
      req: (request: { method: string; url: string; id: string }) => ({
        traceId: request.id,
        method: request.method,
        path: request.url.split('?')[0],
      }),
      res: (response: { statusCode: number }) => ({ status: response.statusCode }),
    },
  });
}

function timed(deps: AppDeps): RequestHandler {
  return (_request, response, next) => {
    const startedMs = deps.monotonicMs();
    response.once('close', () => {
      const labels = { route: String(response.locals['route'] ?? 'other'), status_class: `${Math.floor(response.statusCode / 100)}xx` };
      deps.metrics.requestSeconds.observe(labels, (deps.monotonicMs() - startedMs) / 1_000);
    });
    next();
  };
}

function documents(app: Express, version: string): void {
  const document = openApiDocument(routes, version);
  app.get('/openapi.json', (_request, response) => {
    response.setHeader('cache-control', 'public, max-age=300');
    response.json(document);
  });
  app.get('/docs/problems', (_request, response) => {
    const rows = Object.entries(PROBLEM_KINDS).map(
      ([kind, { status, title }]) => `<dt id="${kind}">${kind} (${status})</dt><dd>${title}.</dd>`,
    );
    response.type('html').send(`<!doctype html><html lang="en"><title>Problems</title><h1>Problems</h1><dl>${rows.join('')}</dl></html>`);
  });
  app.use('/docs', swaggerUi.serve, swaggerUi.setup(undefined, { swaggerUrl: '/openapi.json', customSiteTitle: 'Playhead API' }));
}

function dashboard(app: Express, directory: string): void {
  // The address that clients of Microticks open, key and all: the dashboard takes it behind the #, where no server sees it again.
  app.get('/dash', ({ query }, response) => {
    const { key } = query;
    response.setHeader('cache-control', 'no-store');
    response.redirect(302, typeof key === 'string' && key !== '' ? `/#key=${encodeURIComponent(key)}` : '/');
  });
  if (existsSync(directory)) {
    app.use('/dashboard', express.static(directory));
    app.use('/', express.static(directory));
    return;
  }
  app.get(['/', '/dashboard'], (_request, response) => {
    response
      .type('html')
      .send('<!doctype html><html lang="en"><title>Playhead</title><p>The dashboard is not built. <a href="/docs">API</a></p></html>');
  });
}

/** The last word: a problem for every failure, internals only in the log. */
function problems(deps: AppDeps): ErrorRequestHandler {
  return (thrown: unknown, request: Request, response: Response, _next) => {
    const problem = thrown instanceof ProblemError ? thrown : fromOther(thrown);
    const { status } = PROBLEM_KINDS[problem.kind];
    if (problem.limit !== undefined) deps.metrics.limitHits.inc({ limit: problem.limit });
    if (status >= 500)
      deps.logger.error({ err: thrown, code: codeOf(thrown), traceId: traceIdOf(response), path: request.path }, 'request failed');
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (problem.retryAfterS !== undefined && !response.hasHeader('retry-after'))
      response.setHeader('retry-after', String(problem.retryAfterS));
    if (status === 401) response.setHeader('www-authenticate', String(response.locals['challenge'] ?? 'Bearer'));
    response.setHeader('cache-control', 'no-store');
    const word = response.locals['word'] as DialectRoute['word'];
    if (word !== undefined) {
      response.status(status);
      sendWorded(response, word(problem, status));
      return;
    }
    response
      .status(status)
      .type('application/problem+json')
      .end(JSON.stringify(problemBody(problem, traceIdOf(response))));
  };
}

/** Faults that libraries found in a request; everything else is ours and stays inside. */
function fromOther(thrown: unknown): ProblemError {
  const status = (thrown as { status?: unknown } | null)?.status;
  if (status === 413)
    return new ProblemError('too-large', `A body may have ${BODY_BYTES_MAX} bytes`, { limit: 'body_bytes', cause: thrown });
  if (status === 400 || status === 415)
    return new ProblemError('wrong-parameters', `The request cannot be read: ${messageOf(thrown)}`, { cause: thrown });
  return new ProblemError('internal', 'The failure was logged under this trace id', { cause: thrown });
}
