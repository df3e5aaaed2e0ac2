// Figures by bucket and value from the rollups, with the provisional sessions added in the same statement (one snapshot: a
// session sealed between two statements would count twice or not at all). It also reports how many supplements the range
// holds: with any, the sums are not exact and the caller asks the rows instead.
import { STARTUP_CELLS } from '../../schemas/rollup.ts';
import { DAY_MS, isoDayOf, isoOf } from '../core/civil.ts';
import type { Filter } from '../core/filter.ts';
import type { FiguresPlan } from '../core/plan.ts';
import type { Question } from '../core/question.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';
import { bucketStarts, FIGURE_COLUMNS, FIGURE_ROWS_MAX, type FiguresRow, figuresRowsQuery } from './figures-from-rows.ts';

/** Every row carries `supplements`; a row whose `bucket` is null carries nothing else. */
export type RollupFiguresRow = { supplements: number } & (FiguresRow | { bucket: null });

/** Cell by cell: adding whole arrays up, or sending them all, costs ten times as much. Cells past an array's end are null. */
const STARTUP_SUMS = `ARRAY[${Array.from({ length: STARTUP_CELLS }, (_, cell) => `sum(startup_counts[${cell + 1}])`).join(', ')}]::float8[]`;

type RollupPlan = Extract<FiguresPlan, { path: 'rollup' }>;

export function figuresFromRollup(question: Question, plan: RollupPlan): Bound<RollupFiguresRow> {
  const params = paramList();
  const rolled = rolledQuery(question, plan, params);
  const provisional = question.state === 'all' ? ` UNION ALL (${figuresRowsQuery({ ...question, state: 'provisional' }, params)})` : '';
  const text = `WITH figures AS ((${rolled})${provisional})
SELECT supplements.n AS supplements, figures.*
FROM (SELECT ${supplementsQuery(question, plan, params)} AS n) supplements LEFT JOIN figures ON true LIMIT ${FIGURE_ROWS_MAX + 1}`;
  return bound('figures_from_rollup', text, params.values);
}

function rolledQuery(question: Question, plan: RollupPlan, params: ParamList): string {
  const daily = plan.table === 'rollup_daily';
  const starts = daily
    ? `${params.add(question.buckets.map((bucket) => isoDayOf(bucket.fromMs / DAY_MS)))}::date[]`
    : bucketStarts(question, params);
  const value = plan.groupByVideo ? 'video' : plan.groupByValue ? 'value' : "''::text";
  const conditions = [
    ...scopeConditions(question, plan, params),
    ...(daily ? [`dimension = ${params.add(plan.dimension)}::text`] : []),
    ...(plan.watchClass > 0 ? [`watch_class >= ${params.add(plan.watchClass)}::int2`] : []),
    ...plan.videoFilters.map((filter) => condition('video', filter, params)),
    ...plan.valueFilters.map((filter) => condition('value', filter, params)),
  ];
  const sums = FIGURE_COLUMNS.map((column) => (column === 'provisional' ? '0::int8 AS provisional' : `sum(${column})::int8 AS ${column}`));
  return `SELECT width_bucket(${daily ? 'day' : 'hour'}, ${starts}) AS bucket, ${value} AS value, ${sums.join(', ')},
  NULL::json AS startup_cells, ${STARTUP_SUMS} AS startup
FROM ${plan.table} WHERE ${conditions.join(' AND ')} GROUP BY 1, 2`;
}

const condition = (column: string, filter: Filter, params: ParamList): string =>
  `${column} ${filter.negated ? '<>' : '='} ${params.add(filter.value)}::text`;

function scopeConditions(question: Question, plan: RollupPlan, params: ParamList): string[] {
  const conditions = [`site = ${params.add(question.site)}::text`, `scope = '${plan.scope}'`];
  if (plan.scope === 'site') conditions.push("video = ''");
  else if (question.videos.length > 0) conditions.push(`video = ANY(${params.add(question.videos)}::text[])`);
  const { fromMs, toMs } = question.range;
  if (plan.table === 'rollup_daily') {
    conditions.push(`day >= ${params.add(isoDayOf(fromMs / DAY_MS))}::date`, `day < ${params.add(isoDayOf(toMs / DAY_MS))}::date`);
  } else {
    conditions.push(`hour >= ${params.add(isoOf(fromMs))}::timestamptz`, `hour < ${params.add(isoOf(toMs))}::timestamptz`);
  }
  return conditions;
}

/** Supplements in the range, sealed and open, whatever their context says: a filter could hide them. */
function supplementsQuery(question: Question, plan: RollupPlan, params: ParamList): string {
  const total = plan.table === 'rollup_daily' ? " AND dimension = ''" : '';
  const sealed = `(SELECT coalesce(sum(supplements), 0)::int8 FROM ${plan.table} WHERE ${scopeConditions(question, plan, params).join(' AND ')}${total})`;
  if (question.state === 'sealed') return sealed;
  return `${sealed} + (SELECT count(*) FROM open_sessions WHERE site = ${params.add(question.site)}::text AND part > 0
    AND started_at >= ${params.add(isoOf(question.range.fromMs))}::timestamptz AND started_at < ${params.add(isoOf(question.range.toMs))}::timestamptz)`;
}
