import type { Statement } from '../../infra/runtime/ports.ts';

export type UpsertEventsParams = [
  partition: number,
  sites: readonly string[],
  scopes: readonly string[],
  videos: readonly string[],
  /** Epoch ms of the hour's or the day's beginning, UTC. */
  startsMs: readonly number[],
  doors: readonly string[],
  types: readonly string[],
  names: readonly string[],
  events: readonly number[],
  firstAppendsMs: readonly number[],
  lastAppendsMs: readonly number[],
];

/** Rows of a set that was flushed come with one append time each, so that each falls on one side of the flush. */
const textFor = (table: string, span: string, start: string): string => `
    INSERT INTO ${table} AS r (site, scope, video, ${span}, door, type, name, flushed_at, partition, events, first_append_at, last_append_at)
    SELECT u.site, u.scope, u.video, ${start}, u.door, u.type, u.name, coalesce(f.flushed_at, '-infinity'), $1, sum(u.events)::bigint,
      to_timestamp(min(u.first_ms)::float8 / 1000), to_timestamp(max(u.last_ms)::float8 / 1000)
    FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[])
      AS u (site, scope, video, start_ms, door, type, name, events, first_ms, last_ms)
    LEFT JOIN event_flushes f ON f.site = u.site AND f.protocol = u.door AND f.type = u.type
      AND f.flushed_at < to_timestamp(u.first_ms::float8 / 1000)
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ON CONFLICT (site, scope, video, ${span}, door, type, name, flushed_at, partition) DO UPDATE SET events = r.events + excluded.events,
      first_append_at = least(r.first_append_at, excluded.first_append_at), last_append_at = greatest(r.last_append_at, excluded.last_append_at)`;

/** Adds to the hourly counts of custom events. */
export const upsertRollupEventsHourly: Statement<UpsertEventsParams, never> = {
  name: 'processor_upsert_rollup_events_hourly',
  text: textFor('rollup_events_hourly', 'hour', 'to_timestamp(u.start_ms::float8 / 1000)'),
};

/** Adds to the daily counts of custom events. */
export const upsertRollupEventsDaily: Statement<UpsertEventsParams, never> = {
  name: 'processor_upsert_rollup_events_daily',
  text: textFor('rollup_events_daily', 'day', "DATE '1970-01-01' + (u.start_ms / 86400000)::integer"),
};
