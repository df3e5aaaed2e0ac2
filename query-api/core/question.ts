// What can be asked of the sessions, as plain data. Routes (and the dialects) build a question, the planner chooses how it
// is answered, the queries answer it.
import type { Dimension, Filter } from './filter.ts';
import type { Granularity, TimeRange } from './interval.ts';

export const STATES = ['all', 'sealed', 'provisional'] as const;
export type SessionState = (typeof STATES)[number];

export type Question = {
  /** From the key, never from the request (Q2). */
  readonly site: string;
  readonly range: TimeRange;
  readonly timezone: string;
  readonly granularity: Granularity | undefined;
  /** The buckets of `range`; one bucket = the whole range where no granularity is asked for. */
  readonly buckets: readonly TimeRange[];
  /** Empty = all videos. */
  readonly videos: readonly string[];
  readonly filters: readonly Filter[];
  readonly groupBy: Dimension | undefined;
  readonly minWatchMs: number;
  readonly state: SessionState;
};

const isVideo = (dimension: Dimension): boolean => dimension.kind === 'plain' && dimension.name === 'video';

/** Breaking down by video, or leaving one out, is a question about sessions that have a video: page visits are not among them. */
export function needsVideo(question: Pick<Question, 'groupBy' | 'filters'>): boolean {
  return (question.groupBy !== undefined && isVideo(question.groupBy)) || question.filters.some((f) => f.negated && isVideo(f.dimension));
}
