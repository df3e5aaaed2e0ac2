// Actions of Microticks' sessions.
import { TICKS_PROTOCOL, TICKS_SESSION_PREFIX } from '../../schemas/door-sessions.ts';
import { type Bound, bound, paramList } from './bound.ts';
import { instantText, type TickList } from './tick-sessions.ts';

/** As in tick-sessions.ts: the peer's names, and what they are sorted by. */
export const TICK_EVENT_COLUMNS = { id: 'id', session_id: 'session_id', time: 'time', action: 'action', data: 'data' } as const;

export type TickEventRow = { id: number | null; session_id: string; time: number; action: string; data: unknown };

export function tickEvents(list: TickList<keyof typeof TICK_EVENT_COLUMNS>): Bound<TickEventRow> {
  const params = paramList();
  const site = `${params.add(list.site)}::text`;
  const conditions = [`e.site = ${site}`, `starts_with(e.session, '${TICKS_SESSION_PREFIX}')`];
  if (list.date !== '') conditions.push(`starts_with(${instantText('e.at')}, ${params.add(list.date)}::text)`);
  if (list.session !== '') conditions.push(`e.session = ${params.add(TICKS_SESSION_PREFIX + list.session)}::text`);
  if (list.consumer !== '') {
    const of = `site = ${site} AND video = '' AND protocol = ${params.add(TICKS_PROTOCOL)}::text AND meta ->> 'consumer' = ${params.add(list.consumer)}::text`;
    conditions.push(`e.session IN (SELECT session FROM sessions WHERE ${of} UNION SELECT session FROM open_sessions WHERE ${of})`);
  }
  const text = `SELECT (e.data ->> 'id')::int8 AS id, substr(e.session, ${TICKS_SESSION_PREFIX.length + 1}) AS session_id, e.at AS time, e.name AS action,
  e.data -> 'data' AS data
FROM custom_events e WHERE ${conditions.join(' AND ')}
ORDER BY ${TICK_EVENT_COLUMNS[list.sort.column]} ${list.sort.descending ? 'DESC' : 'ASC'} NULLS LAST, time, id
LIMIT ${params.add(list.limit)}::int OFFSET ${params.add(list.offset)}::int`;
  return bound('tick_events', text, params.values);
}
