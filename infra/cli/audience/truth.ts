// What really happened in a simulated viewing: the figures that the engine must give if every event reaches it.
// Instants are epoch ms on the viewer's clock, durations and positions integer ms, -1 = never or unknown.

/** An event as `POST /v1/beacons` takes it (api.md section 2). */
export type WireEvent = {
  seq?: number;
  type: string;
  at: number;
  positionMs?: number;
  fromMs?: number;
  toMs?: number;
  rate?: number;
  bitrateBps?: number;
  width?: number;
  height?: number;
  code?: string;
  message?: string;
  fatal?: boolean;
  on?: boolean;
  language?: string;
  level?: number;
  muted?: boolean;
  phase?: string;
  id?: string;
  name?: string;
  data?: unknown;
};

/** A stretch of the media timeline that was played; `run` and `rateMilli` as in schemas/session.ts. */
export type TruthSection = { run: number; fromMs: number; toMs: number; startedAt: number; rateMilli: number };

export type TruthCustomEvent = { seq: number; at: number; name: string; positionMs: number; data: unknown };

/** The truth of one session: one viewer, one video. */
export type SessionTruth = {
  session: string;
  video: string;
  startedAt: number;
  endedAt: number;
  /** Last words: `leave`, `ended`, or `silent` where the page was closed without any. */
  end: 'leave' | 'ended' | 'silent';
  events: number;
  sections: TruthSection[];
  uniqueWatchMs: number;
  totalWatchMs: number;
  attempts: number;
  plays: number;
  completions: number;
  startupMs: number;
  stalls: number;
  stallMs: number;
  seeks: number;
  startFailures: number;
  playbackFailures: number;
  exitsBeforeStart: number;
  bitrateKbpsMs: number;
  bitrateKnownMs: number;
  switchesUp: number;
  switchesDown: number;
  errors: { code: string; fatal: boolean; count: number }[];
  customEvents: TruthCustomEvent[];
};

/** A truth in which nothing has happened yet. */
export function emptyTruth(session: string, video: string, at: number): SessionTruth {
  return {
    session,
    video,
    startedAt: at,
    endedAt: at,
    end: 'silent',
    events: 0,
    sections: [],
    uniqueWatchMs: 0,
    totalWatchMs: 0,
    attempts: 0,
    plays: 0,
    completions: 0,
    startupMs: -1,
    stalls: 0,
    stallMs: 0,
    seeks: 0,
    startFailures: 0,
    playbackFailures: 0,
    exitsBeforeStart: 0,
    bitrateKbpsMs: 0,
    bitrateKnownMs: 0,
    switchesUp: 0,
    switchesDown: 0,
    errors: [],
    customEvents: [],
  };
}

/** Counts an error by code and severity, in the order in which they first came. */
export function countError(truth: SessionTruth, code: string, fatal: boolean): void {
  const known = truth.errors.find((error) => error.code === code && error.fatal === fatal);
  if (known) known.count++;
  else truth.errors.push({ code, fatal, count: 1 });
}

/** Total and unique watch time by brute force: one byte per played millisecond of the media timeline. */
export function watchTimes(sections: readonly { fromMs: number; toMs: number }[]): { totalWatchMs: number; uniqueWatchMs: number } {
  const end = sections.reduce((most, section) => Math.max(most, section.toMs), 0);
  const played = new Uint8Array(end);
  let totalWatchMs = 0;
  for (const { fromMs, toMs } of sections) {
    totalWatchMs += toMs - fromMs;
    played.fill(1, fromMs, toMs);
  }
  let uniqueWatchMs = 0;
  for (const ms of played) uniqueWatchMs += ms;
  return { totalWatchMs, uniqueWatchMs };
}

/** True if a position counts as having reached the end: within 1 s or 1 % of it. */
export function reachesEnd(positionMs: number, durationMs: number): boolean {
  return durationMs > 0 && positionMs >= durationMs - Math.max(1000, Math.floor(durationMs / 100));
}
