// The query layer: questions in, figures out. It plans, asks the database and puts sums together; it knows nothing of HTTP,
// and every route and dialect asks through it.

import { codeOf } from '../infra/runtime/errors.ts';
import type { ReadPool } from '../infra/runtime/postgres.ts';
import { ENGAGEMENT_RANGES } from '../schemas/rollup.ts';
import { type CurvePoint, curveOf, defaultResolutionMs, equalRanges, RANGES_MAX, type Ranges, rangesBySize } from './core/curve.ts';
import { addCounts, addFigures, type FigureSums, noFigures } from './core/figures.ts';
import { planEngagement, planFigures } from './core/plan.ts';
import type { Question } from './core/question.ts';
import type { QueryMetrics } from './metrics.ts';
import { ProblemError } from './problem.ts';
import type { Bound } from './queries/bound.ts';
import { engagementFromRollup } from './queries/engagement-from-rollup.ts';
import { type EngagementStep, engagementFromRows } from './queries/engagement-from-rows.ts';
import { figuresFromRollup } from './queries/figures-from-rollup.ts';
import { FIGURE_ROWS_MAX, type FiguresRow, figuresFromRows } from './queries/figures-from-rows.ts';
import { type FreshnessRow, freshness } from './queries/freshness.ts';
import { type GapRow, gaps } from './queries/gaps.ts';
import { videoExtent } from './queries/video-extent.ts';

/** Figures of one bucket and one value of the breakdown ('' where there is none). `bucket` counts from 0. */
export type FigureGroup = { bucket: number; value: string; sums: FigureSums };
export type FigureAnswer = { groups: FigureGroup[]; path: AnswerPath };
export type AnswerPath = 'rollup' | 'rows' | 'rows_after_rollup';
export type EngagementAnswer = { durationMs: number | null; points: CurvePoint[]; totals: FigureSums; path: AnswerPath };
/** `throughMs` null = not every partition has been folded up to a known instant yet. */
export type Freshness = { throughMs: number | null; gaps: GapRow[] };
/** `rows` makes the query layer ignore the rollups: for tests and for the audit that compares both. */
export type PathChoice = 'best' | 'rows';

export type Answers = ReturnType<typeof createAnswers>;

export type AnswersDeps = {
  pool: Pick<ReadPool, 'query'>;
  monotonicMs: () => number;
  metrics: QueryMetrics;
  partitions: number;
};

export function createAnswers(deps: AnswersDeps) {
  const ask = createAsk(deps);
  return {
    ask,
    figures: (question: Question, choice: PathChoice = 'best') => figuresOf(deps, ask, question, choice),
    engagement: (question: Question, video: string, detail: EngagementDetail, choice: PathChoice = 'best') =>
      engagementOf(deps, ask, { question: { ...question, videos: [video] }, video, detail, choice }),
    async freshness(question: Pick<Question, 'range'>): Promise<Freshness> {
      const [rows, lost] = await Promise.all([ask(freshness()), ask(gaps(question.range))]);
      const { through, partitions } = rows[0] as FreshnessRow;
      return { throughMs: partitions >= deps.partitions ? through : null, gaps: lost };
    },
  };
}

export type Ask = <R>(bound: Bound<R>) => Promise<R[]>;

/** Sends a statement, measures it, and turns what a caller can do something about into problems. */
function createAsk(deps: AnswersDeps): Ask {
  return async (bound) => {
    const startedMs = deps.monotonicMs();
    try {
      return await deps.pool.query(bound.statement, bound.params);
    } catch (thrown) {
      throw problemOf(thrown);
    } finally {
      deps.metrics.statementSeconds.observe({ statement: bound.statement.name }, (deps.monotonicMs() - startedMs) / 1_000);
    }
  };
}

/** SQLSTATE classes of a server that is starting, stopping or unreachable. Source: PostgreSQL documentation, appendix A. */
const UNAVAILABLE = /^(08|53|57P|ECONN|EPIPE|ENOTFOUND|EHOSTUNREACH|ETIMEDOUT)/;

function problemOf(thrown: unknown): unknown {
  const code = codeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : '';
  if (code === '57014' || message.includes('Query read timeout'))
    return new ProblemError('too-slow', 'Ask for a shorter range, one video, or fewer dimensions', {
      cause: thrown,
      retryAfterS: 5,
      limit: 'statement_timeout',
    });
  if (UNAVAILABLE.test(code) || /Connection terminated|timeout exceeded when trying to connect/.test(message))
    return new ProblemError('unavailable', 'Try again in a few seconds', { cause: thrown, retryAfterS: 5 });
  return thrown;
}

async function figuresOf(deps: AnswersDeps, ask: Ask, question: Question, choice: PathChoice): Promise<FigureAnswer> {
  const plan = planFigures(question);
  let path: AnswerPath = 'rows';
  let rows: FiguresRow[] | undefined;
  if (plan.path === 'rollup' && choice === 'best') {
    const rolled = await ask(figuresFromRollup(question, plan));
    const exact = (rolled[0]?.supplements ?? 0) === 0;
    path = exact ? 'rollup' : 'rows_after_rollup';
    if (exact) rows = rolled.filter((row): row is FiguresRow & { supplements: number } => row.bucket !== null);
  }
  rows ??= await ask(figuresFromRows(question));
  deps.metrics.plans.inc({ figures: 'sessions', path });
  return { groups: groupsOf(rows), path };
}

function groupsOf(rows: readonly FiguresRow[]): FigureGroup[] {
  if (rows.length > FIGURE_ROWS_MAX)
    throw new ProblemError('too-many-rows', `The breakdown has more than ${FIGURE_ROWS_MAX} rows: narrow the range or filter`, {
      limit: 'figure_rows',
    });
  const groups = new Map<string, FigureGroup>();
  for (const row of rows) {
    const id = `${row.bucket}\u0000${row.value}`;
    let group = groups.get(id);
    if (group === undefined) {
      group = { bucket: row.bucket - 1, value: row.value, sums: noFigures() };
      groups.set(id, group);
    }
    addRow(group.sums, row);
  }
  return [...groups.values()];
}

function addRow(sums: FigureSums, row: FiguresRow): void {
  addFigures(sums, {
    sessions: row.sessions,
    provisional: row.provisional,
    attempts: row.attempts,
    plays: row.plays,
    uniqueWatchMs: row.unique_watch_ms,
    totalWatchMs: row.total_watch_ms,
    completions: row.completions,
    stalls: row.stalls,
    stallMs: row.stall_ms,
    startFailures: row.start_failures,
    playbackFailures: row.playback_failures,
    exitsBeforeStart: row.exits_before_start,
    bitrateKbpsMs: row.bitrate_kbps_ms,
    bitrateKnownMs: row.bitrate_known_ms,
    switchesUp: row.switches_up,
    switchesDown: row.switches_down,
  });
  addCounts(
    sums.startupCounts,
    (row.startup ?? []).map((count) => count ?? 0),
  );
  for (const [cell, count] of row.startup_cells ?? []) sums.startupCounts[cell] = (sums.startupCounts[cell] ?? 0) + count;
}

/** How fine a curve: N equal ranges, or ranges of a size; neither = the default resolution. */
export type EngagementDetail = { ranges?: number | undefined; resolutionMs?: number | undefined };

type EngagementAsk = { question: Question; video: string; detail: EngagementDetail; choice: PathChoice };

async function engagementOf(deps: AnswersDeps, ask: Ask, { question, video, detail, choice }: EngagementAsk): Promise<EngagementAnswer> {
  const whole: Question = { ...question, granularity: undefined, groupBy: undefined, buckets: [question.range] };
  const [extent, totals] = await Promise.all([ask(videoExtent(whole, video)), figuresOf(deps, ask, whole, choice)]);
  const sums = noFigures();
  for (const group of totals.groups) addFigures(sums, group.sums);
  const knownMs = extent[0]?.known_ms ?? null;
  const lengthMs = knownMs ?? extent[0]?.extent_ms ?? null;
  if (lengthMs === null || lengthMs <= 0 || sums.sessions === 0) return { durationMs: knownMs, points: [], totals: sums, path: 'rows' };
  const ranges = rangesFor(lengthMs, detail);
  const { steps, path } = await stepsOf(ask, { question: whole, ranges, knownMs, choice });
  deps.metrics.plans.inc({ figures: 'engagement', path });
  const count = ranges.boundaries.length;
  const plays = new Array<number>(count).fill(0);
  const watches = new Array<number>(count).fill(0);
  for (const step of steps) {
    plays[step.cell] = (plays[step.cell] ?? 0) + step.plays;
    watches[step.cell] = (watches[step.cell] ?? 0) + step.watches;
  }
  return { durationMs: knownMs, points: curveOf(ranges, plays, watches, sums.plays), totals: sums, path };
}

async function stepsOf(
  ask: Ask,
  options: { question: Question; ranges: Ranges; knownMs: number | null; choice: PathChoice },
): Promise<{ steps: EngagementStep[]; path: AnswerPath }> {
  const { question, ranges, knownMs } = options;
  const starts = ranges.boundaries.slice(0, -1);
  const equal = knownMs !== null && sameBoundaries(ranges, equalRanges(knownMs, ENGAGEMENT_RANGES));
  let path: AnswerPath = 'rows';
  if (equal && options.choice === 'best' && planEngagement(question, starts.length, ENGAGEMENT_RANGES) === 'rollup') {
    const rolled = await ask(engagementFromRollup(question, starts, knownMs));
    if ((rolled[0]?.inexact ?? 0) === 0)
      return { steps: rolled.filter((row): row is EngagementStep & { inexact: number } => row.cell !== null), path: 'rollup' };
    path = 'rows_after_rollup';
  }
  return { steps: await ask(engagementFromRows(question, starts)), path };
}

const sameBoundaries = (a: Ranges, b: Ranges): boolean =>
  a.boundaries.length === b.boundaries.length && a.boundaries.every((boundary, i) => boundary === b.boundaries[i]);

function rangesFor(lengthMs: number, detail: EngagementDetail): Ranges {
  if (detail.ranges !== undefined) return equalRanges(lengthMs, detail.ranges);
  const resolutionMs = detail.resolutionMs ?? defaultResolutionMs(lengthMs);
  if (lengthMs / resolutionMs > RANGES_MAX)
    throw new ProblemError('too-many-rows', `resolutionMs gives more than ${RANGES_MAX} ranges: ask for a coarser one, or for ranges=N`, {
      limit: 'ranges',
      errors: [{ pointer: '/resolutionMs', detail: `at least ${Math.ceil(lengthMs / RANGES_MAX)} for this video` }],
    });
  return rangesBySize(lengthMs, resolutionMs);
}
