// The OpenAPI 3.1 document, made from the same list of routes as the app.
import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';
import type { Route } from './routes/route.ts';

const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  traceId: z.string(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31['generateDocument']>;

/** Builds the document. */
export function openApiDocument(routes: readonly Route[], version: string): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  const { name: readKey } = registry.registerComponent('securitySchemes', 'readKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'A read key (sk_…). It decides the site.',
  });
  for (const route of routes) registry.registerPath(pathOf(route, readKey));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Playhead',
      version,
      description:
        'How video is watched, and never who watches it. Durations are integer milliseconds, instants ISO 8601 in UTC, ranges half-open.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
  });
}

function pathOf(route: Route, readKey: string): Parameters<OpenAPIRegistry['registerPath']>[0] {
  const problems = { content: { 'application/problem+json': { schema: problem } } };
  return {
    method: route.method,
    path: route.path,
    operationId: operationIdOf(route),
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    tags: [route.path.split('/')[2] ?? 'other'],
    security: [{ [readKey]: [route.scope] }],
    request: {
      query: route.query,
      params: route.params,
      ...(route.body === undefined ? {} : { body: { required: true, content: { 'application/json': { schema: route.body } } } }),
    },
    responses: {
      [route.status]: {
        description: 'The answer',
        content: {
          'application/json': { schema: route.answer },
          ...(route.tabular ? { 'text/csv': { schema: z.string() }, 'application/x-ndjson': { schema: z.string() } } : {}),
        },
      },
      400: { description: 'Wrong input', ...problems },
      401: { description: 'No key, or one that is not valid', ...problems },
      403: { description: 'The key lacks the scope', ...problems },
      ...(Object.keys(route.params.shape).length === 0 ? {} : { 404: { description: 'Not known', ...problems } }),
      429: { description: 'Too many requests', ...problems },
      503: { description: 'Too slow, or the database is away', ...problems },
    },
  };
}

/** `GET /v1/sessions/{session}/events` → `getSessionsBySessionEvents`. */
function operationIdOf(route: Route): string {
  const words = route.path.split('/').slice(2);
  const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  return route.method + words.map((word) => (word.startsWith('{') ? `By${capital(word.slice(1, -1))}` : capital(word))).join('');
}
