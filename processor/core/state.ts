// The state of one partition: what its types are, and how each part of it is born. Plain data (numbers, strings, arrays) apart from
// two look-ups that a restore rebuilds: the map of streams and the timer wheel. No raw event is kept except behind a missing number.
import type { BeaconContext, BeaconEvent, Protocol } from '../../schemas/beacon.ts';
import type { SessionContext, SessionError } from '../../schemas/session.ts';
import type { Ledger } from './outputs.ts';
import { PackedSession, PackedStream } from './packed.ts';
import type { ControlledValues, FoldSettings, LimitName } from './settings.ts';
import { LIMIT_NAMES } from './settings.ts';
import { createSharedTexts, type SharedTexts } from './texts.ts';
import type { PlayState } from './transitions.ts';
import { createWheel, type Wheel } from './wheel.ts';

/** What an event shares with the other events of its beacon. Instants are epoch ms. */
export type BeaconSource = {
  video: string;
  protocol: Protocol;
  receivedAt: number;
  /** -1 = unknown. */
  sentAt: number;
  /** -1 = the beacon has no client clock: event times are deltas from receivedAt. */
  baseAt: number;
  context: BeaconContext | null;
};

/** An event that waits: for a missing number (event null = its number is settled already: a reject), or, seq -1, for older ones. */
export type PendingEvent = {
  seq: number;
  /** Place in its request. */
  index: number;
  arrivedAtActive: number;
  contentHash: number;
  event: BeaconEvent | null;
  source: BeaconSource;
};

/** Numbers from..to-1 were given up; the loss is charged to that part of that video (part -1: to the part that folds the next event). */
export type Hole = { from: number; to: number; video: string; part: number };

/** What a stream remembers of each of its videos, for the life of the stream. */
export type VideoRecord = {
  video: string;
  /** Event time of the session's first event, epoch ms. */
  startedAt: number;
  /** Added to the client's clock to get event time, ms. */
  clockShiftMs: number;
  durationMs: number;
  live: number;
  nextPart: number;
  /** Id of the visit it belongs to; -1 = its stream has no visits. */
  visitId: number;
  /** Once-only figures that a sealed part has counted: sum of FLAG_*. */
  flags: number;
};
export const FLAG_ATTEMPTED = 1;
export const FLAG_PLAYED = 2;
export const FLAG_COMPLETED = 4;
export const FLAG_START_FAILED = 8;
export const FLAG_PLAYBACK_FAILED = 16;

/** A visit of a stream whose hits are stamped (visits.ts). Instants are event time, epoch ms. */
export type Visit = {
  /** The instant under which it was opened, made unique in its stream: its name. */
  id: number;
  startedAt: number;
  /** Of its last hit, one without interaction included. */
  lastAt: number;
  /** Calendar date of the hit that opened it, in the site's time zone. */
  day: string;
  /** Digest of its traffic source, '' = direct. */
  source: string;
  /** Nothing joins it any more but what happened before it was over. */
  over: boolean;
};

/** All that one client session id of one site has sent: numbering and copies are judged here, over all its videos. */
export type Stream = {
  /** Record key, `site/session`. */
  readonly key: string;
  readonly site: string;
  readonly session: string;
  /** Hash of `site/session/`, two halves, signed: the prefix of its event ids (D20). */
  readonly idHigh: number;
  readonly idLow: number;
  /** Every number below is settled: folded, dead, or given up (then it is in holes). */
  nextSeq: number;
  holes: Hole[];
  /** Below this number holes are forgotten: folded and lost cannot be told apart any more. */
  forgottenBelow: number;
  /** Content hashes of the newest settled numbers, at index seq modulo CONFLICT_WINDOW. */
  seqHashes: number[];
  /** Identities of the newest unnumbered events, oldest first from recentAt on; a ring once it is full. */
  recentEvents: number[];
  recentAt: number;
  /** Ordered by seq. */
  pending: PendingEvent[];
  /** Unnumbered events that wait for older ones, ordered by client time (held.ts). */
  held: PendingEvent[];
  videos: VideoRecord[];
  /** Visits remembered, by start; the last one is the current one. Empty but where hits are stamped. */
  visits: readonly Visit[];
  /** Video of the event folded last in order; events that name none belong to it. */
  currentVideo: string;
  /** Open parts: per video at most one on each line. */
  sessions: Session[];
  /** Log-active time of the last record that brought this stream anything. */
  lastAtActive: number;
  /** Copies seen before any session was open; the first one to open takes them over. */
  heldDuplicates: number;
  heldConflicts: number;
  /** Nothing open and nothing waiting: only the tombstone is left. */
  dormant: boolean;
  /** Deadline under which the wheel holds it, a lower bound of the true one; -1 = not in the wheel. Not part of a snapshot. */
  timerAt: number;
};

/** main = events in order; filler = events that came after their place was given up. */
export type Line = 'main' | 'filler';

/** An open part of a session. Event times are epoch ms, positions and durations integer ms. */
export type Session = {
  video: VideoRecord;
  part: number;
  readonly line: Line;
  openedAtActive: number;
  lastAtActive: number;
  /** Event time of the part's first and last event; never goes back. */
  firstAt: number;
  nowAt: number;

  state: PlayState;
  /** Event time of the first `attempt` before the first frame; -1 = none. */
  attemptAt: number;
  attempted: boolean;
  played: boolean;
  ended: boolean;
  startupMs: number;
  rateMilli: number;
  /** The highest rate so far: what V3 is measured with. */
  rateHighestMilli: number;
  /** The last proven position and when it was proven; -1 = unknown. */
  anchorMs: number;
  anchorAt: number;
  /** Highest rate since the anchor. */
  anchorRateMilli: number;
  /** The section being played, once it is not empty; openFromMs -1 = none. */
  openFromMs: number;
  openToMs: number;
  openAt: number;
  /** Closed sections, five numbers each: run, fromMs, toMs, startedAt, rateMilli. */
  sections: number[];
  run: number;
  /** Where the section before ended: a section that starts there keeps its run. -1 = a jump lies between. */
  contiguousAtMs: number;
  /** Played time that merging at the section limit took out of (or, negative, put into) the sum of sections. */
  mergedMs: number;

  stallAt: number;
  stalls: number;
  stallMs: number;
  seeks: number;
  /** A seek has told where it began but not yet where it goes. */
  seekPending: boolean;
  bitrateKbps: number;
  bitrateKbpsMs: number;
  bitrateKnownMs: number;
  switchesUp: number;
  switchesDown: number;
  failedBeforeStart: boolean;
  failedAfterStart: boolean;
  errors: SessionError[];

  received: number;
  lost: number;
  duplicates: number;
  late: number;
  conflicts: number;
  limitHits: number;
  seqHighest: number;
  checksumHigh: number;
  checksumLow: number;

  context: SessionContext;
  stream: Stream;
  /** In the queue of changed sessions. Not part of a snapshot. */
  changed: boolean;
  sealed: boolean;
};

export type SessionKey = { site: string; session: string; video: string; part: number };

export type State = {
  settings: FoldSettings;
  /** What control records have set: by site, then protocol; '' = every one. */
  overrides: Map<string, Map<string, ControlledValues>>;
  /** Largest append time folded, epoch ms; -1 before the first record. */
  streamTime: number;
  /** Log-active time, ms (D13). */
  activeTime: number;
  emissionSeq: number;
  ledger: Ledger;
  limits: Record<LimitName, number>;
  /** By record key. Its order means nothing. */
  streams: Map<string, Stream>;
  openSessions: number;
  tombstones: number;
  wheel: Wheel;
  /** Queue of sessions to publish, oldest change first; changedHead = how many were taken from its front. Not part of a snapshot. */
  changed: Session[];
  changedHead: number;
  gone: SessionKey[];
  /** The beacon context applied last and to which session, to skip the next event of the same beacon. Not part of a snapshot. */
  contextApplied: BeaconContext | null;
  contextSession: Session | null;
  /** Texts that many streams and sessions have in common, each kept once. Not part of a snapshot. */
  texts: SharedTexts;
};

/** In the order of the snapshot. */
export const LEDGER_NAMES = [
  'records',
  'ticks',
  'controls',
  'beacons',
  'eventsInLog',
  'folded',
  'late',
  'dead',
  'duplicates',
  'waiting',
] as const satisfies readonly (keyof Ledger)[];

const zeroLedger = (): Ledger => Object.fromEntries(LEDGER_NAMES.map((name) => [name, 0])) as Ledger;

/** The state before the first record. */
export function emptyPartition(settings: FoldSettings): State {
  return {
    settings,
    overrides: new Map(),
    streamTime: -1,
    activeTime: 0,
    emissionSeq: 0,
    ledger: zeroLedger(),
    limits: Object.fromEntries(LIMIT_NAMES.map((name) => [name, 0])) as Record<LimitName, number>,
    streams: new Map(),
    openSessions: 0,
    tombstones: 0,
    wheel: createWheel(0),
    changed: [],
    changedHead: 0,
    gone: [],
    contextApplied: null,
    contextSession: null,
    texts: createSharedTexts(),
  };
}

/** A stream that has seen nothing yet; the key is `site/session`. */
export const createStream = (key: string, site: string, activeTime: number): Stream => new PackedStream(key, site, activeTime);

/** A part that has folded nothing yet; firstAt and nowAt are the event time of the event that opens it. */
export const createSession = (
  stream: Stream,
  video: VideoRecord,
  start: { line: Line; part: number; nowAt: number; activeTime: number },
): Session => new PackedSession(stream, video, createContext(), start);

const createContext = (): SessionContext => ({
  title: '',
  durationMs: -1,
  live: -1,
  pageHost: '',
  pagePath: '',
  referrerHost: '',
  source: '',
  medium: '',
  campaign: '',
  country: '',
  region: '',
  browser: '',
  platform: '',
  device: '',
  playerName: '',
  playerVersion: '',
  protocol: 'unknown',
  bot: false,
  viewer: '',
  meta: '',
});
