// Custom events of one flush → what they add to the counts by hour and by day, in key order. Pure, and additive in any cut, like
// rollups.ts.
import { eventSetOf } from '../schemas/door-sessions.ts';
import type { CustomEventOutput, Output } from './core/outputs.ts';
import { json, text, time } from './rows.ts';
import { type UpsertEventsParams, upsertRollupEventsDaily, upsertRollupEventsHourly } from './sql/upsert-rollup-events.ts';
import { type PreparedStatement, prepared } from './statements.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

export type EventRollupRow = {
  site: string;
  scope: 'site' | 'video';
  video: string;
  /** Beginning of the event's hour or day (UTC), epoch ms. */
  startMs: number;
  /** schemas/door-sessions.ts, eventSetOf. */
  door: string;
  type: string;
  name: string;
  events: number;
  firstAppendMs: number;
  lastAppendMs: number;
};
export type EventRollupRows = { eventsHourly: EventRollupRow[]; eventsDaily: EventRollupRow[] };

/** Additions of the custom events among these, each list sorted by its key. */
export function eventRollupRows(outputs: readonly Output[]): EventRollupRows {
  const hourly = new Map<string, EventRollupRow>();
  const daily = new Map<string, EventRollupRow>();
  for (const output of outputs) {
    if (output.kind !== 'custom') continue;
    const at = time(output.at);
    const event = countedOf(output);
    const site: Place = { ...event, scope: 'site', video: '' };
    const places: Place[] = output.video === '' ? [site] : [site, { ...event, scope: 'video', video: text(output.video) }];
    for (const place of places) {
      add(hourly, place, Math.floor(at / HOUR_MS) * HOUR_MS, time(output.appendAt));
      add(daily, place, Math.floor(at / DAY_MS) * DAY_MS, time(output.appendAt));
    }
  }
  return { eventsHourly: inKeyOrder(hourly), eventsDaily: inKeyOrder(daily) };
}

type Place = Pick<EventRollupRow, 'site' | 'scope' | 'video' | 'door' | 'type' | 'name'>;

function countedOf(output: CustomEventOutput): Pick<Place, 'site' | 'door' | 'type' | 'name'> {
  // Of the data as it is stored, so that rows and rollups mean the same.
  const { door, type } = eventSetOf(output.session, json(output.data, 'null'));
  return { site: text(output.site), door, type, name: text(output.name) };
}

function add(rows: Map<string, EventRollupRow>, place: Place, startMs: number, appendAt: number): void {
  // A set that can be flushed has a row for each append time, until the statement has told which flushes they lie behind.
  const moment = place.door === '' ? '' : appendAt;
  const key = [place.site, place.scope, place.video, startMs, place.door, place.type, place.name, moment].join('\0');
  const row = rows.get(key);
  if (row === undefined) {
    rows.set(key, { ...place, startMs, events: 1, firstAppendMs: appendAt, lastAppendMs: appendAt });
    return;
  }
  row.events += 1;
  row.firstAppendMs = Math.min(row.firstAppendMs, appendAt);
  row.lastAppendMs = Math.max(row.lastAppendMs, appendAt);
}

const inKeyOrder = (rows: Map<string, EventRollupRow>): EventRollupRow[] =>
  [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);

/** The upserts that add these rows; none for empty lists. */
export function eventRollupStatements({ eventsHourly, eventsDaily }: EventRollupRows, partition: number): PreparedStatement[] {
  if (eventsHourly.length === 0) return [];
  return [
    prepared(upsertRollupEventsHourly, paramsOf(eventsHourly, partition)),
    prepared(upsertRollupEventsDaily, paramsOf(eventsDaily, partition)),
  ];
}

const paramsOf = (rows: readonly EventRollupRow[], partition: number): UpsertEventsParams => [
  partition,
  rows.map((row) => row.site),
  rows.map((row) => row.scope),
  rows.map((row) => row.video),
  rows.map((row) => row.startMs),
  rows.map((row) => row.door),
  rows.map((row) => row.type),
  rows.map((row) => row.name),
  rows.map((row) => row.events),
  rows.map((row) => row.firstAppendMs),
  rows.map((row) => row.lastAppendMs),
];
