// GET /v1/quality: what playback was like, with errors and what players reported of themselves.
import { z } from 'zod';
import { qualityBlock } from '../core/figures.ts';
import { ProblemError } from '../problem.ts';
import { ERROR_ROWS_MAX, type ErrorCountRow, errorCounts } from '../queries/error-counts.ts';
import { reportedCounters } from '../queries/reported-counters.ts';
import { figureRows } from './figure-rows.ts';
import { cursorContext, echoOf, figureParameters, questionOf } from './parameters.ts';
import { route } from './route.ts';
import { bucketShape, count, figureShape, nextShape, rangeAnswer } from './shapes.ts';

/** Most error codes in one block; the rest is added up as `other`. */
const ERROR_CODES_MAX = 50;

const error = z.object({ code: z.string(), fatal: z.boolean(), count });
const qualityShape = { ...figureShape, bitrateBps: count.nullable(), switchesUp: count, switchesDown: count, errors: z.array(error) };
const data = z.union([
  z.object(qualityShape),
  z.array(z.object({ value: z.string(), ...qualityShape })),
  z.array(z.object({ ...bucketShape, value: z.string().optional(), ...qualityShape })),
]);
const reported = z.record(z.string(), z.number()).describe('Counters that players summed up themselves: never mixed with ours');

type ErrorCount = z.output<typeof error>;

function errorsByPlace(rows: readonly ErrorCountRow[]): (place: { bucket: number; value: string }) => ErrorCount[] {
  const places = new Map<string, ErrorCount[]>();
  for (const { bucket, value, ...each } of rows) {
    const id = `${bucket - 1}\u0000${value}`;
    const list = places.get(id) ?? [];
    if (list.length < ERROR_CODES_MAX) list.push({ code: each.code, fatal: each.fatal, count: each.count });
    else addOther(list, each);
    places.set(id, list);
  }
  return ({ bucket, value }) => places.get(`${bucket}\u0000${value}`) ?? [];
}

function addOther(list: ErrorCount[], { fatal, count: more }: ErrorCount): void {
  const other = list.find((each) => each.code === 'other' && each.fatal === fatal);
  if (other === undefined) list.push({ code: 'other', fatal, count: more });
  else other.count += more;
}

export const qualityRoute = route({
  method: 'get',
  path: '/v1/quality',
  scope: 'query',
  summary: 'What playback was like',
  query: z.strictObject(figureParameters),
  answer: rangeAnswer(data, { reported, ...nextShape }),
  tabular: true,
  async handle({ caller, query, nowMs }, { answers }) {
    const question = questionOf(caller.site, query, nowMs);
    const freshness = await answers.freshness(question);
    const [figures, errors, counters] = await Promise.all([
      answers.figures(question),
      answers.ask(errorCounts(question)),
      answers.ask(reportedCounters(question)),
    ]);
    if (errors.length > ERROR_ROWS_MAX)
      throw new ProblemError('too-many-rows', 'There are too many different errors: narrow the range or filter', { limit: 'error_rows' });
    const errorsOf = errorsByPlace(errors);
    const page = { limit: query.limit, cursor: query.cursor, context: cursorContext('quality', caller.site, query) };
    const rows = figureRows(figures, question, page, (sums, place) => ({ ...qualityBlock(sums), errors: errorsOf(place) }));
    return {
      ...rows,
      more: { reported: Object.fromEntries(counters.map(({ counter, total }) => [counter, total])) },
      range: echoOf(question),
      freshness,
    };
  },
});
