// A simulated player: it has a clock, a playhead and a viewer who presses its buttons; it reports events as the SDK
// does, and keeps the truth. Watch time counts only as far as an event proves it, so silence costs what the last
// event did not say.
import { countError, emptyTruth, reachesEnd, type SessionTruth, type TruthSection, type WireEvent, watchTimes } from './truth.ts';

export const HEARTBEAT_MS = 5_000;

export type ReportedEvent = { video: string; event: WireEvent };

/** What the videos of one page have in common: one clock, one numbering, one list of events. */
export type Page = { session: string; now: number; nextSeq: number; numbered: boolean; events: ReportedEvent[] };

export type Player = {
  page: Page;
  durationMs: number;
  positionMs: number;
  moving: boolean;
  rateMilli: number;
  kbps: number;
  /** When the current stretch began, and where. */
  movingSince: number;
  movingFromMs: number;
  /** The section that is being played, not yet in the truth while it is empty. */
  section: TruthSection | undefined;
  /** Where contiguous play would go on; anything else starts a new run. */
  contiguousAtMs: number;
  run: number;
  heartbeatAt: number;
  attemptedAt: number;
  truth: SessionTruth;
};

export function createPlayer(page: Page, video: string, durationMs: number): Player {
  return {
    page,
    durationMs,
    positionMs: 0,
    moving: false,
    rateMilli: 1000,
    kbps: -1,
    movingSince: 0,
    movingFromMs: 0,
    section: undefined,
    contiguousAtMs: -1,
    run: -1,
    heartbeatAt: 0,
    attemptedAt: -1,
    truth: emptyTruth(page.session, video, page.now),
  };
}

/** Reports an event at the current moment. With a position it proves what was played up to there. */
export function report(player: Player, type: string, fields: Partial<WireEvent> = {}, withPosition = true): WireEvent {
  const { page, truth } = player;
  const event: WireEvent = { type, at: page.now, ...(withPosition ? { positionMs: player.positionMs } : {}), ...fields };
  if (page.numbered) event.seq = page.nextSeq;
  page.nextSeq++;
  page.events.push({ video: truth.video, event });
  truth.events++;
  truth.endedAt = page.now;
  if (withPosition && player.moving) prove(player);
  return event;
}

function prove(player: Player): void {
  const section = player.section as TruthSection;
  const playedMs = player.positionMs - section.toMs;
  if (playedMs <= 0) {
    // A report without any advance: what is played from here on began now at the earliest.
    if (section.toMs === section.fromMs) section.startedAt = player.page.now;
    return;
  }
  if (section.toMs === section.fromMs) player.truth.sections.push(section);
  section.toMs = player.positionMs;
  player.contiguousAtMs = player.positionMs;
  if (player.kbps >= 0) {
    player.truth.bitrateKbpsMs += player.kbps * playedMs;
    player.truth.bitrateKnownMs += playedMs;
  }
}

function beginStretch(player: Player): void {
  if (player.positionMs !== player.contiguousAtMs) player.run++;
  player.contiguousAtMs = player.positionMs;
  player.moving = true;
  player.movingSince = player.page.now;
  player.movingFromMs = player.positionMs;
  player.section = {
    run: player.run,
    fromMs: player.positionMs,
    toMs: player.positionMs,
    startedAt: player.page.now,
    rateMilli: player.rateMilli,
  };
}

/** Play asked for. */
export function attempt(player: Player): void {
  player.attemptedAt = player.page.now;
  player.truth.attempts = 1;
  report(player, 'attempt');
}

/** Frames move from here on. */
export function startMoving(player: Player): void {
  const { truth, page } = player;
  report(player, 'playing');
  truth.end = 'silent';
  if (truth.plays === 0) {
    truth.plays = 1;
    truth.attempts = 1;
    if (player.attemptedAt >= 0) truth.startupMs = page.now - player.attemptedAt;
  }
  player.heartbeatAt = page.now + HEARTBEAT_MS;
  beginStretch(player);
}

/** The playhead stops where it is; what was played is proven by this event. */
export function stopMoving(player: Player, type: string, fields: Partial<WireEvent> = {}): void {
  report(player, type, fields);
  player.moving = false;
}

/** Milliseconds until the playhead reaches the end at the current rate. */
export function untilEndMs(player: Player): number {
  return Math.ceil(((player.durationMs - player.positionMs) * 1000) / player.rateMilli);
}

/** Lets time pass; heartbeats go out on the way. Stops at the end of the video. */
export function pass(player: Player, ms: number): void {
  const { page } = player;
  if (!player.moving) {
    page.now += ms;
    return;
  }
  const until = page.now + Math.min(ms, untilEndMs(player));
  while (player.heartbeatAt < until) {
    moveTo(player, player.heartbeatAt);
    report(player, 'heartbeat');
    player.heartbeatAt += HEARTBEAT_MS;
  }
  moveTo(player, until);
}

function moveTo(player: Player, now: number): void {
  player.page.now = now;
  const playedMs = Math.floor(((now - player.movingSince) * player.rateMilli) / 1000);
  player.positionMs = Math.min(player.durationMs, player.movingFromMs + playedMs);
}

export function atEnd(player: Player): boolean {
  return player.positionMs >= player.durationMs;
}

/** The buffer runs dry for this long. A player may say that it is over, or just play on. */
export function stall(player: Player, ms: number, saysEnd: boolean): void {
  stopMoving(player, 'stall_start');
  pass(player, ms);
  if (saysEnd) report(player, 'stall_end');
  player.truth.stalls++;
  player.truth.stallMs += ms;
  startMoving(player);
}

/** The viewer moves the playhead; while it was moving it goes on after `delayMs`. A buffer that runs dry meanwhile is no stall. */
export function seek(player: Player, toMs: number, delayMs: number, bufferRanDry: boolean): void {
  const wasMoving = player.moving;
  const fromMs = player.positionMs;
  if (wasMoving) prove(player);
  player.moving = false;
  player.positionMs = toMs;
  player.contiguousAtMs = -1;
  report(player, 'seek', { fromMs, toMs });
  player.truth.seeks++;
  if (!wasMoving) return;
  if (bufferRanDry) {
    report(player, 'stall_start');
    pass(player, delayMs);
    report(player, 'stall_end');
  } else pass(player, delayMs);
  startMoving(player);
}

export function setRate(player: Player, rateMilli: number): void {
  report(player, 'rate', { rate: rateMilli / 1000 });
  player.rateMilli = rateMilli;
  if (player.moving) beginStretch(player);
}

export function setQuality(player: Player, rendition: { bitrateBps: number; width: number; height: number }): void {
  report(player, 'quality', rendition);
  const kbps = Math.floor(rendition.bitrateBps / 1000);
  if (player.kbps >= 0 && kbps > player.kbps) player.truth.switchesUp++;
  if (player.kbps >= 0 && kbps < player.kbps) player.truth.switchesDown++;
  player.kbps = kbps;
}

/** An error; a fatal one before the first frame is a start failure, after it a playback failure. */
export function fail(player: Player, code: string, fatal: boolean): void {
  const { truth } = player;
  report(player, 'error', { code, message: `simulated ${code}`, fatal });
  countError(truth, code, fatal);
  if (!fatal) return;
  player.moving = false;
  if (truth.plays === 1) truth.playbackFailures = 1;
  else truth.startFailures = 1;
}

export function custom(player: Player, name: string, data: unknown): void {
  const event = report(player, 'custom', { name, data });
  player.truth.customEvents.push({ seq: event.seq ?? -1, at: event.at, name, positionMs: player.positionMs, data });
}

/** The end of the video, reached by playing. */
export function finish(player: Player): void {
  stopMoving(player, 'ended');
  player.truth.end = 'ended';
  player.truth.completions = 1;
}

export function leave(player: Player): void {
  stopMoving(player, 'leave');
  player.truth.end = 'leave';
}

/** Closes the books: derived figures of the truth. */
export function settle(player: Player): SessionTruth {
  const { truth } = player;
  Object.assign(truth, watchTimes(truth.sections));
  if (truth.sections.some((section) => reachesEnd(section.toMs, player.durationMs))) truth.completions = 1;
  if (truth.attempts === 1 && truth.plays === 0 && truth.startFailures === 0) truth.exitsBeforeStart = 1;
  return truth;
}
