// The Express app: everything that is no ingest path. Health, the SDK's files, the page of problems, and polite refusals.
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { toError } from '../infra/runtime/errors.ts';
import { type HealthReport, sendHealth } from '../infra/runtime/metrics.ts';
import type { DoorReply } from './doors/door.ts';
import { pathOf } from './front.ts';
import { problemReply, problemsPage, traceIdOf } from './problem.ts';

/** Text of the SDK's two bundles. */
export type SdkFiles = { iife: string; esm: string };

export type AppDeps = {
  health: () => HealthReport;
  /** undefined = not built; its paths then answer 404. */
  sdk: SdkFiles | undefined;
  /** Takes what is nobody's here; undefined = it is refused. */
  forward: ((request: Request, response: Response) => void) | undefined;
  /** Methods of an ingest path by path, for 405; [] = not one of ours. */
  methodsOf: (path: string) => readonly string[];
  logger: Pick<Logger, 'error'>;
  uuid: () => string;
  settings: { trustedHops: number };
};

const SDK_CACHE_SECONDS = 3600;
/** What the app answers itself when the rest is passed on. */
const OWN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/docs/problems', '/sdk.js', '/sdk.mjs']);

/** Builds the app; it does not listen. */
export function createApp(deps: AppDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('trust proxy', deps.settings.trustedHops);
  app.set('query parser', 'simple');
  app.set('strict routing', true);
  const { forward, sdk } = deps;
  // Before any header of ours is set: a forwarded answer is the query API's own.
  if (forward !== undefined) app.use((request, response, next) => (OWN_PATHS.has(request.path) ? next() : forward(request, response)));
  // Pages of any origin load the SDK from here.
  app.use(helmet({ crossOriginResourcePolicy: { policy: 'cross-origin' } }));
  app.get('/healthz', (_request, response) => sendHealth(response, deps.health().alive, deps.health()));
  app.get('/readyz', (_request, response) => sendHealth(response, deps.health().ready, deps.health()));
  app.get('/docs/problems', (_request, response) => void response.type('text/markdown').send(problemsPage()));
  if (sdk !== undefined) {
    app.get('/sdk.js', (_request, response) => sendScript(response, sdk.iife));
    app.get('/sdk.mjs', (_request, response) => sendScript(response, sdk.esm));
  }
  app.use((request, response) => write(response, refusalOf(deps, request)));
  app.use((thrown: unknown, request: Request, response: Response, _next: NextFunction) => {
    const traceId = traceOf(deps, request);
    // A path that cannot be decoded and the like: the sender's fault, and not worth a log line.
    const status = (thrown as { status?: unknown } | null)?.status;
    if (typeof status === 'number' && status >= 400 && status < 500) {
      write(response, problemReply('invalid-body', { detail: 'The request cannot be read.', traceId }));
      return;
    }
    deps.logger.error({ err: toError(thrown), traceId }, 'a request failed');
    if (!response.headersSent) write(response, problemReply('internal', { detail: 'The gateway failed.', traceId }));
  });
  return app;
}

function sendScript(response: Response, text: string): void {
  response
    .set({
      'Content-Type': 'text/javascript; charset=utf-8',
      'Cache-Control': `public, max-age=${SDK_CACHE_SECONDS}`,
      'Access-Control-Allow-Origin': '*',
    })
    .send(text);
}

function refusalOf(deps: AppDeps, request: Request): DoorReply {
  const methods = deps.methodsOf(pathOf(request.url));
  const traceId = traceOf(deps, request);
  // The method is right where a door takes the path from some callers only.
  if (methods.length === 0 || methods.includes(request.method))
    return problemReply('not-found', { detail: 'There is nothing at this path.', traceId });
  const allow = [...methods, 'OPTIONS'].join(', ');
  return problemReply('method-not-allowed', { detail: `This path takes ${allow}.`, traceId, headers: { allow } });
}

function write(response: Response, reply: DoorReply): void {
  response.status(reply.status).set({ ...reply.headers, 'Cache-Control': 'no-store' });
  if (reply.contentType !== undefined) response.set('Content-Type', reply.contentType);
  response.end(reply.body);
}

const traceOf = (deps: AppDeps, request: Request): string => traceIdOf(request.headers['traceparent'], deps.uuid);
