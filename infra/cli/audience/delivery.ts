// From a viewing to requests: events are cut into beacons as a player's SDK does, then a plan says when each is sent, which
// are repeated, which come out of order, which are held back until their session is sealed and which never leave the
// machine. The plan is a function of the viewing and the options; nothing here knows a real clock.
import { createRandom, type Random } from './random.ts';
import type { WireEvent } from './truth.ts';
import type { Viewing } from './viewing.ts';

/** One beacon of `POST /v1/beacons`, without the key. */
export type WireBeacon = {
  session: string;
  video: { id: string; title?: string; durationMs?: number; live?: boolean };
  page?: string;
  referrer?: string;
  player?: { name: string; version: string };
  meta?: Record<string, string | number | boolean>;
  sentAt?: number;
  events: WireEvent[];
};

export type Delivery = {
  /** Real ms after the sending of this viewing began. */
  dueMs: number;
  beacon: WireBeacon;
  /** Places of its events in the viewing. */
  eventIndexes: readonly number[];
  /** 0 = the first time these events are sent, 1.. = a copy. */
  copy: number;
};

export type DeliveryPlan = {
  viewing: Viewing;
  /** In the order of their due times. */
  deliveries: readonly Delivery[];
  /** Sent only when the session is sealed: late by plan. */
  held: readonly Delivery[];
  /** Places of events that never leave the viewer's machine. */
  lostIndexes: readonly number[];
  /** Places of events in `deliveries`. */
  promptIndexes: readonly number[];
  lateIndexes: readonly number[];
};

export type DeliveryOptions = {
  /** The viewer's clock runs this much faster than ours. */
  speed: number;
  /** Share of beacons that are sent again, 1 to 5 times. */
  duplicates?: number;
  /** Share of beacons that are delayed by up to `disorderMs` of real time, so that later ones overtake them. */
  disorder?: number;
  /** Keep well below the grace for a missing number. */
  disorderMs?: number;
  /** Share of beacons that are never sent. */
  loss?: number;
  /** Share of beacons held back until the session is sealed. */
  late?: number;
  site?: string;
};

const FLUSH_MS = 10_000;
const EVENTS_PER_BEACON = 12;
const FAST_VIEWING_MAX_MS = 300_000;
/** Events that a player sends at once, with all that waits. */
const URGENT: readonly string[] = ['attempt', 'playing', 'ended', 'leave', 'error'];

type Cut = { indexes: number[]; video: string };

/** Plans the delivery of a viewing. */
export function planDelivery(viewing: Viewing, options: DeliveryOptions): DeliveryPlan {
  const random = createRandom(`${viewing.viewer.session}/delivery`);
  const cuts = cutEvents(viewing, random);
  const contextOnce = random.chance(0.2);
  const numbered = viewing.events[0]?.event.seq !== undefined;
  const deliveries: Delivery[] = [];
  const held: Delivery[] = [];
  const lostIndexes: number[] = [];
  const lateIndexes: number[] = [];
  const named = new Set<string>();
  for (const cut of cuts) {
    const opensVideo = !named.has(cut.video);
    named.add(cut.video);
    const withContext = opensVideo || !contextOnce;
    const mayMiss = numbered && !(contextOnce && opensVideo);
    if (mayMiss && random.chance(options.loss ?? 0)) {
      lostIndexes.push(...cut.indexes);
      continue;
    }
    const isLate = mayMiss && random.chance(options.late ?? 0);
    const delayMs = numbered && random.chance(options.disorder ?? 0) ? random.int(1, options.disorderMs ?? 1_500) : 0;
    const first = deliveryOf(viewing, cut, { options, random, withContext, delayMs, copy: 0 });
    (isLate ? held : deliveries).push(first);
    if (isLate) lateIndexes.push(...cut.indexes);
    if (!random.chance(options.duplicates ?? 0)) continue;
    const copies = random.int(1, 5);
    for (let copy = 1; copy <= copies; copy++) {
      const again = numbered ? random.int(0, options.disorderMs ?? 1_500) : 0;
      (isLate ? held : deliveries).push({ ...first, dueMs: first.dueMs + again, copy });
    }
  }
  if (numbered) deliveries.sort((a, b) => a.dueMs - b.dueMs);
  else keepOrder(deliveries);
  const promptIndexes = [...new Set(deliveries.flatMap((delivery) => delivery.eventIndexes))].sort((a, b) => a - b);
  return { viewing, deliveries, held, lostIndexes, promptIndexes, lateIndexes };
}

/** Without numbers the order of arrival is all there is: nothing is due before what was sent before it. */
function keepOrder(deliveries: Delivery[]): void {
  let dueMs = 0;
  for (const delivery of deliveries) {
    dueMs = Math.max(dueMs, delivery.dueMs);
    delivery.dueMs = dueMs;
  }
}

/** Consecutive events of one video until something urgent happens, the beacon is full or it waited long enough. */
function cutEvents(viewing: Viewing, random: Random): Cut[] {
  const cuts: Cut[] = [];
  let open: Cut | undefined;
  let openedAt = 0;
  viewing.events.forEach(({ video, event }, index) => {
    if (open && open.video !== video) open = undefined;
    if (!open) {
      open = { indexes: [], video };
      openedAt = event.at;
      cuts.push(open);
    }
    open.indexes.push(index);
    const full = open.indexes.length >= EVENTS_PER_BEACON || event.at - openedAt >= FLUSH_MS;
    if (full || URGENT.includes(event.type) || random.chance(0.2)) open = undefined;
  });
  return cuts;
}

type DeliveryDetails = { options: DeliveryOptions; random: Random; withContext: boolean; delayMs: number; copy: number };

function deliveryOf(viewing: Viewing, cut: Cut, details: DeliveryDetails): Delivery {
  const { viewer, startsAt } = viewing;
  const { options, random, withContext } = details;
  const events = cut.indexes.map((index) => (viewing.events[index] as Viewing['events'][number]).event);
  const readyAt = (events[events.length - 1] as WireEvent).at;
  const sentAt = readyAt + random.int(0, 200);
  const video = viewing.videos.find((one) => one.id === cut.video) as Viewing['videos'][number];
  // A send time anchors the session at its receipt: with a fast clock a long viewing would end too far in the future.
  const mayTellSending = options.speed <= 1 || viewing.endsAt - startsAt < FAST_VIEWING_MAX_MS;
  const origin = options.site ?? 'https://coffee.example.org';
  const beacon: WireBeacon = {
    session: viewer.session,
    video: withContext ? { id: video.id, title: video.title, durationMs: video.durationMs, live: false } : { id: video.id },
    ...(withContext ? { page: `${origin}${video.path}${viewer.arrival.query}`, player: viewer.player } : {}),
    ...(withContext && viewer.arrival.referrer ? { referrer: viewer.arrival.referrer } : {}),
    ...(withContext && viewer.meta ? { meta: viewer.meta } : {}),
    ...(viewer.saysSentAt && mayTellSending ? { sentAt } : {}),
    events,
  };
  const dueMs = Math.floor((sentAt - startsAt) / options.speed) + details.delayMs;
  return { dueMs, beacon, eventIndexes: cut.indexes, copy: details.copy };
}
