// GET /v1/sources: where plays come from, by source, medium and campaign together.
import { z } from 'zod';
import { TRAFFIC_SEPARATOR } from '../../schemas/rollup.ts';
import { figureBlock } from '../core/figures.ts';
import type { Question } from '../core/question.ts';
import { groupPage } from './figure-rows.ts';
import { cursorContext, echoOf, filterParameters, pageParameters, questionOf, rangeParameters, videosParameter } from './parameters.ts';
import { route } from './route.ts';
import { figureShape, nextShape, rangeAnswer } from './shapes.ts';

export const sourcesRoute = route({
  method: 'get',
  path: '/v1/sources',
  scope: 'query',
  summary: 'Where plays come from',
  query: z.strictObject({ ...rangeParameters, ...videosParameter, ...filterParameters, ...pageParameters }),
  answer: rangeAnswer(z.array(z.object({ source: z.string(), medium: z.string(), campaign: z.string(), ...figureShape })), nextShape),
  tabular: true,
  async handle({ caller, query, nowMs }, { answers }) {
    const question: Question = { ...questionOf(caller.site, query, nowMs), groupBy: { kind: 'traffic' } };
    const freshness = await answers.freshness(question);
    const { groups } = await answers.figures(question);
    const page = groupPage(groups, { limit: query.limit, cursor: query.cursor, context: cursorContext('sources', caller.site, query) });
    const data = page.groups.map(({ value, sums }) => {
      const [source = '', medium = '', campaign = ''] = value.split(TRAFFIC_SEPARATOR);
      return { source, medium, campaign, ...figureBlock(sums) };
    });
    const provisionalSessions = groups.reduce((sum, group) => sum + group.sums.provisional, 0);
    return { data, next: page.next, range: echoOf(question), freshness, provisionalSessions };
  },
});
