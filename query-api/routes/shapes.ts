// Schemas of answers that several resources share.
import { z } from 'zod';
import type { FigureBlock } from '../core/figures.ts';

export const instant = z.string().describe('ISO 8601, UTC');
export const count = z.number().int();
export const milliseconds = z.number().int();

export const figureShape = {
  attempts: count,
  plays: count,
  uniqueWatchMs: milliseconds,
  totalWatchMs: milliseconds,
  averageWatchMs: milliseconds.nullable(),
  completions: count,
  startupMs: z.object({ median: milliseconds.nullable(), p95: milliseconds.nullable() }),
  stalls: count,
  stallMs: milliseconds,
  rebufferRatio: z.number().min(0).max(1).nullable(),
  startFailures: count,
  playbackFailures: count,
  exitsBeforeStart: count,
} satisfies Record<keyof FigureBlock, z.ZodType>;

export const rangeShape = z.object({ from: instant, to: instant, timezone: z.string(), granularity: z.string().nullable() });

export const gapShape = z.object({
  partition: count,
  fromOffset: count,
  toOffset: count,
  from: instant.nullable(),
  to: instant.nullable(),
  reason: z.string(),
});

const freshnessShape = {
  dataThrough: instant
    .nullable()
    .describe('Everything appended to the log before this instant is in the figures; null until every partition was read'),
  gaps: z.array(gapShape).optional().describe('Stretches of the log lost with an operator’s consent'),
};

export const nextShape = { next: z.string().optional().describe('Token of the next page') };

/** Envelope of answers about a range of time. */
export const rangeAnswer = <S extends Record<string, z.ZodType>>(data: z.ZodType, more: S) =>
  z.object({ range: rangeShape, data, ...more, ...freshnessShape, provisionalSessions: count });

/** Envelope of answers that have freshness and no range. */
export const freshAnswer = (data: z.ZodType) => z.object({ data, ...freshnessShape });

/** Envelope of plain lists and things. */
export const plainAnswer = (data: z.ZodType) => z.object({ data, ...nextShape });

export const bucketShape = { from: instant, to: instant };
