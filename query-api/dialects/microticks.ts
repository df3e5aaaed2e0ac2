// Microticks' reads: lists of sessions and of their actions. The read key may come as `?key=`, because that is the only place its clients
// know. Where the peer is known to be wrong the answer is right instead; docs/doors/microticks.md lists those places.
import { isoOf } from '../core/civil.ts';
import { wrong } from '../problem.ts';
import { TICK_EVENT_COLUMNS, type TickEventRow, tickEvents } from '../queries/tick-events.ts';
import { TICK_SESSION_COLUMNS, type TickList, type TickSessionRow, tickSessions } from '../queries/tick-sessions.ts';
import type { DialectAsked, DialectRoute } from './dialect.ts';

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;
const OFFSET_MAX = 10_000_000;
const DATE = /^[\dTZ :.-]{1,24}$/;

const shared: Pick<DialectRoute, 'secretOf' | 'word'> = {
  secretOf: ({ query, authorization }) => authorization.replace(/^bearer +/i, '').trim() || textOf(query, 'key'),
  word: ({ message }, status) => (status === 401 || status === 403 ? { status, description: message } : { error: message, status }),
};

export const microticksRoutes: readonly DialectRoute[] = [
  { ...shared, method: 'get', path: '/sessions', scope: 'query', handle: sessions },
  { ...shared, method: 'get', path: '/events', scope: 'query', handle: events },
];

function textOf(query: DialectAsked['query'], name: string): string {
  const value = query[name];
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' ? first.replaceAll('\u0000', '\ufffd') : '';
}

async function sessions(asked: DialectAsked): Promise<{ body: unknown }> {
  const { list, warning } = listOf(asked, TICK_SESSION_COLUMNS, 'started_at');
  const rows = await asked.ask(tickSessions(list));
  return { body: { status: 200, sessions: rows.map(sessionOf), count: rows.length, ...warning } };
}

const isoOrNull = (ms: number | null): string | null => (ms === null ? null : isoOf(ms));

const sessionOf = (row: TickSessionRow): unknown => ({
  ...row,
  started_at: isoOf(row.started_at),
  stopped_at: isoOrNull(row.stopped_at),
  last_action: isoOrNull(row.last_action),
});

async function events(asked: DialectAsked): Promise<{ body: unknown }> {
  const { list, warning } = listOf(asked, TICK_EVENT_COLUMNS, 'time');
  const rows = await asked.ask(tickEvents(list));
  return { body: { status: 200, events: rows.map(eventOf), count: rows.length, ...warning } };
}

const eventOf = (row: TickEventRow): unknown => ({ ...row, time: isoOf(row.time) });

type Columns = Readonly<Record<string, string>>;

/** What both lists may be asked. @throws ProblemError wrong-parameters. */
function listOf<C extends Columns, Name extends keyof C & string>(
  { caller, query }: DialectAsked,
  columns: C,
  byDefault: Name,
): { list: TickList<keyof C & string>; warning: { warning?: string } } {
  const warnings: string[] = [];
  const date = textOf(query, 'date').replace(' ', 'T');
  if (date !== '' && !DATE.test(date)) throw wrong('/date', 'must be the beginning of an instant such as 2026-11-22');
  if (textOf(query, 'ip') !== '') warnings.push('"ip" is ignored: addresses are not kept');
  const limit = numberOf(query, 'limit', LIMIT_DEFAULT);
  if (limit > LIMIT_MAX) warnings.push(`"limit" may be at most ${LIMIT_MAX}`);
  return {
    list: {
      site: caller.site,
      date,
      consumer: textOf(query, 'consumer'),
      session: textOf(query, 'session'),
      sort: sortOf(query, columns, byDefault),
      limit: Math.min(limit, LIMIT_MAX),
      offset: Math.min(numberOf(query, 'offset', 0), OFFSET_MAX),
    },
    warning: warnings.length === 0 ? {} : { warning: warnings.join('; ') },
  };
}

function sortOf<C extends Columns>(
  query: DialectAsked['query'],
  columns: C,
  byDefault: keyof C & string,
): TickList<keyof C & string>['sort'] {
  const descending = textOf(query, 'sort.desc');
  const name = descending || textOf(query, 'sort') || byDefault;
  if (!Object.hasOwn(columns, name)) throw wrong('/sort', `must be one of ${Object.keys(columns).join(', ')}`);
  return { column: name, descending: descending !== '' };
}

function numberOf(query: DialectAsked['query'], name: string, byDefault: number): number {
  const text = textOf(query, name);
  if (text === '') return byDefault;
  if (!/^\d{1,15}$/.test(text)) throw wrong(`/${name}`, 'must be a whole number >= 0');
  return Number(text);
}
