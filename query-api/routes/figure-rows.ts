// Figures as rows of an answer: one block, one per value, one per bucket (empty buckets included), or one per bucket and value.
import type { FigureAnswer, FigureGroup } from '../answers.ts';
import { isoOf } from '../core/civil.ts';
import { type CursorKey, decodeCursor, encodeCursor, pageAfter } from '../core/cursor.ts';
import { addFigures, compareGroups, type FigureSums, noFigures } from '../core/figures.ts';
import type { Question } from '../core/question.ts';
import { badCursor, pageLimit } from './parameters.ts';

/** Most series of an answer with both granularity and groupBy: the values with most plays. */
export const SERIES_MAX = 50;

type Make = (sums: FigureSums, group: { bucket: number; value: string }) => Record<string, unknown>;
export type FigureRows = { data: unknown; rows: Record<string, unknown>[]; next: string | undefined; provisionalSessions: number };

export type FigurePage = { limit: number | undefined; cursor: string | undefined; context: string };

/** Lays figures out as the question asks; `make` makes a block of sums. */
export function figureRows(answer: FigureAnswer, question: Question, page: FigurePage, make: Make): FigureRows {
  const provisionalSessions = answer.groups.reduce((sum, group) => sum + group.sums.provisional, 0);
  if (question.granularity !== undefined) {
    const rows = bucketRows(answer.groups, question, make);
    return { data: rows, rows, next: undefined, provisionalSessions };
  }
  if (question.groupBy === undefined) {
    const sums = answer.groups[0]?.sums ?? noFigures();
    const block = make(sums, { bucket: 0, value: '' });
    return { data: block, rows: [block], next: undefined, provisionalSessions };
  }
  const { groups, next } = groupPage(answer.groups, page);
  const rows = groups.map((group) => ({ value: group.value, ...make(group.sums, group) }));
  return { data: rows, rows, next, provisionalSessions };
}

/** One page of groups, most plays first. */
export function groupPage(all: readonly FigureGroup[], page: FigurePage): { groups: FigureGroup[]; next: string | undefined } {
  const limit = pageLimit(page.limit);
  const after = page.cursor === undefined ? undefined : decodeCursor(page.context, page.cursor, ['number', 'number', 'string']);
  if (page.cursor !== undefined && after === undefined) throw badCursor();
  const { page: groups, more } = pageAfter([...all].sort(compareGroups), { after, limit, compareToKey });
  const last = groups.at(-1);
  return {
    groups,
    next: more && last !== undefined ? encodeCursor(page.context, [last.sums.plays, last.sums.attempts, last.value]) : undefined,
  };
}

function compareToKey(group: FigureGroup, key: CursorKey): number {
  const sums = noFigures();
  sums.plays = key[0] as number;
  sums.attempts = key[1] as number;
  return compareGroups(group, { value: key[2] as string, sums });
}

function bucketRows(groups: readonly FigureGroup[], question: Question, make: Make): Record<string, unknown>[] {
  const values = question.groupBy === undefined ? [undefined] : topValues(groups);
  const byPlace = new Map(groups.map((group) => [`${group.bucket}\u0000${group.value}`, group]));
  return question.buckets.flatMap((bucket, i) =>
    values.map((value) => {
      const sums = byPlace.get(`${i}\u0000${value ?? ''}`)?.sums ?? noFigures();
      const place = { from: isoOf(bucket.fromMs), to: isoOf(bucket.toMs), ...(value === undefined ? {} : { value }) };
      return { ...place, ...make(sums, { bucket: i, value: value ?? '' }) };
    }),
  );
}

function topValues(groups: readonly FigureGroup[]): string[] {
  const totals = new Map<string, FigureSums>();
  for (const { value, sums } of groups) totals.set(value, addFigures(totals.get(value) ?? noFigures(), sums));
  return [...totals]
    .map(([value, sums]) => ({ value, sums }))
    .sort(compareGroups)
    .slice(0, SERIES_MAX)
    .map(({ value }) => value);
}
