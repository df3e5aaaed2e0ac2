// GET /v1/plays: figure blocks in total, by value or by bucket.
import { z } from 'zod';
import { figureBlock } from '../core/figures.ts';
import { figureRows } from './figure-rows.ts';
import { cursorContext, echoOf, figureParameters, questionOf } from './parameters.ts';
import { route } from './route.ts';
import { bucketShape, figureShape, nextShape, rangeAnswer } from './shapes.ts';

const block = z.object(figureShape);
const data = z.union([
  block,
  z.array(z.object({ value: z.string(), ...figureShape })),
  z.array(z.object({ ...bucketShape, value: z.string().optional(), ...figureShape })),
]);

export const playsRoute = route({
  method: 'get',
  path: '/v1/plays',
  scope: 'query',
  summary: 'Plays and what was watched',
  description:
    'Without granularity: one figure block, or one per value of groupBy, most plays first. With it: one per bucket, empty buckets included.',
  query: z.strictObject(figureParameters),
  answer: rangeAnswer(data, nextShape),
  tabular: true,
  async handle({ caller, query, nowMs }, { answers }) {
    const question = questionOf(caller.site, query, nowMs);
    const freshness = await answers.freshness(question);
    const context = cursorContext('plays', caller.site, query);
    const rows = figureRows(await answers.figures(question), question, { limit: query.limit, cursor: query.cursor, context }, figureBlock);
    return { ...rows, range: echoOf(question), freshness };
  },
});
