// The audience as a whole: a finite crowd with a known truth, or an endless natural one for the demo, with a past so that
// charts are not empty and a daily shape so that they look like a day.
import type { Clock, Scheduler } from '../../runtime/ports.ts';
import { type CatalogVideo, DAILY_SHAPE, DEMO_VIDEOS } from './catalog.ts';
import { type DeliveryOptions, type DeliveryPlan, planDelivery, type WireBeacon } from './delivery.ts';
import { createDriver, type DeliveryRecord, type Driver, type DriverCounts, type DriverOptions } from './driver.ts';
import { createRandom, type Random } from './random.ts';
import { createViewing, type Viewing, type ViewingOptions } from './viewing.ts';

export type AudienceDeps = { clock: Clock; scheduler: Scheduler };

/** Viewers of a finite crowd, each with its own seed, `gapMs` of real time apart. */
export type CrowdOptions = {
  viewers: number;
  seed: number | string;
  /** First moment of the first viewing on the viewers' clocks, epoch ms. */
  startsAt: number;
  videos: readonly CatalogVideo[];
  gapMs: number;
  delivery: DeliveryOptions;
  viewing?: Partial<ViewingOptions>;
};

export type CrowdResult = { plan: DeliveryPlan; records: DeliveryRecord[] };

/** The plans of a crowd: a function of its options. */
export function planCrowd(options: CrowdOptions): DeliveryPlan[] {
  const plans: DeliveryPlan[] = [];
  for (let viewer = 0; viewer < options.viewers; viewer++) {
    const startsAt = options.startsAt + viewer * options.gapMs;
    const viewing = createViewing({ ...options.viewing, seed: `${options.seed}/${viewer}`, startsAt, videos: options.videos });
    plans.push(planDelivery(viewing, options.delivery));
  }
  return plans;
}

/** Sends a crowd's prompt deliveries; resolves when the last one was answered or given up. */
export function sendCrowd(driver: Driver, plans: readonly DeliveryPlan[], gapMs: number): Promise<CrowdResult[]> {
  return Promise.all(plans.map(async (plan, viewer) => ({ plan, records: await driver.run(plan, viewer * gapMs) })));
}

export type DemoOptions = DriverOptions & {
  seed: number | string;
  /** New viewers a minute at the busiest hour. */
  viewersPerMinute: number;
  /** Hours of past to send at the start; the gateway believes viewers' clocks for 24 h. */
  historyHours: number;
};

export type Demo = { counts(): DriverCounts & { watching: number; viewings: number }; stop(): Promise<void> };

/** Viewings of the past are all over by now, and none ends in silence, so that nobody seems to watch who does not. */
const HISTORY_HOURS_MAX = 23;
/** Viewings that are sent together in one request have the same browser. */
const EVENTS_PER_REQUEST_MAX = 150;
const HOUR_MS = 3_600_000;
const BUSIEST = Math.max(...DAILY_SHAPE);

/** Starts an endless natural audience in real time. It never throws; a gateway that is away is asked again. */
export function startDemo(deps: AudienceDeps, options: DemoOptions): Demo {
  const driver = createDriver(deps, { ...options, attemptsMax: 1_000 });
  const random = createRandom(options.seed);
  let stopped = false;
  let watching = 0;
  let viewings = 0;
  let wake = (): void => {};
  const running = new Set<Promise<unknown>>();
  const follow = (work: Promise<unknown>): void => {
    running.add(work);
    void work.finally(() => running.delete(work));
  };

  const arrive = (): void => {
    const startsAt = deps.clock.now();
    const viewing = createViewing({ seed: `${options.seed}/now/${startsAt}/${viewings++}`, startsAt, videos: DEMO_VIDEOS });
    watching++;
    follow(driver.run(planDelivery(viewing, { speed: 1 }), 0).finally(() => watching--));
  };
  const arrivals = async (): Promise<void> => {
    for (let first = 0; first < options.viewersPerMinute; first++) arrive();
    while (!stopped) {
      const perMinute = options.viewersPerMinute * Math.max(0.3, shapeAt(deps.clock.now()));
      const pauseMs = Math.max(50, Math.floor((-Math.log(1 - random.next()) * 60_000) / perMinute));
      await new Promise<void>((resolve) => {
        const cancel = deps.scheduler.after(pauseMs, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      });
      if (!stopped) arrive();
    }
  };
  const past = pastViewings({ ...options, until: deps.clock.now(), random: random.fork('past') });
  viewings += past.length;
  follow(sendHistory(driver, past, options.sendAddress === true));
  follow(arrivals());
  return {
    counts: () => ({ ...driver.counts(), watching, viewings }),
    async stop() {
      stopped = true;
      driver.stop();
      wake();
      await Promise.allSettled([...running]);
    },
  };
}

/** Traffic at an instant relative to the busiest hour. */
function shapeAt(at: number): number {
  return (DAILY_SHAPE[Math.floor(at / HOUR_MS) % 24] as number) / BUSIEST;
}

type Past = { seed: number | string; viewersPerMinute: number; historyHours: number; until: number; random: Random };

/** Viewings of the hours before `until`, oldest first; fewer than in real time, since they all arrive at once. */
function pastViewings(options: Past): Viewing[] {
  const { random, until } = options;
  const hours = Math.min(HISTORY_HOURS_MAX, options.historyHours);
  const viewings: Viewing[] = [];
  let at = until - hours * HOUR_MS;
  while (at < until) {
    const perHour = Math.max(1, options.viewersPerMinute * 6 * shapeAt(at));
    at += Math.floor((-Math.log(1 - random.next()) * HOUR_MS) / perHour);
    const seed = `${options.seed}/past/${at}`;
    const viewing = createViewing({ seed, startsAt: at, videos: DEMO_VIDEOS, sentAtShare: 0, silentShare: 0 });
    if (viewing.endsAt < until) viewings.push(viewing);
  }
  return viewings;
}

async function sendHistory(driver: Driver, viewings: readonly Viewing[], perAddress: boolean): Promise<void> {
  const waiting = new Map<string, { viewer: Viewing['viewer']; beacons: WireBeacon[]; events: number }>();
  for (const viewing of viewings) {
    const sender = perAddress ? viewing.viewer.address : viewing.viewer.userAgent;
    for (const { beacon } of planDelivery(viewing, { speed: 1 }).deliveries) {
      const batch = waiting.get(sender) ?? { viewer: viewing.viewer, beacons: [], events: 0 };
      batch.beacons.push(beacon);
      batch.events += beacon.events.length;
      waiting.set(sender, batch);
      if (batch.events < EVENTS_PER_REQUEST_MAX) continue;
      waiting.delete(sender);
      await driver.send(batch.viewer, batch.beacons);
    }
    const rest = perAddress ? waiting.get(sender) : undefined;
    if (!rest) continue;
    waiting.delete(sender);
    await driver.send(rest.viewer, rest.beacons);
  }
  for (const batch of waiting.values()) await driver.send(batch.viewer, batch.beacons);
}
