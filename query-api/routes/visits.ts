// GET /v1/visits: page visits that came through the doors of measurement protocols.
import { z } from 'zod';
import { isoOf } from '../core/civil.ts';
import { quotient, wholeQuotient } from '../core/figures.ts';
import { ProblemError } from '../problem.ts';
import { VISIT_ROWS_MAX, type VisitRow, visitFigures } from '../queries/visit-figures.ts';
import {
  echoOf,
  filterParameters,
  granularityParameter,
  groupByParameter,
  pageLimit,
  pageParameters,
  questionOf,
  rangeParameters,
} from './parameters.ts';
import { route } from './route.ts';
import { bucketShape, count, milliseconds, rangeAnswer } from './shapes.ts';

const visitShape = {
  visits: count,
  pageviews: count,
  events: count,
  averageDurationMs: milliseconds.nullable(),
  bounceRate: z.number().min(0).max(1).nullable(),
  visitors: count.optional().describe('Only where the site switched viewer keys on'),
};
const data = z.union([
  z.object(visitShape),
  z.array(z.object({ value: z.string(), ...visitShape })),
  z.array(z.object({ ...bucketShape, value: z.string().optional(), ...visitShape })),
]);

const NO_VISITS = { visits: 0, bounces: 0, duration_ms: 0, pageviews: 0, events: 0, visitors: 0 };

/** `visitors` is absent where no session had a viewer key: the site has them switched off. */
const block = (row: Omit<VisitRow, 'bucket' | 'value' | 'provisional'>) => ({
  visits: row.visits,
  pageviews: row.pageviews,
  events: row.events,
  averageDurationMs: wholeQuotient(row.duration_ms, row.visits),
  bounceRate: quotient(row.bounces, row.visits),
  ...(row.visitors === 0 ? {} : { visitors: row.visitors }),
});

export const visitsRoute = route({
  method: 'get',
  path: '/v1/visits',
  scope: 'query',
  summary: 'Page visits',
  query: z.strictObject({
    ...rangeParameters,
    ...granularityParameter,
    filter: filterParameters.filter,
    state: filterParameters.state,
    ...groupByParameter,
    limit: pageParameters.limit,
  }),
  answer: rangeAnswer(data, {}),
  tabular: true,
  async handle({ caller, query, nowMs }, { answers }) {
    const question = questionOf(caller.site, query, nowMs);
    const freshness = await answers.freshness(question);
    const rows = await answers.ask(visitFigures(question));
    if (rows.length > VISIT_ROWS_MAX)
      throw new ProblemError('too-many-rows', 'The breakdown has too many rows: narrow the range or filter', { limit: 'visit_rows' });
    return {
      data: layOut(rows, question, pageLimit(query.limit)),
      range: echoOf(question),
      freshness,
      provisionalSessions: rows.reduce((sum, row) => sum + row.provisional, 0),
    };
  },
});

function layOut(rows: readonly VisitRow[], question: ReturnType<typeof questionOf>, limit: number): unknown {
  const most = [...rows].sort((a, b) => b.visits - a.visits || (a.value < b.value ? -1 : 1));
  if (question.granularity === undefined) {
    if (question.groupBy === undefined) return block(rows[0] ?? NO_VISITS);
    return most.slice(0, limit).map((row) => ({ value: row.value, ...block(row) }));
  }
  const values = question.groupBy === undefined ? [''] : [...new Set(most.map((row) => row.value))].slice(0, limit);
  const byPlace = new Map(rows.map((row) => [`${row.bucket - 1}\u0000${row.value}`, row]));
  return question.buckets.flatMap((bucket, i) =>
    values.map((value) => ({
      from: isoOf(bucket.fromMs),
      to: isoOf(bucket.toMs),
      ...(question.groupBy === undefined ? {} : { value }),
      ...block(byPlace.get(`${i}\u0000${value}`) ?? NO_VISITS),
    })),
  );
}
