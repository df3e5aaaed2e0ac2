// A viewer's script: how one person watches one or more videos on a page, drawn from a seed. The result is what the
// player reports and what was true. Deterministic: the same seed and options give the same viewing.
import { AGENTS, type Agent, ARRIVALS, type Arrival, type CatalogVideo, NETWORKS, RENDITIONS } from './catalog.ts';
import * as player from './player.ts';
import { createRandom, type Random } from './random.ts';
import type { SessionTruth } from './truth.ts';

export type Viewer = {
  session: string;
  userAgent: string;
  /** For gateways that trust a forwarded address; never part of a beacon. */
  address: string;
  player: { name: string; version: string };
  arrival: Arrival;
  meta: Record<string, string | number | boolean> | undefined;
  /** Whether beacons say when they were sent. Without it the gateway takes the viewer's clock as it is. */
  saysSentAt: boolean;
};

export type Viewing = {
  viewer: Viewer;
  videos: readonly CatalogVideo[];
  events: readonly player.ReportedEvent[];
  /** One per video watched, in order. */
  truths: readonly SessionTruth[];
  /** The viewer's clock at the first and after the last moment of the viewing. */
  startsAt: number;
  endsAt: number;
};

/** How a viewing is drawn. Shares are probabilities. */
export type ViewingOptions = {
  seed: number | string;
  startsAt: number;
  videos: readonly CatalogVideo[];
  /** Share of players that do not number their events. */
  unnumberedShare?: number;
  /** Share of beacons' senders that tell when they sent. */
  sentAtShare?: number;
  /** Share of pages on which more than one video is watched. */
  playlistShare?: number;
  /** Share of viewers that close the page without a word. */
  silentShare?: number;
};

const CUSTOM_EVENTS = [
  { name: 'cta_click', data: { button: 'buy' } },
  { name: 'chapter', data: { index: 2 } },
  { name: 'share', data: { to: 'mail' } },
] as const;

/** Draws a viewing. */
export function createViewing(options: ViewingOptions): Viewing {
  const random = createRandom(options.seed);
  const viewer = drawViewer(random, options);
  const page: player.Page = {
    session: viewer.session,
    now: options.startsAt,
    nextSeq: 0,
    numbered: !random.chance(options.unnumberedShare ?? 0),
    events: [],
  };
  const first = random.weighted(options.videos);
  const videos = [first];
  if (random.chance(options.playlistShare ?? 0.1)) {
    const others = options.videos.filter((video) => video.id !== first.id);
    if (others.length > 0) videos.push(random.pick(others));
  }
  const truths = videos.map((video, index) => {
    if (index > 0) page.now += random.int(100, 4_000);
    return watch({ random, page, video, silentShare: index < videos.length - 1 ? 0 : (options.silentShare ?? 0.2) });
  });
  return { viewer, videos, events: page.events, truths, startsAt: options.startsAt, endsAt: page.now };
}

function drawViewer(random: Random, options: ViewingOptions): Viewer {
  const agent: Agent = random.weighted(AGENTS);
  return {
    session: random.id(22),
    userAgent: agent.userAgent,
    address: `${random.weighted(NETWORKS).prefix}.${random.int(1, 254)}`,
    player: agent.player,
    arrival: random.weighted(ARRIVALS),
    meta: random.chance(0.5) ? { plan: random.pick(['free', 'pro']), cohort: random.int(1, 4) } : undefined,
    saysSentAt: random.chance(options.sentAtShare ?? 0.5),
  };
}

type Show = { random: Random; page: player.Page; video: CatalogVideo; silentShare: number };

function watch(show: Show): SessionTruth {
  const { random, page, video } = show;
  const person = player.createPlayer(page, video.id, video.durationMs);
  if (random.chance(0.1)) person.positionMs = random.int(0, Math.floor(video.durationMs / 3));
  if (!start(show, person)) return player.settle(person);
  // How much of the video this viewer is up for, in played time: many leave early, some watch more than once.
  const appetiteMs = Math.floor(video.durationMs * Math.min(2.2, random.next() * 2 * video.pull + 0.02));
  let moments = 0;
  while (playedMs(person) < appetiteMs && moments++ < 60) {
    player.pass(person, random.spread(Math.max(2_000, video.durationMs / 5), 300, 90_000));
    if (player.atEnd(person)) {
      player.finish(person);
      if (!random.chance(0.15)) break;
      player.pass(person, random.int(500, 8_000));
      person.positionMs = video.durationMs;
      player.seek(person, 0, 0, false);
      player.pass(person, random.int(20, 400));
      player.startMoving(person);
    } else if (!happen(random, person)) break;
  }
  end(show, person);
  return player.settle(person);
}

/** From the button to the first frame; false if it never came. */
function start(show: Show, person: player.Player): boolean {
  const { random } = show;
  if (!random.chance(0.06)) {
    player.attempt(person);
    if (random.chance(0.05)) {
      player.pass(person, random.int(50, 3_000));
      player.fail(person, random.pick(['MANIFEST_LOAD', 'DRM', 'NETWORK']), true);
      end(show, person);
      return false;
    }
    if (random.chance(0.06)) {
      player.pass(person, random.int(200, 9_000));
      end(show, person);
      return false;
    }
    const delayMs = random.spread(500, 40, 8_000);
    player.pass(person, Math.floor(delayMs / 2));
    if (random.chance(0.7)) player.setQuality(person, random.pick(RENDITIONS));
    player.pass(person, delayMs - Math.floor(delayMs / 2));
  }
  player.startMoving(person);
  return true;
}

function playedMs(person: player.Player): number {
  const openMs = person.moving && person.section ? person.positionMs - person.section.toMs : 0;
  return person.truth.sections.reduce((sum, section) => sum + section.toMs - section.fromMs, openMs);
}

/** People do not seek by less; it would be hard to tell from play that just goes on. */
const SEEK_MIN_MS = 1_000;

type Happening = { weight: number; run: (random: Random, person: player.Player) => boolean };

/** What may happen while a video plays; false = a fatal error, nothing comes after it. */
const HAPPENINGS: readonly Happening[] = [
  { weight: 6, run: pauseAndResume },
  { weight: 5, run: seekSomewhere },
  { weight: 3, run: stallAWhile },
  { weight: 2, run: changeRate },
  { weight: 4, run: changeQuality },
  { weight: 2, run: sendCustom },
  { weight: 3, run: pressSomething },
  { weight: 1, run: stumble },
  { weight: 0.3, run: crash },
];

function happen(random: Random, person: player.Player): boolean {
  return random.weighted(HAPPENINGS).run(random, person);
}

function pauseAndResume(random: Random, person: player.Player): boolean {
  player.stopMoving(person, 'pause');
  player.pass(person, random.spread(8_000, 300, 120_000));
  const toMs = random.int(0, person.durationMs - 1);
  if (random.chance(0.2) && Math.abs(toMs - person.positionMs) >= SEEK_MIN_MS) {
    player.seek(person, toMs, 0, false);
    player.pass(person, random.int(100, 3_000));
  }
  player.startMoving(person);
  return true;
}

function seekSomewhere(random: Random, person: player.Player): boolean {
  const { positionMs, durationMs } = person;
  const kind = random.int(0, 3);
  const farMs = random.int(1_500, Math.max(2_000, Math.floor(durationMs / 3)));
  const target = kind === 0 ? 0 : kind === 1 ? random.int(0, durationMs - 1) : kind === 2 ? positionMs + farMs : positionMs - farMs;
  const toMs = Math.max(0, Math.min(durationMs - 1, target));
  if (Math.abs(toMs - positionMs) >= SEEK_MIN_MS) player.seek(person, toMs, random.spread(200, 10, 3_000), random.chance(0.2));
  return true;
}

function stallAWhile(random: Random, person: player.Player): boolean {
  player.stall(person, random.spread(900, 120, 12_000), random.chance(0.8));
  return true;
}

function changeRate(random: Random, person: player.Player): boolean {
  const others = [500, 1000, 1250, 1500, 2000].filter((rateMilli) => rateMilli !== person.rateMilli);
  player.setRate(person, random.pick(others));
  return true;
}

function changeQuality(random: Random, person: player.Player): boolean {
  player.setQuality(person, random.pick(RENDITIONS));
  return true;
}

function sendCustom(random: Random, person: player.Player): boolean {
  const { name, data } = random.pick(CUSTOM_EVENTS);
  player.custom(person, name, data);
  return true;
}

function pressSomething(random: Random, person: player.Player): boolean {
  const kind = random.int(0, 3);
  if (kind === 0) player.report(person, 'fullscreen', { on: random.chance(0.5) });
  else if (kind === 1) player.report(person, 'volume', { level: random.int(0, 10) / 10, muted: random.chance(0.2) });
  else if (kind === 2) player.report(person, 'captions', { on: true, language: random.pick(['en', 'de', 'nl']) }, false);
  else player.report(person, 'ad', { phase: random.pick(['start', 'end', 'skip']), id: `ad-${random.int(1, 5)}` }, false);
  return true;
}

function stumble(random: Random, person: player.Player): boolean {
  player.fail(person, random.pick(['FRAG_RETRY', 'CAPTIONS_404']), false);
  return true;
}

function crash(random: Random, person: player.Player): boolean {
  player.fail(person, random.pick(['DECODE', 'NETWORK']), true);
  return false;
}

function end(show: Show, person: player.Player): void {
  const { random } = show;
  if (random.chance(show.silentShare)) {
    player.pass(person, random.int(0, player.HEARTBEAT_MS - 1));
    return;
  }
  if (person.moving && random.chance(0.4)) player.stopMoving(person, 'pause');
  if (!person.moving) player.pass(person, random.int(0, 3_000));
  player.leave(person);
}
