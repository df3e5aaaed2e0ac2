// The players and gateways of a simulated world. Players number their events, send beacons out of order, twice, late or never, and
// repeat what was not accepted; gateways append and answer by what the log said. Every event's outcome is kept (accepted, unknown).
import { startTicks } from '../../ingest/ticks.ts';
import type { Beacon, BeaconEvent, EventType } from '../../schemas/beacon.ts';
import type { Codec } from '../../schemas/codec.ts';
import { partitionOf, recordKey } from '../../schemas/topics.ts';
import type { FaultName } from './faults.ts';
import type { Random } from './random.ts';
import type { SimLog } from './sim-log.ts';
import type { SimProcess, World } from './world.ts';

export type Outcome = 'accepted' | 'unknown' | 'unsent';
/** `site/session#seq` → the strongest outcome of its attempts. */
export type Outcomes = Map<string, Outcome>;

export type WorkloadDeps = {
  world: World;
  log: SimLog;
  codec: Codec;
  partitions: number;
  fault: (name: FaultName) => boolean;
  tickMs: number;
  /** No player begins after this. */
  untilMs: number;
};

const ATTEMPTS_MAX = 6;
const VIDEO_MS = 60_000;

export type Workload = { outcomes: Outcomes; stopFaults(): void; idle(): boolean; gateways(): readonly SimProcess[] };

export function startWorkload(deps: WorkloadDeps): Workload {
  const { world, fault } = deps;
  const random = world.random.fork();
  const outcomes: Outcomes = new Map();
  const gateways: Gateway[] = [];
  let pending = 0;
  for (let i = 0; i < random.integer(1, 2); i++) gateways.push(startGateway(deps, `gateway${i}`));

  const send = (beacon: Beacon, attempt: number): void => {
    const done = (): void => {
      pending -= 1;
    };
    const again = (): void => {
      if (attempt >= ATTEMPTS_MAX) return done();
      world.schedule(undefined, random.integer(300, 2_500), 'player repeats', () => send(beacon, attempt + 1));
    };
    const live = gateways.filter((gateway) => gateway.process.alive);
    if (live.length === 0) return again();
    for (const event of beacon.events) raise(outcomes, idOf(beacon, event), 'unknown');
    random.pick(live).accept(beacon, (accepted) => {
      if (!accepted) return again();
      for (const event of beacon.events) raise(outcomes, idOf(beacon, event), 'accepted');
      if (fault('duplicateBeacon')) {
        pending += 1;
        world.schedule(undefined, random.integer(10, 15_000), 'player sends twice', () => send(beacon, ATTEMPTS_MAX));
      }
      done();
    });
  };
  const players = random.integer(2, 6);
  for (let i = 0; i < players; i++) {
    const session = `v${world.seed}-${i}`;
    const startAt = random.integer(0, deps.untilMs);
    pending += 1;
    world.schedule(undefined, startAt, `player ${session} begins`, () => {
      pending -= 1;
      for (const { delayMs, beacon } of playerBeacons(random, fault, session, world.now())) {
        for (const event of beacon.events) raise(outcomes, idOf(beacon, event), 'unsent');
        if (fault('lostBeacon')) continue;
        pending += 1;
        world.schedule(undefined, delayMs, `player ${session} sends`, () => send({ ...beacon, receivedAt: world.now() }, 1));
      }
    });
  }
  const kill = (): void => {
    const victim = gateways.find((gateway) => gateway.process.alive);
    if (victim !== undefined && fault('gatewayKilled')) {
      world.kill(victim.process);
      world.schedule(undefined, random.integer(500, 4_000), 'gateway restarts', () =>
        gateways.push(startGateway(deps, `${victim.process.name}+`)),
      );
    }
    world.schedule(undefined, 1_000, 'gateway fate', kill);
  };
  kill();
  return {
    outcomes,
    stopFaults() {
      if (!gateways.some((gateway) => gateway.process.alive)) gateways.push(startGateway(deps, 'gateway-last'));
    },
    idle: () => pending === 0,
    gateways: () => gateways.map((gateway) => gateway.process),
  };
}

const idOf = (beacon: Beacon, event: BeaconEvent): string => `${beacon.site}/${beacon.session}#${event.seq}`;

const STRENGTH: Record<Outcome, number> = { unsent: 0, unknown: 1, accepted: 2 };
function raise(outcomes: Outcomes, id: string, outcome: Outcome): void {
  const old = outcomes.get(id);
  if (old === undefined || STRENGTH[old] < STRENGTH[outcome]) outcomes.set(id, outcome);
}

type Gateway = { process: SimProcess; accept(beacon: Beacon, answer: (accepted: boolean) => void): void };

function startGateway(deps: WorkloadDeps, name: string): Gateway {
  const { world, log, codec, partitions, fault } = deps;
  const process = world.process(name);
  const writer = log.writer(process);
  const skewMs = fault('gatewaySkewed') ? 86_400_000 * (world.random.chance(0.5) ? 1 : -1) : 0;
  startTicks({
    writer,
    scheduler: world.scheduler(process),
    partitions,
    intervalMs: deps.tickMs,
    encodeTick: () => codec.encodeTick({ instance: name }),
    onOutcome: () => {},
  });
  return {
    process,
    accept(beacon, answer) {
      const key = Buffer.from(recordKey(beacon.site, beacon.session));
      const partition = partitionOf(key, partitions);
      const value = codec.encodeBeacon({ ...beacon, receivedAt: beacon.receivedAt + skewMs }, key);
      let answered = false;
      const once = (accepted: boolean): void => {
        if (answered) return;
        answered = true;
        answer(accepted);
      };
      // The player's own patience: a gateway that dies never answers.
      world.schedule(undefined, 10_000, 'player gives up waiting', () => once(false));
      world.schedule(process, world.random.integer(1, 10), `${name} appends`, () => {
        void writer.append(new Map([[partition, [{ key, value }]]])).then((results) => {
          world.schedule(undefined, world.random.integer(1, 30), `${name} answers`, () =>
            once(results.get(partition)?.outcome === 'appended'),
          );
        });
      });
    },
  };
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
  const plain = {
    fromMs: -1,
    toMs: -1,
    rateMilli: -1,
    bitrateBps: -1,
    width: -1,
    height: -1,
    levelMilli: -1,
    flag: -1,
    code: '',
    name: '',
    text: '',
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
      add('seek', { ...plain, fromMs, toMs: positionMs });
    } else if (roll < 0.85) {
      add('stall_start');
      at += random.integer(100, 1_500);
      add('stall_end');
    } else if (roll < 0.93) {
      add('pause');
      at += random.integer(200, 3_000);
      add('playing');
    } else add('custom', { ...plain, name: 'mark', text: '{"n":1}' });
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
