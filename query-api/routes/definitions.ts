// GET /v1/definitions: what every figure means.
import { z } from 'zod';
import { DEFINITIONS } from '../definitions.ts';
import { route } from './route.ts';
import { plainAnswer } from './shapes.ts';

export const definitionsRoute = route({
  method: 'get',
  path: '/v1/definitions',
  scope: 'query',
  summary: 'What every figure means',
  answer: plainAnswer(z.array(z.object({ name: z.string(), unit: z.string(), meaning: z.string(), source: z.string(), sql: z.string() }))),
  tabular: true,
  handle: () => Promise.resolve({ data: DEFINITIONS }),
});
