// The sealed and provisional session, its watch sections and the other outputs of the fold, as plain data.
// Imports nothing. Instants are epoch ms, durations and positions integer ms, '' and -1 mean unknown.

/** Why a session was sealed. Source: design.md section 4. */
export const SEAL_REASONS = ['leave', 'ended', 'idle', 'age', 'size', 'closed'] as const;
export type SealReason = (typeof SEAL_REASONS)[number];

/**
 * A half-open stretch [fromMs, toMs) of the media timeline that was really played, at one rate.
 * `run` numbers maximal contiguous stretches: a section that starts where the one before it ended (after a
 * pause, a stall or a change of rate) keeps the run, a jump starts a new one. "Watches" count runs.
 */
export type WatchSection = {
  run: number;
  fromMs: number;
  toMs: number;
  /** Event time at which play of the section began, epoch ms. */
  startedAt: number;
  rateMilli: number;
};

/** One playback or start error as counted in a session. */
export type SessionError = { code: string; fatal: boolean; count: number };

/** The dimensions and context of a session, frozen when it is sealed. */
export type SessionContext = {
  title: string;
  durationMs: number;
  live: number;
  pageHost: string;
  pagePath: string;
  referrerHost: string;
  source: string;
  medium: string;
  campaign: string;
  country: string;
  region: string;
  browser: string;
  platform: string;
  device: string;
  playerName: string;
  playerVersion: string;
  protocol: string;
  bot: boolean;
  viewer: string;
  meta: string;
};

/** The figures of one part of a session. All counts are of this part only (a supplement adds, it never repeats). */
export type SessionFigures = {
  /** 1 if the part asked to play (attempt, or playing without one). */
  attempts: number;
  /** 1 if the part holds the session's first frame. */
  plays: number;
  uniqueWatchMs: number;
  totalWatchMs: number;
  /** 1 if `ended` was seen or the played position came within 1 s or 1 % of the end. */
  completions: number;
  /** Play asked to first frame, ms; -1 = unknown. */
  startupMs: number;
  stalls: number;
  stallMs: number;
  seeks: number;
  startFailures: number;
  playbackFailures: number;
  exitsBeforeStart: number;
  /** Sum of bitrate (kbit/s) x played ms, and the played ms for which a bitrate was known. */
  bitrateKbpsMs: number;
  bitrateKnownMs: number;
  switchesUp: number;
  switchesDown: number;
  errors: SessionError[];
};

/** What the session was made from: the evidence that every event is accounted for. */
export type SessionEvidence = {
  /** Distinct events folded into this part. */
  received: number;
  /** Sequence numbers that never came, as known when this part was sealed. */
  lost: number;
  /** Copies recognised and not counted, up to the seal. */
  duplicates: number;
  /** Of the received, those that came after their place was given up or their session was sealed. */
  late: number;
  /** Duplicates whose content differed from the first copy. */
  conflicts: number;
  /** Limits reached in this part (sections merged, pending overflow ...). */
  limitHits: number;
  /** Highest sequence number folded into this part; -1 = not numbered. */
  seqHighest: number;
  /** Sum modulo 2^64 of the 64-bit hashes of the ids of the events folded (D20), as two unsigned 32-bit halves. */
  checksumHigh: number;
  checksumLow: number;
};

export type SessionPart = SessionFigures &
  SessionEvidence & {
    site: string;
    session: string;
    /** '' = a session without a video. */
    video: string;
    /** 0 = the session itself, n = its n-th supplement. */
    part: number;
    /** Event time of the session's first event, epoch ms: the same in all parts (it is the time column, P9). */
    startedAt: number;
    /** Event time of the part's last event, epoch ms. */
    endedAt: number;
    context: SessionContext;
    sections: WatchSection[];
  };
