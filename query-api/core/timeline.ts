// The event timeline of a session id, from its raw beacons: each event once, in the order in which it was folded, with the
// copies that came and whether it came late. The raw log is the only place where single events are kept.
import { type Beacon, type BeaconEvent, type EventDetail, orderedByTime, type Protocol } from '../../schemas/beacon.ts';
import { SURFACE_TIMES } from '../../schemas/surfaces.ts';
import { visitStampOf } from '../../schemas/visits.ts';

/** A beacon of the log, with the place and time of its record. */
export type LoggedBeacon = { beacon: Beacon; appendAtMs: number; partition: number; offset: number };

export type TimelineEvent = {
  seq: number | null;
  type: string;
  /** Event time: the client's clock, put right by the send time where it is known. */
  atMs: number;
  receivedAtMs: number;
  positionMs: number | null;
  video: string | null;
  detail: Record<string, unknown>;
  late: boolean;
  duplicates: number;
};

/** How long the fold waits for a missing number before it goes on (design.md section 4), ms. */
const GRACE_MS = 15_000;
/** How long an event that is stamped but not numbered waits for older ones, ms. */
const HELD_MS = SURFACE_TIMES.mave?.graceMs ?? GRACE_MS;
/** Client clocks further off than this are not believed. Source: protocols.md section 0. */
const AHEAD_MS_MAX = 600_000;
const BEHIND_MS_MAX = 86_400_000;

type Seen = {
  event: TimelineEvent;
  arrival: number;
  appendAtMs: number;
  clientAtMs: number;
  trustedAtMs: number;
  /** Client time that says the order; -1 = arrival does. */
  orderAtMs: number;
};

/**
 * Builds the timeline. `sealedAt(video, atOffset)` says whether the session of a video had been sealed before the record at this
 * offset: what comes first after that is late. Beacons must be in log order.
 */
export function timelineOf(
  beacons: readonly LoggedBeacon[],
  sealedBefore: (video: string, record: { partition: number; offset: number }) => boolean,
): TimelineEvent[] {
  const seen = new Map<string, Seen>();
  let video = '';
  /** Append time at which the highest number so far arrived, to tell whose place was given up. */
  const arrivals: { seq: number; appendAtMs: number }[] = [];
  for (const { beacon, appendAtMs, partition, offset } of beacons) {
    if (beacon.video !== '') video = beacon.video;
    for (const event of beacon.events) {
      const id = event.seq >= 0 ? `#${event.seq}` : contentOf(beacon, event, video);
      const copy = seen.get(id);
      if (copy !== undefined) {
        copy.event.duplicates += 1;
        continue;
      }
      const givenUp = event.seq >= 0 && arrivals.some((higher) => higher.seq > event.seq && higher.appendAtMs + GRACE_MS < appendAtMs);
      if (event.seq >= 0 && event.seq > (arrivals.at(-1)?.seq ?? -1)) arrivals.push({ seq: event.seq, appendAtMs });
      const late = givenUp || sealedBefore(video, { partition, offset });
      seen.set(id, {
        event: eventOf(event, { protocol: beacon.protocol, video, receivedAtMs: beacon.receivedAt, late }),
        arrival: seen.size,
        appendAtMs,
        clientAtMs: clientTime(beacon, event),
        trustedAtMs: trustedTime(beacon, event),
        orderAtMs: event.seq < 0 && beacon.baseAt >= 0 && orderedByTime(beacon.protocol) ? clientTime(beacon, event) : -1,
      });
    }
  }
  const all = [...seen.values()];
  placeStragglers(all);
  return inFoldedOrder(all);
}

/** What came more than grace after something newer was folded after it. Expects the order of arrival. */
function placeStragglers(all: readonly Seen[]): void {
  let foldedAtMs = -1;
  let settled = 0;
  for (const each of all) {
    for (let next = all[settled]; next !== undefined && next.appendAtMs + HELD_MS < each.appendAtMs; next = all[++settled])
      foldedAtMs = Math.max(foldedAtMs, next.orderAtMs);
    if (each.orderAtMs >= 0) each.orderAtMs = Math.max(each.orderAtMs, foldedAtMs);
  }
}

/**
 * Numbered events by number, stamped ones (see `orderedByTime`) by client time, the late ones after them as they came; the others as they
 * came. Times hang on the first event.
 */
function inFoldedOrder(all: Seen[]): TimelineEvent[] {
  const ordered = all.sort((a, b) => {
    if (a.event.late !== b.event.late) return a.event.late ? 1 : -1;
    if (!a.event.late && a.event.seq !== null && b.event.seq !== null) return a.event.seq - b.event.seq;
    if (!a.event.late && a.orderAtMs >= 0 && b.orderAtMs >= 0 && a.orderAtMs !== b.orderAtMs) return a.orderAtMs - b.orderAtMs;
    return a.arrival - b.arrival;
  });
  const first = ordered[0];
  if (first === undefined) return [];
  const shift = first.trustedAtMs - first.clientAtMs;
  return ordered.map(({ event, clientAtMs }) => ({ ...event, atMs: clientAtMs + shift }));
}

const clientTime = (beacon: Beacon, event: BeaconEvent): number => (beacon.baseAt < 0 ? beacon.receivedAt : beacon.baseAt) + event.at;

/** Event time of the first event of a session: skew taken out by the send time, impossible clocks replaced by the receipt. */
function trustedTime(beacon: Beacon, event: BeaconEvent): number {
  const client = clientTime(beacon, event);
  const at = beacon.sentAt >= 0 ? beacon.receivedAt - (beacon.sentAt - client) : client;
  return at > beacon.receivedAt + AHEAD_MS_MAX || at < beacon.receivedAt - BEHIND_MS_MAX ? beacon.receivedAt : at;
}

const contentOf = (beacon: Beacon, event: BeaconEvent, video: string): string =>
  JSON.stringify([video, clientTime(beacon, event), event.type, event.positionMs, event.detail]);

function eventOf(event: BeaconEvent, at: { protocol: Protocol; video: string; receivedAtMs: number; late: boolean }): TimelineEvent {
  return {
    seq: event.seq < 0 ? null : event.seq,
    type: event.type,
    atMs: 0,
    receivedAtMs: at.receivedAtMs,
    positionMs: event.positionMs < 0 ? null : event.positionMs,
    video: at.video === '' ? null : at.video,
    detail: event.detail === null ? {} : detailOf(event.type, withoutStamp(at.protocol, event, event.detail)),
    late: at.late,
    duplicates: 0,
  };
}

/** A visit stamp is between gateway and fold: it is no detail of the event. */
function withoutStamp(protocol: Protocol, event: BeaconEvent, detail: EventDetail): EventDetail {
  if (visitStampOf(protocol, event) === undefined) return detail;
  return event.type === 'custom' ? { ...detail, code: '' } : { ...detail, name: '' };
}

/** The type-specific fields under the names that the beacon API uses. */
function detailOf(type: string, detail: EventDetail): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  const add = (name: string, value: number | string, scale = 1): void => {
    if (typeof value === 'number' ? value >= 0 : value !== '') known[name] = typeof value === 'number' ? value / scale : value;
  };
  const flag = (name: string): void => {
    if (detail.flag >= 0) known[name] = detail.flag === 1;
  };
  add('fromMs', detail.fromMs);
  add('toMs', detail.toMs);
  add('rate', detail.rateMilli, 1_000);
  add('bitrateBps', detail.bitrateBps);
  add('width', detail.width);
  add('height', detail.height);
  add('level', detail.levelMilli, 1_000);
  flag(type === 'error' ? 'fatal' : type === 'volume' ? 'muted' : 'on');
  add(type === 'quality' ? 'codec' : type === 'captions' ? 'language' : type === 'ad' ? 'phase' : 'code', detail.code);
  add(type === 'ad' ? 'id' : 'name', detail.name);
  if (type === 'custom') known['data'] = jsonOf(detail.text);
  else add('message', detail.text);
  return known;
}

function jsonOf(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return text;
  }
}
