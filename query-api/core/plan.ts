// The planner: may a question be answered from rollups, and from which? Only where the answer is exact; else from rows.
// What it cannot see from the question (supplements in the range) the statement itself reports, and the caller falls back.
import { ROLLUP_DIMENSIONS, type RollupDimension, watchClassFor } from '../../schemas/rollup.ts';
import type { Dimension, Filter } from './filter.ts';
import { alignmentOfAll } from './interval.ts';
import type { Question } from './question.ts';

export type FiguresPlan =
  | { readonly path: 'rows'; readonly why: string }
  | {
      readonly path: 'rollup';
      readonly table: 'rollup_daily' | 'rollup_hourly';
      readonly scope: 'site' | 'video';
      /** '' = the total. */
      readonly dimension: '' | RollupDimension;
      readonly watchClass: number;
      readonly groupByVideo: boolean;
      readonly groupByValue: boolean;
      readonly valueFilters: readonly Filter[];
      readonly videoFilters: readonly Filter[];
    };

const rows = (why: string): FiguresPlan => ({ path: 'rows', why });

/** Plans the figures of a question. Pure: the same question, the same plan. */
export function planFigures(question: Question): FiguresPlan {
  const { filters, groupBy, videos } = question;
  if (question.state === 'provisional') return rows('provisional sessions are rows');
  const watchClass = watchClassFor(question.minWatchMs);
  if (watchClass === undefined) return rows('the threshold is none of the watch classes');
  const alignment = alignmentOfAll(question.buckets.flatMap((bucket) => [bucket.fromMs, bucket.toMs]));
  if (alignment === 'none') return rows('the range does not fall on whole UTC hours');
  const videoFilters = filters.filter((filter) => isVideo(filter.dimension));
  const valueFilters = filters.filter((filter) => !isVideo(filter.dimension));
  if (videoFilters.some((filter) => filter.value === '')) return rows('sessions without a video have no rollup of their own');
  const asked = valueFilters.map((filter) => filter.dimension);
  const groupByVideo = groupBy !== undefined && isVideo(groupBy);
  if (groupBy !== undefined && !groupByVideo) asked.push(groupBy);
  const names = new Set(asked.map(rollupName));
  if (names.has(undefined)) return rows('a metadata filter or breakdown');
  if (names.size > 1) return rows('more than one dimension');
  const dimension = ([...names][0] ?? '') as '' | RollupDimension;
  if (dimension !== '' && alignment !== 'day') return rows('dimensions are rolled up by UTC day');
  return {
    path: 'rollup',
    table: alignment === 'day' ? 'rollup_daily' : 'rollup_hourly',
    scope: videos.length > 0 || videoFilters.length > 0 || groupByVideo ? 'video' : 'site',
    dimension,
    watchClass,
    groupByVideo,
    groupByValue: groupBy !== undefined && !groupByVideo,
    valueFilters,
    videoFilters,
  };
}

/** Whether engagement of a video can come from the difference arrays: whole UTC days, 100 ranges, nothing narrowed. */
export function planEngagement(question: Question, ranges: number, rollupRanges: number): 'rollup' | 'rows' {
  const { range, filters, minWatchMs, state } = question;
  const exact = ranges === rollupRanges && filters.length === 0 && minWatchMs <= 0 && state !== 'provisional';
  return exact && alignmentOfAll([range.fromMs, range.toMs]) === 'day' ? 'rollup' : 'rows';
}

const isVideo = (dimension: Dimension): boolean => dimension.kind === 'plain' && dimension.name === 'video';

function rollupName(dimension: Dimension): RollupDimension | undefined {
  if (dimension.kind === 'traffic') return 'traffic';
  if (dimension.kind === 'meta') return undefined;
  return (ROLLUP_DIMENSIONS as readonly string[]).includes(dimension.name) ? (dimension.name as RollupDimension) : undefined;
}
