// Custom events counted by stretch of time: from the rollups, or from the events one by one. Both give the same numbers; what a set's
// flush left behind counts in neither.
import { COUNTED_PROTOCOL, COUNTED_SESSION_PREFIX } from '../../schemas/door-sessions.ts';
import { DAY_MS, isoDayOf, isoOf } from '../core/civil.ts';
import { planEventCounts } from '../core/event-plan.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';

export type EventCountQuestion = {
  readonly site: string;
  /** Ascending, two or more: stretch i is [boundaries[i], boundaries[i + 1]). */
  readonly boundaries: readonly number[];
  readonly by: { readonly kind: 'nothing' } | { readonly kind: 'name' } | { readonly kind: 'data'; readonly key: string };
  /** Only this name. */
  readonly name?: string | undefined;
  /** Only these videos; empty = all events. */
  readonly videos?: readonly string[];
  /** Only the events of a counting door and of one type ('' = those without), less what was flushed. */
  readonly set?: { readonly type: string; readonly uniqueId: string | undefined } | undefined;
};

/** `bucket` counts the stretches from 1. */
export type EventCountRow = { bucket: number; value: string; count: number };

/** Chooses the cheapest exact way; 'rows' asks the events themselves: for tests and comparisons. At most `rowsMax` + 1 rows. */
export function eventCounts(question: EventCountQuestion, rowsMax: number, choice: 'best' | 'rows' = 'best'): Bound<EventCountRow> {
  const plan = planEventCounts(question.boundaries);
  const rolledUp = choice === 'best' && plan.path === 'rollup' && question.by.kind !== 'data' && question.set?.uniqueId === undefined;
  return rolledUp ? fromRollup(question, plan, rowsMax) : fromRows(question, rowsMax);
}

/** The set of an event, as eventSetOf (schemas/door-sessions.ts) says it; literal, so that partial indexes are found. */
const IS_COUNTED = (e: string): string => `starts_with(${e}.session, '${COUNTED_SESSION_PREFIX}')`;
export const TYPE_OF = (e: string): string =>
  `CASE WHEN jsonb_typeof(${e}.data -> 'type') = 'string' THEN ${e}.data ->> 'type' ELSE '' END`;

/** `(SELECT …)`: when a set was last flushed; without a set, never. */
function flushedAt({ site, set }: EventCountQuestion, params: ParamList): string {
  if (set === undefined) return "'-infinity'::timestamptz";
  return `coalesce((SELECT flushed_at FROM event_flushes WHERE site = ${params.add(site)}::text AND protocol = '${COUNTED_PROTOCOL}'
    AND type = ${params.add(set.type)}::text), '-infinity')`;
}

/** Conditions on a row `e` of custom_events, but for its time. */
function rowConditions({ site, name, videos = [], set }: EventCountQuestion, params: ParamList): string[] {
  const conditions = [`e.site = ${params.add(site)}::text`];
  if (name !== undefined) conditions.push(`e.name = ${params.add(name)}::text`);
  if (videos.length > 0) conditions.push(`e.video = ANY(${params.add(videos)}::text[])`);
  if (set === undefined) return conditions;
  conditions.push(IS_COUNTED('e'), `${TYPE_OF('e')} = ${params.add(set.type)}::text`);
  if (set.uniqueId !== undefined) conditions.push(`e.data ->> 'uniqueId' = ${params.add(set.uniqueId)}::text`);
  return conditions;
}

function timesOf({ boundaries }: EventCountQuestion, params: ParamList): { starts: string; first: string; end: string } {
  return {
    starts: `${params.add(boundaries.slice(0, -1).map(isoOf))}::timestamptz[]`,
    first: `${params.add(isoOf(boundaries[0] as number))}::timestamptz`,
    end: `${params.add(isoOf(boundaries.at(-1) as number))}::timestamptz`,
  };
}

function fromRows(question: EventCountQuestion, rowsMax: number): Bound<EventCountRow> {
  const params = paramList();
  const { starts, first, end } = timesOf(question, params);
  const { by } = question;
  const value = by.kind === 'nothing' ? "''::text" : by.kind === 'name' ? 'e.name' : `coalesce(e.data ->> ${params.add(by.key)}::text, '')`;
  const text = `WITH flushed AS MATERIALIZED (SELECT ${flushedAt(question, params)} AS at)
SELECT width_bucket(e.at, ${starts}) AS bucket, ${value} AS value, count(*) AS count
FROM custom_events e CROSS JOIN flushed f
WHERE ${rowConditions(question, params).join(' AND ')} AND e.at >= ${first} AND e.at < ${end} AND e.append_at > f.at
GROUP BY 1, 2 LIMIT ${rowsMax + 1}`;
  return bound('event_counts_from_rows', text, params.values);
}

/** Conditions on a row `r` of the rollups, but for its time. */
function rollupConditions({ site, name, videos = [], set }: EventCountQuestion, params: ParamList): string[] {
  const conditions = [`r.site = ${params.add(site)}::text`];
  if (videos.length > 0) conditions.push("r.scope = 'video'", `r.video = ANY(${params.add(videos)}::text[])`);
  else conditions.push("r.scope = 'site'", "r.video = ''");
  if (name !== undefined) conditions.push(`r.name = ${params.add(name)}::text`);
  if (set !== undefined) conditions.push(`r.door = '${COUNTED_PROTOCOL}'`, `r.type = ${params.add(set.type)}::text`);
  return conditions;
}

type RollupPlan = Extract<ReturnType<typeof planEventCounts>, { path: 'rollup' }>;

/**
 * A row of the rollups counts whole if all it counts was appended after the flush, and not at all if nothing was; a row that holds
 * both (written while the flush was) is looked up one level down, as where a boundary cuts. Names of a cut hour come from its rollup, so
 * that the index of events by name finds them; OFFSET 0 keeps the planner from turning the look-up of a few hours into a join with all.
 */
function fromRollup(question: EventCountQuestion, plan: RollupPlan, rowsMax: number): Bound<EventCountRow> {
  const params = paramList();
  const { starts, first, end } = timesOf(question, params);
  const { boundaries, by } = question;
  const day = (at: number): string => `${params.add(isoDayOf(Math.floor(at / DAY_MS)))}::date`;
  const rolled = rollupConditions(question, params).join(' AND ');
  const text = `WITH flushed AS MATERIALIZED (SELECT ${flushedAt(question, params)} AS at),
days AS MATERIALIZED (
  SELECT r.name, r.day, r.events, r.first_append_at <= f.at AS mixed FROM rollup_events_daily r CROSS JOIN flushed f
  WHERE ${rolled} AND r.day >= ${day(boundaries[0] as number)} AND r.day <= ${day((boundaries.at(-1) as number) - 1)} AND r.last_append_at > f.at
),
cut_days AS MATERIALIZED (
  SELECT unnest(${params.add(plan.cutDaysMs.map((at) => isoDayOf(at / DAY_MS)))}::date[]) AS day UNION SELECT day FROM days WHERE mixed
),
hours AS MATERIALIZED (
  SELECT r.name, r.hour, r.events, r.first_append_at <= f.at AS mixed
  FROM cut_days c CROSS JOIN flushed f CROSS JOIN LATERAL (
    SELECT * FROM rollup_events_hourly r WHERE ${rolled} AND r.hour >= c.day::timestamp AT TIME ZONE 'UTC'
      AND r.hour < (c.day + 1)::timestamp AT TIME ZONE 'UTC'
  ) r WHERE r.hour > ${first} - INTERVAL '1 hour' AND r.hour < ${end} AND r.last_append_at > f.at
),
cut_hours AS MATERIALIZED (
  SELECT unnest(${params.add(plan.cutHoursMs.map(isoOf))}::timestamptz[]) AS hour UNION SELECT hour FROM hours WHERE mixed
),
counted AS (
  SELECT name, day::timestamp AT TIME ZONE 'UTC' AS at, events FROM days WHERE day <> ALL (ARRAY(SELECT day FROM cut_days))
  UNION ALL SELECT name, hour, events FROM hours WHERE hour <> ALL (ARRAY(SELECT hour FROM cut_hours))
  UNION ALL SELECT n.name, x.at, 1
  FROM (SELECT DISTINCT name, hour FROM hours WHERE hour = ANY (ARRAY(SELECT hour FROM cut_hours))) n CROSS JOIN flushed f CROSS JOIN LATERAL (
    SELECT e.at FROM custom_events e WHERE ${rowConditions(question, params).join(' AND ')} AND e.name = n.name
      AND e.at >= greatest(n.hour, ${first}) AND e.at < least(n.hour + INTERVAL '1 hour', ${end}) AND e.append_at > f.at OFFSET 0
  ) x
)
SELECT width_bucket(at, ${starts}) AS bucket, ${by.kind === 'name' ? 'name' : "''::text"} AS value, sum(events)::int8 AS count
FROM counted GROUP BY 1, 2 LIMIT ${rowsMax + 1}`;
  return bound('event_counts_from_rollup', text, params.values);
}
