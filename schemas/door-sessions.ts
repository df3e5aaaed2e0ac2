// Sessions whose ids a gateway makes itself, and what the other sides tell them by. Clients cannot name one: what begins like them is
// hashed at the door (ingest/core/draft.ts). Source: protocols.md sections 6 and 7.
import type { Protocol } from './beacon.ts';

/** Analytics Engine: streams of events that belong to no session of anybody. */
export const COUNTED_PROTOCOL = 'analytics_engine' satisfies Protocol;
export const COUNTED_SESSION_PREFIX = 'analytics_engine-';

/** Microticks: the token follows. */
export const TICKS_PROTOCOL = 'microticks' satisfies Protocol;
export const TICKS_SESSION_PREFIX = 'microticks-';

/** What no client's own session id may begin with. */
export const RESERVED_SESSION_PREFIXES = [COUNTED_SESSION_PREFIX, TICKS_SESSION_PREFIX] as const;

/**
 * Doors whose sessions are streams: they carry events that have nothing to do with each other. No figure of sessions counts them and no
 * list shows them unless it is asked for their protocol; their events are events like all others.
 */
export const STREAM_PROTOCOLS: readonly Protocol[] = [COUNTED_PROTOCOL];

/** Is a session of this protocol a stream? */
export const isStream = (protocol: string): boolean => (STREAM_PROTOCOLS as readonly string[]).includes(protocol);

/**
 * The set in which a custom event is counted by itself: the door, and the type that it names as text in its data ('' = none). Door ''
 * for all events of sessions. `data` is JSON text. The query API says the same in SQL (query-api/queries/event-rows.ts).
 */
export function eventSetOf(session: string, data: string): { door: string; type: string } {
  if (!session.startsWith(COUNTED_SESSION_PREFIX)) return { door: '', type: '' };
  return { door: COUNTED_PROTOCOL, type: typeIn(data) };
}

function typeIn(data: string): string {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return '';
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value) || !Object.hasOwn(value, 'type')) return '';
  const { type } = value as { type: unknown };
  return typeof type === 'string' ? type : '';
}
