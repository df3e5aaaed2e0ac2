// Outputs of one flush → what they add to the rollup rows, in key order, as schemas/rollup.ts defines them. Pure: the same
// outputs give the same additions in any cut, since every figure is a sum.
import { isStream } from '../schemas/door-sessions.ts';
import {
  ENGAGEMENT_RANGES,
  ROLLUP_DIMENSIONS,
  type RollupDimension,
  rangesOf,
  startupCellOf,
  TRAFFIC_SEPARATOR,
  watchClassOf,
} from '../schemas/rollup.ts';
import type { SessionContext, SessionPart, WatchSection } from '../schemas/session.ts';
import { VIEW_RULE_DEFAULT, type ViewRule, viewsOf } from '../schemas/views.ts';
import type { Output } from './core/outputs.ts';
import { type EventRollupRows, eventRollupRows, eventRollupStatements } from './event-rollups.ts';
import { text } from './rows.ts';
import { ROLLUP_COUNTS, type RollupCount } from './sql/rollup-counts.ts';
import { upsertRollupDaily } from './sql/upsert-rollup-daily.ts';
import { type UpsertEngagementParams, upsertRollupEngagement } from './sql/upsert-rollup-engagement.ts';
import { upsertRollupHourly } from './sql/upsert-rollup-hourly.ts';
import type { PreparedStatement } from './statements.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

type Counts = Record<RollupCount, number>;
export type DailyRow = {
  site: string;
  scope: 'site' | 'video';
  video: string;
  dimension: string /** Days since 1970-01-01. */;
  day: number;
  value: string;
  watchClass: number;
  counts: Counts;
  startup: number[];
};
export type HourlyRow = {
  site: string;
  scope: 'site' | 'video';
  video: string;
  hour: number;
  watchClass: number;
  counts: Counts;
  startup: number[];
};
/** durationMs 0 = sessions whose duration was not known: plays are counted, the arrays stay zero. */
export type EngagementRow = {
  site: string;
  video: string;
  day: number;
  durationMs: number;
  plays: number;
  playSteps: number[];
  watchSteps: number[];
  supplements: number;
};
export type RollupRows = { daily: DailyRow[]; hourly: HourlyRow[]; engagement: EngagementRow[] } & EventRollupRows;

/** The value that a session has in a dimension. `page` is host and path, `traffic` joins source, medium and campaign. */
export function dimensionValue(context: SessionContext, dimension: RollupDimension): string {
  switch (dimension) {
    case 'page':
      return text(context.pageHost + context.pagePath);
    case 'player':
      return text(context.playerName);
    case 'traffic':
      return text([context.source, context.medium, context.campaign].join(TRAFFIC_SEPARATOR));
    default:
      return text(context[dimension]);
  }
}

/**
 * Additions of the sealed sessions and custom events among these, each list sorted by its key. Streams are no sessions of viewers. `rule`:
 * what counts as a view.
 */
export function rollupRows(outputs: readonly Output[], rule: ViewRule = VIEW_RULE_DEFAULT): RollupRows {
  const daily = new Map<string, DailyRow>();
  const hourly = new Map<string, HourlyRow>();
  const engagement = new Map<string, EngagementRow>();
  for (const output of outputs) {
    if (output.kind !== 'sealed' || isStream(output.part.context.protocol)) continue;
    const { part } = output;
    const site = text(part.site);
    const watchClass = watchClassOf(part.totalWatchMs);
    const values = ROLLUP_DIMENSIONS.map((dimension) => dimensionValue(part.context, dimension));
    const views = part.video === '' ? 0 : viewsOf(part, rule);
    for (const scope of part.video === '' ? SITE_ONLY : BOTH_SCOPES) {
      const place: Place = { site, scope, video: scope === 'site' ? '' : text(part.video), watchClass, views };
      const prefix = `${site}\0${scope}\0${place.video}\0`;
      addHourly(hourly, prefix, place, part);
      addDaily(daily, prefix, place, part, '', '');
      for (let i = 0; i < ROLLUP_DIMENSIONS.length; i++)
        addDaily(daily, prefix, place, part, ROLLUP_DIMENSIONS[i] as string, values[i] as string);
    }
    if (part.video !== '') addEngagement(engagement, part);
  }
  return { daily: inKeyOrder(daily), hourly: inKeyOrder(hourly), engagement: inKeyOrder(engagement), ...eventRollupRows(outputs) };
}

/** Days since 1970-01-01, UTC. */
const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);

// Fields of a key are joined by a character that sorts below every other: the order of the keys is the order of their fields.

const SITE_ONLY = ['site'] as const;
const BOTH_SCOPES = ['site', 'video'] as const;

type Place = { site: string; scope: 'site' | 'video'; video: string; watchClass: number; views: number };

function inKeyOrder<T>(rows: Map<string, T>): T[] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

function addDaily(rows: Map<string, DailyRow>, prefix: string, place: Place, part: SessionPart, dimension: string, value: string): void {
  const day = dayOf(part.startedAt);
  const key = `${prefix}${dimension}\0${day}\0${value}\0${place.watchClass}`;
  let row = rows.get(key);
  if (row === undefined) {
    row = { ...keyOf(place), dimension, day, value, counts: noCounts(), startup: [] };
    rows.set(key, row);
  }
  addCounts(row, part, place.views);
}

function addHourly(rows: Map<string, HourlyRow>, prefix: string, place: Place, part: SessionPart): void {
  const hour = Math.floor(part.startedAt / HOUR_MS) * HOUR_MS;
  const key = `${prefix}${hour}\0${place.watchClass}`;
  let row = rows.get(key);
  if (row === undefined) {
    row = { ...keyOf(place), hour, counts: noCounts(), startup: [] };
    rows.set(key, row);
  }
  addCounts(row, part, place.views);
}

const keyOf = ({ site, scope, video, watchClass }: Place) => ({ site, scope, video, watchClass });

const NO_COUNTS = Object.freeze(Object.fromEntries(ROLLUP_COUNTS.map((count) => [count, 0])) as Counts);
const noCounts = (): Counts => ({ ...NO_COUNTS });

/** A supplement adds its figures; the session itself was counted with part 0. */
function addCounts(row: { counts: Counts; startup: number[] }, part: SessionPart, views: number): void {
  const { counts } = row;
  if (part.part === 0) counts.sessions += 1;
  else counts.supplements += 1;
  counts.views += views;
  counts.attempts += part.attempts;
  counts.plays += part.plays;
  counts.unique_watch_ms += part.uniqueWatchMs;
  counts.total_watch_ms += part.totalWatchMs;
  counts.completions += part.completions;
  counts.stalls += part.stalls;
  counts.stall_ms += part.stallMs;
  counts.start_failures += part.startFailures;
  counts.playback_failures += part.playbackFailures;
  counts.exits_before_start += part.exitsBeforeStart;
  counts.bitrate_kbps_ms += part.bitrateKbpsMs;
  counts.bitrate_known_ms += part.bitrateKnownMs;
  counts.switches_up += part.switchesUp;
  counts.switches_down += part.switchesDown;
  if (part.startupMs < 0) return;
  const cell = startupCellOf(part.startupMs);
  while (row.startup.length <= cell) row.startup.push(0);
  row.startup[cell] = (row.startup[cell] as number) + 1;
}

function addEngagement(rows: Map<string, EngagementRow>, part: SessionPart): void {
  const day = dayOf(part.startedAt);
  const durationMs = Math.max(0, part.context.durationMs);
  const key = `${part.site}\0${part.video}\0${day}\0${durationMs}`;
  let row = rows.get(key);
  if (row === undefined) {
    const cells = (): number[] => new Array<number>(ENGAGEMENT_RANGES + 1).fill(0);
    row = {
      site: text(part.site),
      video: text(part.video),
      day,
      durationMs,
      plays: 0,
      playSteps: cells(),
      watchSteps: cells(),
      supplements: 0,
    };
    rows.set(key, row);
  }
  row.plays += part.plays;
  if (part.part > 0) row.supplements += 1;
  if (durationMs === 0) return;
  const spans = runSpans(part.sections, durationMs);
  for (const span of spans) addStep(row.watchSteps, span);
  for (const span of mergedSpans(spans)) addStep(row.playSteps, span);
}

type Span = { first: number; last: number };

/** Ranges that each run covers. */
function runSpans(sections: readonly WatchSection[], durationMs: number): Span[] {
  const spans: Span[] = [];
  let run: number | undefined;
  for (const section of sections) {
    if (section.toMs <= section.fromMs) continue;
    const { first, last } = rangesOf(section.fromMs, section.toMs, durationMs, ENGAGEMENT_RANGES);
    const open = spans.at(-1);
    if (open !== undefined && section.run === run) {
      open.first = Math.min(open.first, first);
      open.last = Math.max(open.last, last);
    } else spans.push({ first, last });
    run = section.run;
  }
  return spans;
}

/** Maximal stretches of ranges covered by any span. */
function mergedSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.first - b.first)) {
    const open = merged.at(-1);
    if (open !== undefined && span.first <= open.last + 1) open.last = Math.max(open.last, span.last);
    else merged.push({ ...span });
  }
  return merged;
}

function addStep(steps: number[], span: Span): void {
  steps[span.first] = (steps[span.first] as number) + 1;
  steps[span.last + 1] = (steps[span.last + 1] as number) - 1;
}

const literal = (values: readonly number[]): string => `{${values.join(',')}}`;

/** The upserts that add these rows; none for an empty list. */
export function rollupStatements(rows: RollupRows, partition: number): PreparedStatement[] {
  const { daily, hourly, engagement } = rows;
  const statements: PreparedStatement[] = [];
  if (daily.length > 0) {
    const keys = (['site', 'scope', 'video', 'dimension', 'day', 'value', 'watchClass'] as const).map((name) =>
      daily.map((row) => row[name]),
    );
    statements.push({ statement: upsertRollupDaily, params: [partition, ...keys, ...countColumns(daily)] });
  }
  if (hourly.length > 0) {
    const keys = (['site', 'scope', 'video', 'hour', 'watchClass'] as const).map((name) => hourly.map((row) => row[name]));
    statements.push({ statement: upsertRollupHourly, params: [partition, ...keys, ...countColumns(hourly)] });
  }
  if (engagement.length > 0) {
    const params: UpsertEngagementParams = [
      partition,
      engagement.map((row) => row.site),
      engagement.map((row) => row.video),
      engagement.map((row) => row.day),
      engagement.map((row) => row.durationMs),
      engagement.map((row) => row.plays),
      engagement.map((row) => literal(row.playSteps)),
      engagement.map((row) => literal(row.watchSteps)),
      engagement.map((row) => row.supplements),
    ];
    statements.push({ statement: upsertRollupEngagement, params });
  }
  statements.push(...eventRollupStatements(rows, partition));
  return statements;
}

function countColumns(rows: readonly { counts: Counts; startup: number[] }[]): unknown[] {
  return [...ROLLUP_COUNTS.map((count) => rows.map((row) => row.counts[count])), rows.map((row) => literal(row.startup))];
}
