// Sessions of Microticks: parts put together, clicks counted along the index of custom events by session.
import { TICKS_PROTOCOL, TICKS_SESSION_PREFIX } from '../../schemas/door-sessions.ts';
import { type Bound, bound, paramList } from './bound.ts';

/** The columns that lists may be sorted by, by the peer's names: nothing else ever gets into a statement's text. */
export const TICK_SESSION_COLUMNS = {
  id: 'id',
  consumer_id: 'consumer_id',
  started_at: 'started_at',
  stopped_at: 'stopped_at',
  clicks: 'clicks',
  last_action: 'last_action',
} as const;

/** `date` = beginning of an ISO 8601 instant in UTC, '' = any; `consumer` and `session` (a token) '' = any. */
export type TickList<Column extends string> = {
  site: string;
  date: string;
  consumer: string;
  session: string;
  sort: { column: Column; descending: boolean };
  limit: number;
  offset: number;
};

export type TickSessionRow = {
  id: string;
  consumer_id: string | null;
  started_at: number;
  stopped_at: number | null;
  clicks: number;
  last_action: number | null;
};

/** An instant as text, to be compared with the beginning of one. */
export const instantText = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** Columns that only a session's actions tell. */
const OF_ACTIONS: readonly string[] = ['clicks', 'last_action'];

export function tickSessions(list: TickList<keyof typeof TICK_SESSION_COLUMNS>): Bound<TickSessionRow> {
  const params = paramList();
  const site = `${params.add(list.site)}::text`;
  const protocol = `${params.add(TICKS_PROTOCOL)}::text`;
  const session = list.session === '' ? '' : ` AND session = ${params.add(TICKS_SESSION_PREFIX + list.session)}::text`;
  const part = (table: string, open: boolean): string =>
    `SELECT session, part, started_at, ended_at, meta, ${open} AS open FROM ${table}
    WHERE site = ${site} AND video = '' AND protocol = ${protocol}${session}`;
  const conditions = ['true'];
  if (list.date !== '') conditions.push(`starts_with(${instantText('started_at')}, ${params.add(list.date)}::text)`);
  if (list.consumer !== '') conditions.push(`consumer_id = ${params.add(list.consumer)}::text`);
  const { column, descending } = list.sort;
  const order = `ORDER BY ${TICK_SESSION_COLUMNS[column]} ${descending ? 'DESC' : 'ASC'} NULLS LAST, started_at, id`;
  const page = `LIMIT ${params.add(list.limit)}::int OFFSET ${params.add(list.offset)}::int`;
  // Actions are only looked up for the sessions of the page, unless they decide which those are.
  const early = !OF_ACTIONS.includes(column);
  const text = `WITH parts AS (${part('sessions', false)} UNION ALL ${part('open_sessions', true)}),
listed AS (
  SELECT session, substr(session, ${TICKS_SESSION_PREFIX.length + 1}) AS id, min(started_at) AS started_at,
    max(ended_at) FILTER (WHERE part = 0 AND NOT open) AS stopped_at, max(meta ->> 'consumer') AS consumer_id FROM parts GROUP BY session
),
chosen AS MATERIALIZED (SELECT * FROM listed WHERE ${conditions.join(' AND ')}${early ? ` ${order} ${page}` : ''})
SELECT l.id, l.consumer_id, l.started_at, l.stopped_at, e.clicks, e.last_action
FROM chosen l CROSS JOIN LATERAL (
  SELECT count(*) AS clicks, max(x.at) AS last_action FROM custom_events x
  WHERE x.site = ${site} AND x.session = l.session AND x.name = 'click'
) e ${order} ${early ? '' : page}`;
  return bound('tick_sessions', text, params.values);
}
