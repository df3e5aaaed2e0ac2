// The truth as far as the delivered events tell it: what must be answered when some events of a viewing never arrive. Written
// from the definitions, not from the fold: it walks the events once per video with a handful of variables, writes down what
// was provably played, and measures it a byte per millisecond.
import { countError, emptyTruth, reachesEnd, type SessionTruth, type TruthSection, type WireEvent, watchTimes } from './truth.ts';
import type { Viewing } from './viewing.ts';

/**
 * Figures that follow from exactly these events (places in the viewing, ascending), one truth per video that has any. Videos
 * whose length no delivered beacon tells are named in `untold`.
 */
export function observe(viewing: Viewing, indexes: readonly number[], untold: ReadonlySet<string> = new Set()): SessionTruth[] {
  const truths: SessionTruth[] = [];
  for (const { id, durationMs } of viewing.videos) {
    const video = { id, durationMs: untold.has(id) ? -1 : durationMs };
    const events = indexes.flatMap((index) => {
      const reported = viewing.events[index];
      return reported?.video === video.id ? [reported.event] : [];
    });
    if (events.length > 0) truths.push(observeSession(viewing.viewer.session, video, events));
  }
  return truths;
}

type Mode = 'idle' | 'moving' | 'still' | 'stalled' | 'seeking' | 'failed';

type Watcher = {
  truth: SessionTruth;
  mode: Mode;
  now: number;
  rateMilli: number;
  /** The last place known, when, and the highest rate since. */
  seen: { positionMs: number; at: number; rateMilli: number } | undefined;
  section: TruthSection | undefined;
  /** End of the last section if play may go on from there. */
  endedAtMs: number;
  run: number;
  attemptedAt: number;
  stalledAt: number;
  kbps: number;
  saidEnded: boolean;
};

/** How far play may seem to run ahead of the clock: a second and a tenth. */
const TOLERANCE_MS = 1_000;
const JITTER_MS = 2_000;
const MOTION_MS = 250;
const SILENT_ABOUT_POSITION: readonly string[] = ['playing', 'seek', 'ad'];

function observeSession(session: string, video: { id: string; durationMs: number }, events: readonly WireEvent[]): SessionTruth {
  const watcher: Watcher = {
    truth: emptyTruth(session, video.id, (events[0] as WireEvent).at),
    mode: 'idle',
    now: 0,
    rateMilli: 1000,
    seen: undefined,
    section: undefined,
    endedAtMs: -1,
    run: -1,
    attemptedAt: -1,
    stalledAt: -1,
    kbps: -1,
    saidEnded: false,
  };
  const { truth } = watcher;
  for (const event of events) {
    watcher.now = event.at;
    truth.events++;
    truth.endedAt = event.at;
    if (event.positionMs !== undefined && !SILENT_ABOUT_POSITION.includes(event.type)) look(watcher, event.positionMs);
    (HANDLERS[event.type] ?? (() => {}))(watcher, event);
  }
  cut(watcher);
  endStall(watcher, watcher.now);
  Object.assign(truth, watchTimes(truth.sections));
  if (truth.plays === 1 && truth.sections.some((section) => reachesEnd(section.toMs, video.durationMs))) truth.completions = 1;
  if (truth.plays === 1 && watcher.saidEnded) truth.completions = 1;
  if (watcher.attemptedAt >= 0 && truth.plays === 0 && truth.startFailures === 0) truth.exitsBeforeStart = 1;
  if (watcher.attemptedAt >= 0 || truth.plays === 1) truth.attempts = 1;
  // A start that failed and then worked was no failed start.
  if (truth.plays === 1) truth.startFailures = 0;
  return truth;
}

function possibleMs(elapsedMs: number, rateMilli: number): number {
  const playable = Math.floor((elapsedMs * rateMilli) / 1000);
  return playable + Math.floor(playable / 10) + TOLERANCE_MS;
}

/** A place was reported: it proves play, a jump, or nothing. */
function look(watcher: Watcher, positionMs: number): void {
  const { seen, now, section } = watcher;
  if (!seen) {
    watcher.seen = { positionMs, at: now, rateMilli: watcher.rateMilli };
    return;
  }
  const stepMs = positionMs - seen.positionMs;
  const moving = watcher.mode === 'moving';
  if (stepMs < 0 ? stepMs > -JITTER_MS : !moving && stepMs < MOTION_MS) {
    if (!moving) seen.at = now;
    return;
  }
  const sinceSeen = stepMs <= possibleMs(now - seen.at, seen.rateMilli);
  const sinceBegun = !section || positionMs - section.fromMs <= possibleMs(now - section.startedAt, seen.rateMilli);
  if (stepMs < 0 || !sinceSeen || !sinceBegun) {
    cut(watcher);
    watcher.endedAtMs = -1;
    watcher.seen = { positionMs, at: now, rateMilli: watcher.rateMilli };
    return;
  }
  if (stepMs > 0) play(watcher, positionMs, moving ? seen.at : Math.max(seen.at, now - Math.floor((stepMs * 1000) / watcher.rateMilli)));
  else watcher.seen = { positionMs, at: now, rateMilli: watcher.rateMilli };
}

/** Play from the last known place to this one is proven; if nobody said that frames move, they did since then. */
function play(watcher: Watcher, toMs: number, sinceAt: number): void {
  const seen = watcher.seen as NonNullable<Watcher['seen']>;
  const { truth } = watcher;
  if (!watcher.section) {
    const goesOn = watcher.endedAtMs >= 0 && Math.abs(seen.positionMs - watcher.endedAtMs) <= MOTION_MS;
    if (!goesOn) watcher.run++;
    watcher.section = { run: watcher.run, fromMs: seen.positionMs, toMs, startedAt: sinceAt, rateMilli: watcher.rateMilli };
    truth.sections.push(watcher.section);
  }
  const { section } = watcher;
  section.toMs = toMs;
  if (watcher.kbps >= 0) {
    truth.bitrateKbpsMs += watcher.kbps * (toMs - seen.positionMs);
    truth.bitrateKnownMs += toMs - seen.positionMs;
  }
  watcher.seen = { positionMs: toMs, at: watcher.now, rateMilli: watcher.rateMilli };
  if (watcher.mode === 'moving') return;
  truth.plays = 1;
  endStall(watcher, section.startedAt);
  watcher.mode = 'moving';
}

function cut(watcher: Watcher): void {
  if (watcher.section) watcher.endedAtMs = watcher.section.toMs;
  watcher.section = undefined;
}

function endStall(watcher: Watcher, at: number): void {
  if (watcher.stalledAt >= 0) watcher.truth.stallMs += Math.max(0, at - watcher.stalledAt);
  watcher.stalledAt = -1;
}

/** Frames stand still from here. */
function halt(watcher: Watcher, mode: Mode): void {
  endStall(watcher, watcher.now);
  cut(watcher);
  watcher.mode = mode;
}

function startPlaying(watcher: Watcher, event: WireEvent): void {
  const { truth } = watcher;
  if (watcher.mode === 'moving') {
    if (event.positionMs !== undefined) look(watcher, event.positionMs);
    return;
  }
  if (truth.plays === 0 && watcher.attemptedAt >= 0) truth.startupMs = event.at - watcher.attemptedAt;
  truth.plays = 1;
  truth.end = 'silent';
  endStall(watcher, event.at);
  cut(watcher);
  const positionMs = event.positionMs ?? watcher.seen?.positionMs;
  if (positionMs !== undefined) watcher.seen = { positionMs, at: event.at, rateMilli: watcher.rateMilli };
  watcher.mode = 'moving';
}

const HANDLERS: Readonly<Record<string, (watcher: Watcher, event: WireEvent) => void>> = {
  attempt(watcher, event) {
    if (watcher.mode === 'idle' && watcher.truth.plays === 0) watcher.attemptedAt = event.at;
  },
  playing: startPlaying,
  pause(watcher) {
    if (watcher.mode === 'moving' || watcher.mode === 'stalled' || watcher.mode === 'seeking') halt(watcher, 'still');
  },
  stall_start(watcher) {
    if (watcher.mode !== 'moving') return;
    halt(watcher, 'stalled');
    watcher.truth.stalls++;
    watcher.stalledAt = watcher.now;
  },
  stall_end(watcher, event) {
    if (watcher.mode === 'stalled') startPlaying(watcher, event);
  },
  seek(watcher, event) {
    const { mode } = watcher;
    if (mode !== 'seeking' && event.fromMs !== undefined) look(watcher, event.fromMs);
    if (watcher.truth.plays === 1) watcher.truth.seeks++;
    endStall(watcher, watcher.now);
    cut(watcher);
    watcher.endedAtMs = -1;
    watcher.seen = { positionMs: event.toMs as number, at: watcher.now, rateMilli: watcher.rateMilli };
    // What its start proves does not change what a seek does: only play that was known to go on goes on afterwards.
    watcher.mode = mode === 'moving' || mode === 'stalled' ? 'seeking' : mode;
    if (watcher.truth.end === 'ended') watcher.truth.end = 'silent';
  },
  rate(watcher, event) {
    cut(watcher);
    watcher.rateMilli = Math.round((event.rate as number) * 1000);
    if (watcher.seen) {
      const fresh = watcher.seen.at === watcher.now;
      watcher.seen.rateMilli = fresh ? watcher.rateMilli : Math.max(watcher.seen.rateMilli, watcher.rateMilli);
    }
  },
  quality(watcher, event) {
    const kbps = Math.round((event.bitrateBps as number) / 1000);
    if (watcher.kbps >= 0 && kbps > watcher.kbps) watcher.truth.switchesUp++;
    if (watcher.kbps >= 0 && kbps < watcher.kbps) watcher.truth.switchesDown++;
    watcher.kbps = kbps;
  },
  error(watcher, event) {
    countError(watcher.truth, event.code as string, event.fatal === true);
    if (!event.fatal || watcher.mode === 'failed') return;
    if (watcher.truth.plays === 1) watcher.truth.playbackFailures = 1;
    else watcher.truth.startFailures = 1;
    halt(watcher, 'failed');
  },
  ended(watcher) {
    watcher.saidEnded = true;
    watcher.truth.end = 'ended';
    halt(watcher, 'still');
  },
  leave(watcher) {
    watcher.truth.end = 'leave';
    halt(watcher, 'still');
  },
  custom(watcher, event) {
    const { seq = -1, at, name = '', positionMs = -1, data } = event;
    watcher.truth.customEvents.push({ seq, at, name, positionMs, data });
  },
};
