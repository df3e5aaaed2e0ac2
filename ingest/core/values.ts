// The units of other protocols turned into ours: seconds into positions, numbers that arrive as text, instants. What is unknown is -1,
// never 0 and never an error: the caller decides what may be missing. Source: protocols.md 0.3.
import { INSTANT_MAX, INT_MAX } from './limits.ts';

/** A client time further ahead of receipt than this is not believed. */
export const CLOCK_AHEAD_MAX_MS = 600_000;

const NUMERIC = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i;
const TEXT_LENGTH_MAX = 64;

/** A finite number, given as one or as decimal text; NaN for anything else. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return Number.isFinite(value) ? value : Number.NaN;
  if (typeof value !== 'string' || value.length > TEXT_LENGTH_MAX) return Number.NaN;
  const text = value.trim();
  if (!NUMERIC.test(text)) return Number.NaN;
  const number = Number(text);
  return Number.isFinite(number) ? number : Number.NaN;
}

/** A position in integer ms from one in seconds; -1 for null, NaN, negative and what is no number. */
export const positionOfSeconds = (value: unknown): number => positionOfMs(numberOf(value) * 1000);

/** A position in integer ms; -1 for null, NaN, negative and what is no number. */
export function positionOfMs(value: unknown): number {
  const ms = numberOf(value);
  return ms >= 0 ? Math.min(INT_MAX, Math.round(ms)) : -1;
}

/** A media duration in integer ms from one in seconds: 0 is unknown too. */
export const durationOfSeconds = (value: unknown): number => positiveOr(positionOfSeconds(value));

const positiveOr = (ms: number): number => (ms > 0 ? ms : -1);

/** A whole number from 0, clamped to 32 bits; -1 = none. */
export function countOf(value: unknown): number {
  const number = numberOf(value);
  return number >= 0 ? Math.min(INT_MAX, Math.round(number)) : -1;
}

/** An instant in epoch ms from a number or numeric text of epoch ms; -1 = none. */
export function instantOfMs(value: unknown): number {
  const ms = numberOf(value);
  return ms >= 0 && ms <= INSTANT_MAX ? Math.round(ms) : -1;
}

/** An instant in epoch ms from one in seconds; -1 = none. */
export const instantOfSeconds = (value: unknown): number => instantOfMs(numberOf(value) * 1000);

/** An instant in epoch ms from one in microseconds; -1 = none. */
export const instantOfMicros = (value: unknown): number => instantOfMs(numberOf(value) / 1000);

const ISO = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** An instant in epoch ms from ISO 8601 text (without a zone: UTC); -1 = none. */
export function instantOfIso(value: unknown): number {
  if (typeof value !== 'string') return -1;
  const text = value.trim();
  if (!ISO.test(text)) return -1;
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/.test(text.slice(10)) || text.length === 10 ? text : `${text}Z`;
  return instantOfMs(Date.parse(zoned.replace(' ', 'T')));
}

/**
 * Will the fold take receipt for this client time? It corrects a session's clock from its first event on, so times are handed on as they
 * came; the door only counts (`clock_clamped`). `backdateMaxMs`: what is set for its surface; `sentAt` -1 = the request names no send time.
 */
export function isClamped(
  at: number,
  receivedAt: number,
  { backdateMaxMs, sentAt = -1 }: { backdateMaxMs: number; sentAt?: number },
): boolean {
  const eventAt = sentAt >= 0 ? receivedAt - (sentAt - at) : at;
  return eventAt > receivedAt + CLOCK_AHEAD_MAX_MS || eventAt < receivedAt - backdateMaxMs;
}

/** Client times of a draft's events as the contract has them: the first one, and differences from it. -1 = no event has a time. */
export function deltasOf(instants: readonly number[]): { baseAt: number; deltas: number[] } {
  const baseAt = instants.find((at) => at >= 0) ?? -1;
  let delta = 0;
  const deltas = instants.map((at) => {
    // An event without a client time is taken to have happened with the one before it.
    if (at >= 0) delta = Math.max(-INT_MAX, Math.min(INT_MAX, at - baseAt));
    return delta;
  });
  return { baseAt, deltas };
}
