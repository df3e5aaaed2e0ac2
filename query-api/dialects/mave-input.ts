// What mave's questions say, checked: a JSON body or query parameters, worded in either of the peer's years.
import type { TimeRange } from '../core/interval.ts';
import { INSTANT_MS_MAX } from '../core/interval.ts';
import { type Interval, instantBefore, isWidth, parseInterval } from '../core/mave-intervals.ts';
import { ProblemError } from '../problem.ts';
import type { DialectAsked } from './dialect.ts';

export type Shape = '2023' | '2024';
export type MaveQuery = {
  /** JSON object that a video's metadata must contain. */
  videoMeta: Record<string, unknown> | undefined;
  sessionMeta: Record<string, unknown> | undefined;
  key: string | undefined;
  identifier: string | undefined;
};
export type MaveInput = MaveQuery & {
  interval: Interval;
  range: TimeRange;
  minWatchMs: number;
  ranges: number;
  shape: Shape;
};

const RANGES_DEFAULT = 10;
const RANGES_MAX = 1_000;
const TEXT_CHARACTERS_MAX = 2_048;
const NO_QUERY = 'Requires a valid JSON query struct.';

const refused = (detail: string): ProblemError => new ProblemError('wrong-parameters', detail);
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Members of the body, and of the query string where the body lacks them. */
function membersOf({ body, query }: Pick<DialectAsked, 'body' | 'query'>): Record<string, unknown> {
  if (body !== undefined && !isObject(body)) throw refused(NO_QUERY);
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(query)) given[name] = name === 'query' || name === 'timeframe' ? jsonOr(value) : value;
  return { ...given, ...body };
}

/** Parameters of a URL are text: those that may be JSON are read as such, if they are. */
function jsonOr(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** The whole question. `shape` is that of the path where neither the caller nor a parameter of one year decides. @throws ProblemError. */
export function readInput(asked: Pick<DialectAsked, 'body' | 'query' | 'nowMs'>, pathShape: Shape): MaveInput {
  const members = membersOf(asked);
  return {
    ...readQuery(members),
    interval: intervalOf(members['interval']),
    range: timeframeOf(members['timeframe'], asked.nowMs),
    minWatchMs: Math.round(numberOf(members, 'minimum_watch_seconds', 1, 0, 1e9) * 1_000),
    ranges: rangesOf(members),
    shape: shapeOf(members, pathShape),
  };
}

function readQuery(members: Readonly<Record<string, unknown>>): MaveQuery {
  const { query, identifier } = members;
  if (query === undefined && identifier === undefined) throw refused(NO_QUERY);
  if (query !== undefined && !isObject(query)) throw refused(NO_QUERY);
  for (const name of Object.keys(query ?? {}))
    if (!['video', 'session', 'key'].includes(name)) throw refused(`query.${name} is not known: use video, session or key`);
  return {
    videoMeta: containedOf(query, 'video'),
    sessionMeta: containedOf(query, 'session'),
    key: textOf(query?.['key'], 'query.key'),
    identifier: textOf(identifier, 'identifier'),
  };
}

function containedOf(query: Readonly<Record<string, unknown>> | undefined, name: 'video' | 'session'): Record<string, unknown> | undefined {
  const value = query?.[name];
  if (value === undefined) return undefined;
  if (!isObject(value)) throw refused(`query.${name} must be a JSON object`);
  if (JSON.stringify(value).includes('\\u0000')) throw refused(`query.${name} must not hold NUL characters`);
  return value;
}

function textOf(value: unknown, name: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '' || value.length > TEXT_CHARACTERS_MAX || value.includes('\0'))
    throw refused(`${name} must be a string of 1 to ${TEXT_CHARACTERS_MAX} characters`);
  return value;
}

function intervalOf(value: unknown): Interval {
  const interval = typeof value === 'string' ? parseInterval(value) : value === undefined ? { months: 12, ms: 0 } : undefined;
  if (interval === undefined || !isWidth(interval))
    throw refused(
      'interval must be a number and a unit from second to year, as in "1 day"; months and years do not mix with smaller units',
    );
  return interval;
}

/** Both ends of the peer's time frames belong to them; ours are half-open. */
function timeframeOf(value: unknown, nowMs: number): TimeRange {
  const toMs = INSTANT_MS_MAX;
  if (value === undefined) return { fromMs: instantBefore(nowMs, { months: 0, ms: 7 * 86_400_000 }), toMs };
  if (typeof value === 'number') return { fromMs: Math.ceil(secondsOf(value, 'timeframe')), toMs };
  if (isObject(value)) {
    const [fromMs, last] = [secondsOf(value['from'], 'timeframe.from'), secondsOf(value['to'], 'timeframe.to')];
    return { fromMs: Math.ceil(fromMs), toMs: Math.max(Math.ceil(fromMs), Math.floor(last) + 1) };
  }
  const before = typeof value === 'string' ? parseInterval(value) : undefined;
  if (before === undefined) throw refused('timeframe must be an interval such as "7 days", Unix seconds, or {"from":seconds,"to":seconds}');
  return { fromMs: Math.max(0, instantBefore(nowMs, before)), toMs };
}

function secondsOf(value: unknown, name: string): number {
  if (typeof value !== 'number' || !(value >= 0 && value * 1_000 < INSTANT_MS_MAX)) throw refused(`${name} must be Unix seconds`);
  return value * 1_000;
}

function numberOf(members: Readonly<Record<string, unknown>>, name: string, byDefault: number, min: number, max: number): number {
  const value = members[name];
  if (value === undefined) return byDefault;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !(number >= min && number <= max)) throw refused(`${name} must be a number from ${min} to ${max}`);
  return number;
}

function rangesOf(members: Readonly<Record<string, unknown>>): number {
  const ranges = numberOf(members, 'ranges', RANGES_DEFAULT, 1, RANGES_MAX);
  if (!Number.isInteger(ranges)) throw refused(`ranges must be a whole number from 1 to ${RANGES_MAX}`);
  return ranges;
}

function shapeOf(members: Readonly<Record<string, unknown>>, pathShape: Shape): Shape {
  const { shape } = members;
  if (shape === undefined) return members['ranges'] !== undefined || members['identifier'] !== undefined ? '2023' : pathShape;
  const text = String(shape);
  if (text !== '2023' && text !== '2024') throw refused('shape must be 2023 or 2024');
  return text;
}
