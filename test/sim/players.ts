// The players of a simulated world. They number their events, send beacons out of order, together, twice, late or never, and repeat
// what was not accepted under the same numbers. What became of every event is kept: accepted, refused, unknown (reliability, I1 and I2).
import { type Beacon, type BeaconEvent, type EventType, UNKNOWN_DETAIL } from '../../schemas/beacon.ts';
import type { FaultName } from './faults.ts';
import type { Answer, Gateways } from './gateways.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** The strongest outcome of an event's attempts; unsent = no attempt. */
export type Outcome = Answer | 'unsent';
/** `site/session#seq` → outcome. */
export type Outcomes = Map<string, Outcome>;

export type PlayersDeps = {
  world: World;
  gateways: Gateways;
  fault: (name: FaultName) => boolean;
  /** Whether this player, or this beacon, takes part; false when a failing run is made smaller. */
  happens: (occurrence: string) => boolean;
  /** No player begins after this. */
  untilMs: number;
};
export type Players = { outcomes: Outcomes; idle(): boolean };

const ATTEMPTS_MAX = 6;
const VIDEO_MS = 60_000;
/** The player's own patience: a gateway that dies never answers. */
const PATIENCE_MS = 6_000;

export const idOf = (beacon: Beacon, event: BeaconEvent): string => `${beacon.site}/${beacon.session}#${event.seq}`;

export function startPlayers({ world, gateways, fault, happens, untilMs }: PlayersDeps): Players {
  const random = world.random.fork();
  const outcomes: Outcomes = new Map();
  let pending = 0;
  const raiseAll = (beacons: readonly Beacon[], outcome: Outcome): void => {
    for (const beacon of beacons) for (const event of beacon.events) raise(outcomes, idOf(beacon, event), outcome);
  };
  const send = (beacons: readonly Beacon[], attempt: number): void => {
    const again = (): void => {
      pending -= 1;
      if (attempt >= ATTEMPTS_MAX) return;
      for (const request of cutAgain(random, beacons)) {
        pending += 1;
        world.schedule(undefined, random.integer(300, 2_500), 'player repeats', () => send(request, attempt + 1));
      }
    };
    const live = gateways.live();
    if (live.length === 0) return again();
    let over = false;
    const settle = (answer: Answer): void => {
      if (over) return;
      over = true;
      giveUp();
      raiseAll(beacons, answer);
      if (answer !== 'accepted') return again();
      pending -= 1;
      if (!fault('duplicateBeacon')) return;
      pending += 1;
      world.schedule(undefined, random.integer(10, 15_000), 'player sends twice', () => send(beacons, ATTEMPTS_MAX));
    };
    const giveUp = world.schedule(undefined, PATIENCE_MS, 'player gives up waiting', () => settle('unknown'));
    random.pick(live).accept(beacons, settle);
  };
  let held: Beacon | undefined;
  for (let i = random.integer(2, 6); i > 0; i--) {
    const session = `v${world.seed}-${i}`;
    const startMs = random.integer(0, untilMs);
    if (!happens(`player#${i}`)) continue;
    pending += 1;
    world.schedule(undefined, startMs, `player ${session} begins`, () => {
      pending -= 1;
      for (const [index, { delayMs, beacon }] of playerBeacons(random, fault, session, world.now()).entries()) {
        raiseAll([beacon], 'unsent');
        if (fault('lostBeacon') || !happens(`beacon${i}#${index}`)) continue;
        pending += 1;
        world.schedule(undefined, delayMs, `player ${session} sends`, () => {
          // Now and then a request speaks for two sessions: its answer is about both.
          const request = [{ ...beacon, receivedAt: world.now() }];
          if (held !== undefined) request.push(held);
          else if (random.chance(0.1)) {
            held = request[0];
            world.schedule(undefined, 1_000, 'held beacon goes alone', () => {
              if (held !== request[0]) return;
              held = undefined;
              send(request, 1);
            });
            return;
          }
          // Each beacon was counted when it was planned; the request counts once.
          pending -= request.length - 1;
          held = undefined;
          send(request, 1);
        });
      }
    });
  }
  return { outcomes, idle: () => pending === 0 };
}

const STRENGTH: Record<Outcome, number> = { unsent: 0, refused: 1, unknown: 2, accepted: 3 };
function raise(outcomes: Outcomes, id: string, outcome: Outcome): void {
  const old = outcomes.get(id);
  if (old === undefined || STRENGTH[old] < STRENGTH[outcome]) outcomes.set(id, outcome);
}

/** The same events once more, now and then cut otherwise. */
function cutAgain(random: Random, beacons: readonly Beacon[]): (readonly Beacon[])[] {
  if (beacons.length > 1) return random.chance(0.5) ? [beacons] : beacons.map((beacon) => [beacon]);
  const beacon = beacons[0] as Beacon;
  if (beacon.events.length < 2 || random.chance(0.7)) return [beacons];
  const middle = beacon.events.length >> 1;
  return [[{ ...beacon, events: beacon.events.slice(0, middle) }], [{ ...beacon, events: beacon.events.slice(middle) }]];
}

type Planned = { delayMs: number; beacon: Beacon };

/** One viewing cut into beacons: play, heartbeats, a seek or a stall now and then, and an end or none. */
function playerBeacons(random: Random, fault: (name: FaultName) => boolean, session: string, startedAt: number): Planned[] {
  const events: BeaconEvent[] = [];
  let at = 0;
  let positionMs = random.chance(0.3) ? random.integer(0, 20_000) : 0;
  const add = (type: EventType, detail: BeaconEvent['detail'] = null): void => {
    events.push({ type, seq: events.length, at, positionMs, detail });
  };
  add('attempt');
  at += random.integer(50, 900);
  add('playing');
  for (let i = random.integer(1, 6); i > 0; i--) {
    const playedMs = random.integer(300, 2_500);
    at += playedMs;
    positionMs = Math.min(VIDEO_MS, positionMs + playedMs);
    const roll = random.next();
    if (roll < 0.6) add('heartbeat');
    else if (roll < 0.75) {
      const fromMs = positionMs;
      positionMs = random.integer(0, VIDEO_MS - 5_000);
      add('seek', { ...UNKNOWN_DETAIL, fromMs, toMs: positionMs });
    } else if (roll < 0.85) {
      add('stall_start');
      at += random.integer(100, 1_500);
      add('stall_end');
    } else if (roll < 0.93) {
      add('pause');
      at += random.integer(200, 3_000);
      add('playing');
    } else add('custom', { ...UNKNOWN_DETAIL, name: 'mark', text: '{"n":1}' });
  }
  if (random.chance(0.6)) add('leave');
  const beacons: Planned[] = [];
  for (let first = 0; first < events.length; ) {
    const size = random.integer(1, 4);
    const cut = events.slice(first, first + size);
    const sentAt = (cut.at(-1) as BeaconEvent).at;
    let delayMs = sentAt + random.integer(5, 80);
    if (fault('disorder')) delayMs += random.integer(100, 900);
    if (fault('lateBeacon')) delayMs += random.integer(3_000, 25_000);
    beacons.push({
      delayMs,
      beacon: {
        site: 'demo',
        session,
        video: 'film',
        protocol: 'native',
        receivedAt: 0,
        sentAt: startedAt + sentAt,
        baseAt: startedAt,
        context: null,
        events: cut,
        rejects: [],
        ignoredFields: 0,
      },
    });
    first += size;
  }
  return beacons;
}
