// PartitionState <-> plain data of schemas/snapshot.avsc (V7). What only speeds things up (wheel, publishing queue) is left out and built
// anew. Order is by explicit keys, so equal states give equal bytes.
import type { BeaconContext, BeaconEvent, EventDetail, EventType, Protocol } from '../../schemas/beacon.ts';
import { UNKNOWN_CONTEXT, UNKNOWN_DETAIL } from '../../schemas/beacon.ts';
import type { SessionContext, SessionError } from '../../schemas/session.ts';
import { compareSessions, compareStreams, compareText, settleStream } from './deadlines.ts';
import type { Ledger } from './outputs.ts';
import type { PartitionState } from './partition.ts';
import { publish } from './publish.ts';
import type { ControlledValues, FoldSettings, LimitName } from './settings.ts';
import { LIMIT_NAMES } from './settings.ts';
import type { BeaconSource, Hole, PendingEvent, Session, State, Stream, VideoRecord } from './state.ts';
import { createSession, createStream, emptyPartition } from './state.ts';
import type { PlayState } from './transitions.ts';
import { PLAY_STATES } from './transitions.ts';
import { FOLD_VERSION } from './version.ts';
import { createWheel } from './wheel.ts';

/** Layout of the plain data. */
export const SNAPSHOT_VERSION = 1;

/** Fields of a session that are copied as they are. */
const SESSION_NUMBERS = [
  'part',
  'openedAtActive',
  'lastAtActive',
  'firstAt',
  'nowAt',
  'attemptAt',
  'startupMs',
  'rateMilli',
  'anchorMs',
  'anchorAt',
  'anchorRateMilli',
  'openFromMs',
  'openToMs',
  'openAt',
  'run',
  'contiguousAtMs',
  'mergedMs',
  'stallAt',
  'stalls',
  'stallMs',
  'seeks',
  'bitrateKbps',
  'bitrateKbpsMs',
  'bitrateKnownMs',
  'switchesUp',
  'switchesDown',
  'received',
  'lost',
  'duplicates',
  'late',
  'conflicts',
  'limitHits',
  'seqHighest',
  'checksumHigh',
  'checksumLow',
] as const;
const SESSION_FLAGS = ['attempted', 'played', 'ended', 'seekPending', 'failedBeforeStart', 'failedAfterStart'] as const;
const STREAM_NUMBERS = ['nextSeq', 'forgottenBelow', 'recentAt', 'lastAtActive', 'heldDuplicates', 'heldConflicts'] as const;

type SessionNumbers = Record<(typeof SESSION_NUMBERS)[number], number>;
type SessionFlags = Record<(typeof SESSION_FLAGS)[number], boolean>;
type StreamNumbers = Record<(typeof STREAM_NUMBERS)[number], number>;

/** video = index into the stream's videos; state = index into PLAY_STATES. */
export type SessionSnapshot = SessionNumbers &
  SessionFlags & { video: number; filler: boolean; state: number; sections: number[]; errors: SessionError[]; context: SessionContext };

export type StreamSnapshot = StreamNumbers & {
  site: string;
  session: string;
  currentVideo: string;
  holes: Hole[];
  seqHashes: number[];
  recentEvents: number[];
  pending: PendingEvent[];
  videos: VideoRecord[];
  sessions: SessionSnapshot[];
};

/** The shape of schemas/snapshot.avsc. Streams are ordered by (site, session), sessions by (video, part), overrides by place. */
export type PartitionSnapshot = {
  version: number;
  foldVersion: number;
  streamTime: number;
  activeTime: number;
  emissionSeq: number;
  ledger: Ledger;
  limits: { name: string; hits: number }[];
  overrides: { site: string; protocol: string; values: ControlledValues }[];
  streams: StreamSnapshot[];
};

/** A copy of the state as plain data; shares nothing that the fold changes. */
export function snapshot(state: PartitionState): PartitionSnapshot {
  return { ...headOf(state), streams: [...state.streams.values()].sort(compareStreams).map(snapshotStream) };
}

/** Canonical text of the state, in pieces, for the shell to hash (D22, H20): equal states, equal text. */
export function stateHashInput(state: PartitionState): string[] {
  const streams = [...state.streams.values()].sort(compareStreams);
  return [JSON.stringify(headOf(state)), ...streams.map((stream) => JSON.stringify(snapshotStream(stream)))];
}

function headOf(state: State): Omit<PartitionSnapshot, 'streams'> {
  const overrides = [...state.overrides].flatMap(([site, ofSite]) =>
    [...ofSite].map(([protocol, values]) => ({ site, protocol, values: { ...values } })),
  );
  return {
    version: SNAPSHOT_VERSION,
    foldVersion: FOLD_VERSION,
    streamTime: state.streamTime,
    activeTime: state.activeTime,
    emissionSeq: state.emissionSeq,
    ledger: { ...state.ledger },
    limits: LIMIT_NAMES.map((name) => ({ name, hits: state.limits[name] })),
    overrides: overrides.sort((a, b) => compareText(a.site, b.site) || compareText(a.protocol, b.protocol)),
  };
}

/** Copies the named fields, in the order of the names. */
function pick<K extends string, V>(names: readonly K[], from: Readonly<Record<K, V>>): Record<K, V> {
  const picked = {} as Record<K, V>;
  for (const name of names) picked[name] = from[name];
  return picked;
}

const snapshotStream = (stream: Stream): StreamSnapshot => ({
  site: stream.site,
  session: stream.session,
  currentVideo: stream.currentVideo,
  ...pick<(typeof STREAM_NUMBERS)[number], number>(STREAM_NUMBERS, stream),
  holes: stream.holes.map(({ from, to, video, part }) => ({ from, to, video, part })),
  seqHashes: [...stream.seqHashes],
  recentEvents: [...stream.recentEvents],
  pending: stream.pending.map(copyPending),
  videos: stream.videos.map(copyVideo),
  sessions: [...stream.sessions].sort(compareSessions).map(snapshotSession),
});

const snapshotSession = (session: Session): SessionSnapshot => ({
  video: session.stream.videos.indexOf(session.video),
  filler: session.line === 'filler',
  state: PLAY_STATES.indexOf(session.state),
  ...pick<(typeof SESSION_NUMBERS)[number], number>(SESSION_NUMBERS, session),
  ...pick<(typeof SESSION_FLAGS)[number], boolean>(SESSION_FLAGS, session),
  sections: [...session.sections],
  errors: session.errors.map(({ code, fatal, count }) => ({ code, fatal, count })),
  context: { ...session.context },
});

const copyVideo = ({ video, startedAt, clockShiftMs, durationMs, live, nextPart, flags }: VideoRecord): VideoRecord => ({
  video,
  startedAt,
  clockShiftMs,
  durationMs,
  live,
  nextPart,
  flags,
});

const copyPending = ({ seq, index, arrivedAtActive, contentHash, event, source }: PendingEvent): PendingEvent => ({
  seq,
  index,
  arrivedAtActive,
  contentHash,
  event: event === null ? null : copyEvent(event),
  source: copySource(source),
});

const DETAIL_FIELDS = Object.keys(UNKNOWN_DETAIL) as (keyof EventDetail)[];
const CONTEXT_FIELDS = Object.keys(UNKNOWN_CONTEXT) as (keyof BeaconContext)[];

const copyEvent = ({ type, seq, at, positionMs, detail }: BeaconEvent): BeaconEvent => ({
  type: type as EventType,
  seq,
  at,
  positionMs,
  detail: detail === null ? null : (pick<keyof EventDetail, unknown>(DETAIL_FIELDS, detail) as EventDetail),
});

const copySource = ({ video, protocol, receivedAt, sentAt, baseAt, context }: BeaconSource): BeaconSource => ({
  video,
  protocol: protocol as Protocol,
  receivedAt,
  sentAt,
  baseAt,
  context: context === null ? null : (pick<keyof BeaconContext, unknown>(CONTEXT_FIELDS, context) as BeaconContext),
});

/**
 * The state a snapshot was taken of (V7). Settings are the configured ones: the shell compares config hashes (D26). Every open part counts
 * as changed, so that it is published anew. Throws RangeError on a layout that this version cannot read.
 */
export function restore(data: PartitionSnapshot, settings: FoldSettings): PartitionState {
  if (data.version !== SNAPSHOT_VERSION) throw new RangeError(`snapshot layout ${data.version}, this version reads ${SNAPSHOT_VERSION}`);
  const state = emptyPartition(settings);
  state.streamTime = data.streamTime;
  state.activeTime = data.activeTime;
  state.emissionSeq = data.emissionSeq;
  Object.assign(state.ledger, pick(Object.keys(state.ledger) as (keyof Ledger)[], data.ledger));
  for (const { name, hits } of data.limits) if (name in state.limits) state.limits[name as LimitName] = hits;
  for (const { site, protocol, values } of data.overrides) {
    const ofSite = state.overrides.get(site) ?? new Map<string, ControlledValues>();
    state.overrides.set(site, ofSite.set(protocol, { ...values }));
  }
  state.wheel = createWheel(state.activeTime);
  for (const stream of data.streams) restoreStream(state, stream);
  return state;
}

function restoreStream(state: State, data: StreamSnapshot): void {
  const stream = createStream(`${data.site}/${data.session}`, data.site, data.session, data.lastAtActive);
  Object.assign(stream, pick(STREAM_NUMBERS, data), { currentVideo: data.currentVideo });
  stream.holes = data.holes.map((hole) => ({ ...hole }));
  stream.seqHashes = [...data.seqHashes];
  stream.recentEvents = [...data.recentEvents];
  stream.pending = data.pending.map(copyPending);
  stream.videos = data.videos.map(copyVideo);
  for (const session of data.sessions) restoreSession(state, stream, session);
  state.streams.set(stream.key, stream);
  settleStream(state, stream);
}

function restoreSession(state: State, stream: Stream, data: SessionSnapshot): void {
  const video = stream.videos[data.video];
  const playState: PlayState | undefined = PLAY_STATES[data.state];
  if (video === undefined || playState === undefined) throw new RangeError(`snapshot of ${stream.key} names what it does not hold`);
  const { nextPart } = video;
  const session = createSession(stream, video, data.filler ? 'filler' : 'main', data.nowAt, data.openedAtActive);
  video.nextPart = nextPart;
  Object.assign(session, pick(SESSION_NUMBERS, data), pick(SESSION_FLAGS, data), { state: playState });
  session.sections = [...data.sections];
  session.errors = data.errors.map(({ code, fatal, count }) => ({ code, fatal, count }));
  Object.assign(session.context, data.context);
  stream.sessions.push(session);
  state.openSessions++;
  publish(state, session);
}
