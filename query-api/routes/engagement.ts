// GET /v1/engagement: which parts of one video were watched, and how often.
import { z } from 'zod';
import { RANGES_ASKED_MAX } from '../core/curve.ts';
import { figureBlock } from '../core/figures.ts';
import { wrong } from '../problem.ts';
import { echoOf, filterParameters, questionOf, rangeParameters, videoId } from './parameters.ts';
import { route } from './route.ts';
import { count, figureShape, milliseconds, rangeAnswer } from './shapes.ts';

const point = z.object({
  fromMs: milliseconds,
  toMs: milliseconds,
  plays: count.describe('Sessions that watched any part of the range'),
  watches: count.describe('Times the range was played'),
  rewatches: count,
  share: z.number().min(0).max(1).nullable().describe('plays divided by all plays'),
});

export const engagementRoute = route({
  method: 'get',
  path: '/v1/engagement',
  scope: 'query',
  summary: 'Which parts of a video were watched',
  query: z.strictObject({
    video: z.array(videoId).length(1, 'exactly one video').describe('Video id'),
    ranges: z.coerce.number<string>().int().min(1).max(RANGES_ASKED_MAX).optional().describe('Number of equal ranges'),
    resolutionMs: z.coerce
      .number<string>()
      .int()
      .min(1)
      .max(86_400_000)
      .optional()
      .describe('Length of a range, ms; default 1000, more for very long videos'),
    ...rangeParameters,
    ...filterParameters,
  }),
  answer: rangeAnswer(z.array(point), { video: z.string(), durationMs: milliseconds.nullable(), totals: z.object(figureShape) }),
  tabular: true,
  async handle({ caller, query, nowMs }, { answers }) {
    if (query.ranges !== undefined && query.resolutionMs !== undefined)
      throw wrong('/resolutionMs', 'give ranges or resolutionMs, not both');
    const question = questionOf(caller.site, query, nowMs);
    const video = query.video[0] as string;
    const freshness = await answers.freshness(question);
    const { points, durationMs, totals } = await answers.engagement(question, video, query);
    return {
      data: points,
      more: { video, durationMs, totals: figureBlock(totals) },
      range: echoOf(question),
      freshness,
      provisionalSessions: totals.provisional,
    };
  },
});
