// PartitionState <-> plain data of schemas/snapshot.avsc (V7). What only speeds things up (wheel, publishing queue) is left out and built
// anew. Order is by explicit keys, so equal states give equal bytes.
import type { BeaconContext, BeaconEvent, EventDetail, EventType, Protocol } from '../../schemas/beacon.ts';
import { UNKNOWN_CONTEXT, UNKNOWN_DETAIL } from '../../schemas/beacon.ts';
import { compareSessions, compareStreams, compareText, settleStream } from './deadlines.ts';
import { holdByTime } from './held.ts';
import type { Ledger } from './outputs.ts';
import type { PartitionState } from './partition.ts';
import { addTo } from './parts.ts';
import { publish } from './publish.ts';
import type { ControlledValues, FoldSettings, LimitName } from './settings.ts';
import { LIMIT_NAMES } from './settings.ts';
import type { BeaconSource, PendingEvent, Session, State, Stream, VideoRecord, Visit } from './state.ts';
import { createSession, createStream, emptyPartition } from './state.ts';
import { FOLD_VERSION } from './version.ts';
import { createWheel } from './wheel.ts';

/** Layout of the plain data. */
export const SNAPSHOT_VERSION = 1;

/** What a snapshot leaves out of a session: what can be found or made again. video = index into the stream's videos. */
export type SessionSnapshot = Omit<Session, 'video' | 'stream' | 'changed' | 'sealed'> & { video: number };

/** What a snapshot leaves out of a stream: its key and the hash of it, and what only speeds things up. */
export type StreamSnapshot = Omit<
  Stream,
  'key' | 'idHigh' | 'idLow' | 'sessions' | 'dormant' | 'timerAt' | 'videos' | 'visits' | 'held'
> & {
  videos: Omit<VideoRecord, 'visitId'>[];
  sessions: SessionSnapshot[];
};

/** The visits of a stream, beside it: most streams have none. `videoVisits`: the visit of each of the stream's videos, by place. */
export type VisitsSnapshot = { site: string; session: string; visits: Visit[]; videoVisits: number[] };

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
  /** Of the streams that have any, in their order. Not in snapshots of versions that knew no visits. */
  visits?: VisitsSnapshot[];
};

/** A copy of the state as plain data; shares nothing that the fold changes. */
export function snapshot(state: PartitionState): PartitionSnapshot {
  const streams = [...state.streams.values()].sort(compareStreams);
  return { ...headOf(state), streams: streams.map(snapshotStream), visits: visitsOf(streams) };
}

const visitsOf = (streams: readonly Stream[]): VisitsSnapshot[] =>
  streams
    .filter(({ visits }) => visits.length > 0)
    .map(({ site, session, visits, videos }) => ({
      site,
      session,
      visits: visits.map(copyVisit),
      videoVisits: videos.map(({ visitId }) => visitId),
    }));

const copyVisit = ({ id, startedAt, lastAt, day, source, over }: Visit): Visit => ({ id, startedAt, lastAt, day, source, over });

/** Canonical text of the state, in pieces, for the shell to hash (D22, H20): equal states, equal text. */
export function stateHashInput(state: PartitionState): string[] {
  const streams = [...state.streams.values()].sort(compareStreams);
  const visits = visitsOf(streams).map((each) => JSON.stringify(valuesOf(each)));
  return [JSON.stringify(headOf(state)), ...streams.map((stream) => JSON.stringify(valuesOf(snapshotStream(stream)))), ...visits];
}

/** Values without names, deep: the names are the same every time, and most of the text. */
function valuesOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const values: unknown[] = [];
  for (const inner of Object.values(value)) values.push(typeof inner === 'object' ? valuesOf(inner) : inner);
  return values;
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
  nextSeq: stream.nextSeq,
  forgottenBelow: stream.forgottenBelow,
  recentAt: stream.recentAt,
  lastAtActive: stream.lastAtActive,
  heldDuplicates: stream.heldDuplicates,
  heldConflicts: stream.heldConflicts,
  holes: stream.holes.map(({ from, to, video, part }) => ({ from, to, video, part })),
  seqHashes: [...stream.seqHashes],
  recentEvents: [...stream.recentEvents],
  pending: [...stream.held, ...stream.pending].map(copyPending),
  videos: stream.videos.map(copyVideo),
  sessions: [...stream.sessions].sort(compareSessions).map(snapshotSession),
});

/** Field by field, in the order of the schema: quicker than any loop over names, and a missing one does not compile. */
const snapshotSession = (session: Session): SessionSnapshot => ({
  video: session.stream.videos.indexOf(session.video),
  line: session.line,
  state: session.state,
  part: session.part,
  openedAtActive: session.openedAtActive,
  lastAtActive: session.lastAtActive,
  firstAt: session.firstAt,
  nowAt: session.nowAt,
  attemptAt: session.attemptAt,
  startupMs: session.startupMs,
  rateMilli: session.rateMilli,
  rateHighestMilli: session.rateHighestMilli,
  anchorMs: session.anchorMs,
  anchorAt: session.anchorAt,
  anchorRateMilli: session.anchorRateMilli,
  openFromMs: session.openFromMs,
  openToMs: session.openToMs,
  openAt: session.openAt,
  run: session.run,
  contiguousAtMs: session.contiguousAtMs,
  mergedMs: session.mergedMs,
  stallAt: session.stallAt,
  stalls: session.stalls,
  stallMs: session.stallMs,
  seeks: session.seeks,
  bitrateKbps: session.bitrateKbps,
  bitrateKbpsMs: session.bitrateKbpsMs,
  bitrateKnownMs: session.bitrateKnownMs,
  switchesUp: session.switchesUp,
  switchesDown: session.switchesDown,
  received: session.received,
  lost: session.lost,
  duplicates: session.duplicates,
  late: session.late,
  conflicts: session.conflicts,
  limitHits: session.limitHits,
  seqHighest: session.seqHighest,
  checksumHigh: session.checksumHigh,
  checksumLow: session.checksumLow,
  attempted: session.attempted,
  played: session.played,
  ended: session.ended,
  seekPending: session.seekPending,
  failedBeforeStart: session.failedBeforeStart,
  failedAfterStart: session.failedAfterStart,
  sections: [...session.sections],
  errors: session.errors.map(({ code, fatal, count }) => ({ code, fatal, count })),
  context: { ...session.context },
});

const copyVideo = ({ video, startedAt, clockShiftMs, durationMs, live, nextPart, flags }: StreamSnapshot['videos'][number]) => ({
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
  const visits = new Map((data.visits ?? []).map((each) => [`${each.site}/${each.session}`, each]));
  for (const stream of data.streams) restoreStream(state, stream, visits.get(`${stream.site}/${stream.session}`));
  return state;
}

function restoreStream(state: State, data: StreamSnapshot, known: VisitsSnapshot | undefined): void {
  const stream = createStream(`${data.site}/${data.session}`, data.site, data.session, data.lastAtActive);
  stream.currentVideo = data.currentVideo;
  stream.nextSeq = data.nextSeq;
  stream.forgottenBelow = data.forgottenBelow;
  stream.recentAt = data.recentAt;
  stream.lastAtActive = data.lastAtActive;
  stream.heldDuplicates = data.heldDuplicates;
  stream.heldConflicts = data.heldConflicts;
  stream.holes = data.holes.map((hole) => ({ ...hole }));
  stream.seqHashes = [...data.seqHashes];
  stream.recentEvents = [...data.recentEvents];
  stream.pending = data.pending.filter(({ seq }) => seq >= 0).map(copyPending);
  for (const held of data.pending) if (held.seq < 0) holdByTime(stream, copyPending(held));
  stream.videos = data.videos.map((video, i) => ({ ...copyVideo(video), visitId: known?.videoVisits[i] ?? -1 }));
  if (known !== undefined) stream.visits = known.visits.map(copyVisit);
  for (const session of data.sessions) restoreSession(state, stream, session);
  state.streams.set(stream.key, stream);
  settleStream(state, stream);
}

function restoreSession(state: State, stream: Stream, data: SessionSnapshot): void {
  const video = stream.videos[data.video];
  if (video === undefined) throw new RangeError(`snapshot of ${stream.key} names a video it does not hold`);
  const session = createSession(stream, video, { line: data.line, part: data.part, nowAt: data.nowAt, activeTime: data.openedAtActive });
  copyFields(session, data);
  session.sections = [...data.sections];
  session.errors = data.errors.map(({ code, fatal, count }) => ({ code, fatal, count }));
  session.context = { ...data.context };
  addTo(stream, session);
  state.openSessions++;
  publish(state, session);
}

/** Field by field: a spread of this many costs ten times as much. */
function copyFields(session: Session, data: SessionSnapshot): void {
  session.line = data.line;
  session.state = data.state;
  session.part = data.part;
  session.openedAtActive = data.openedAtActive;
  session.lastAtActive = data.lastAtActive;
  session.firstAt = data.firstAt;
  session.nowAt = data.nowAt;
  session.attemptAt = data.attemptAt;
  session.startupMs = data.startupMs;
  session.rateMilli = data.rateMilli;
  session.rateHighestMilli = data.rateHighestMilli;
  session.anchorMs = data.anchorMs;
  session.anchorAt = data.anchorAt;
  session.anchorRateMilli = data.anchorRateMilli;
  session.openFromMs = data.openFromMs;
  session.openToMs = data.openToMs;
  session.openAt = data.openAt;
  session.run = data.run;
  session.contiguousAtMs = data.contiguousAtMs;
  session.mergedMs = data.mergedMs;
  session.stallAt = data.stallAt;
  session.stalls = data.stalls;
  session.stallMs = data.stallMs;
  session.seeks = data.seeks;
  session.bitrateKbps = data.bitrateKbps;
  session.bitrateKbpsMs = data.bitrateKbpsMs;
  session.bitrateKnownMs = data.bitrateKnownMs;
  session.switchesUp = data.switchesUp;
  session.switchesDown = data.switchesDown;
  session.received = data.received;
  session.lost = data.lost;
  session.duplicates = data.duplicates;
  session.late = data.late;
  session.conflicts = data.conflicts;
  session.limitHits = data.limitHits;
  session.seqHighest = data.seqHighest;
  session.checksumHigh = data.checksumHigh;
  session.checksumLow = data.checksumLow;
  session.attempted = data.attempted;
  session.played = data.played;
  session.ended = data.ended;
  session.seekPending = data.seekPending;
  session.failedBeforeStart = data.failedBeforeStart;
  session.failedAfterStart = data.failedAfterStart;
}
