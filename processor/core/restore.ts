// Bytes of schemas/snapshot.avsc -> PartitionState (V7), piece by piece. What a snapshot leaves out is built anew.
import type { BeaconContext, BeaconEvent, EventDetail, EventType, Protocol } from '../../schemas/beacon.ts';
import type { SessionContext } from '../../schemas/session.ts';
import { BytesIn, type TextOf } from './bytes.ts';
import { settleStream } from './deadlines.ts';
import { holdByTime } from './held.ts';
import type { PartitionState } from './partition.ts';
import { addTo } from './parts.ts';
import { publish } from './publish.ts';
import type { ControlledValues, FoldSettings, LimitName } from './settings.ts';
import { CONTROLLED_SETTINGS } from './settings.ts';
import { LINES, SNAPSHOT_VERSION } from './snapshot.ts';
import type { BeaconSource, Hole, PendingEvent, Session, State, Stream, VideoRecord, Visit } from './state.ts';
import { createSession, createStream, emptyPartition, LEDGER_NAMES } from './state.ts';
import { PLAY_STATES } from './transitions.ts';
import { createWheel } from './wheel.ts';

/** Streams restored between two pauses. */
const RESTORED_AT_ONCE = 128;

/**
 * The state that the bytes were written of; every step is an opportunity to pause. Settings are the configured ones: the shell compares
 * config hashes (D26). Every open part counts as changed, so that it is published anew.
 * @throws RangeError on a layout that this version cannot read, and on bytes that are none of it.
 */
export function* readSnapshot(bytes: Uint8Array, textOf: TextOf, settings: FoldSettings): Generator<void, PartitionState> {
  const input = new BytesIn(bytes, textOf);
  const state = emptyPartition(settings);
  readHead(input, state);
  let restored = 0;
  for (let count = input.block(); count > 0; count = input.block()) {
    for (let i = 0; i < count; i++) {
      readStream(input, state);
      if (++restored % RESTORED_AT_ONCE === 0) yield;
    }
  }
  // Versions that knew no visits wrote none.
  if (!input.atEnd) input.array(() => readVisits(input, state));
  if (!input.atEnd) throw new RangeError('the snapshot goes on behind its end');
  return state;
}

function readHead(input: BytesIn, state: State): void {
  const version = input.long();
  if (version !== SNAPSHOT_VERSION) throw new RangeError(`snapshot layout ${version}, this version reads ${SNAPSHOT_VERSION}`);
  // The fold version: the shell has compared it.
  input.long();
  state.streamTime = input.long();
  state.activeTime = input.long();
  state.emissionSeq = input.long();
  for (const name of LEDGER_NAMES) state.ledger[name] = input.long();
  for (const [name, hits] of input.array(() => [input.text(), input.long()] as const)) {
    if (name in state.limits) state.limits[name as LimitName] = hits;
  }
  input.array(() => {
    const site = input.text();
    const protocol = input.text();
    const ofSite = state.overrides.get(site) ?? new Map<string, ControlledValues>();
    const values = Object.fromEntries(CONTROLLED_SETTINGS.map((name) => [name, input.long()])) as ControlledValues;
    state.overrides.set(site, ofSite.set(protocol, values));
  });
  state.wheel = createWheel(state.activeTime);
}

function readStream(input: BytesIn, state: State): void {
  const site = input.sharedText();
  const session = input.text();
  // A join is flat at once; a template would stay in two pieces.
  const stream = createStream([site, session].join('/'), site, 0);
  stream.currentVideo = input.sharedText();
  stream.nextSeq = input.long();
  stream.forgottenBelow = input.long();
  stream.recentAt = input.long();
  stream.lastAtActive = input.long();
  stream.heldDuplicates = input.long();
  stream.heldConflicts = input.long();
  stream.holes = orKept(input.array(readHole), stream.holes);
  stream.seqHashes = orKept(input.longs(), stream.seqHashes);
  stream.recentEvents = orKept(input.longs(), stream.recentEvents);
  const waiting = input.array(readPending);
  stream.pending = orKept(
    waiting.filter(({ seq }) => seq >= 0),
    stream.pending,
  );
  for (const each of waiting) if (each.seq < 0) holdByTime(stream, each);
  stream.videos = input.array(readVideo);
  for (let count = input.block(); count > 0; count = input.block()) {
    for (let i = 0; i < count; i++) readSession(input, state, stream);
  }
  state.streams.set(stream.key, stream);
  settleStream(state, stream);
}

/** The empty list of a new stream or part is shared: one that was read is kept only if it holds something. */
const orKept = <T>(read: T[], kept: T[]): T[] => (read.length > 0 ? read : kept);

const readHole = (input: BytesIn): Hole => ({ from: input.long(), to: input.long(), video: input.sharedText(), part: input.long() });

const readVideo = (input: BytesIn): VideoRecord => ({
  video: input.sharedText(),
  startedAt: input.long(),
  clockShiftMs: input.long(),
  durationMs: input.long(),
  live: input.long(),
  nextPart: input.long(),
  flags: input.long(),
  visitId: -1,
});

const readPending = (input: BytesIn): PendingEvent => ({
  seq: input.long(),
  index: input.long(),
  arrivedAtActive: input.long(),
  contentHash: input.long(),
  event: input.long() === 0 ? null : readEvent(input),
  source: readSource(input),
});

const readEvent = (input: BytesIn): BeaconEvent => ({
  type: input.sharedText() as EventType,
  seq: input.long(),
  at: input.long(),
  positionMs: input.long(),
  detail: input.long() === 0 ? null : readDetail(input),
});

const readDetail = (input: BytesIn): EventDetail => ({
  fromMs: input.long(),
  toMs: input.long(),
  rateMilli: input.long(),
  bitrateBps: input.long(),
  width: input.long(),
  height: input.long(),
  levelMilli: input.long(),
  flag: input.long(),
  code: input.sharedText(),
  name: input.sharedText(),
  text: input.text(),
});

const readSource = (input: BytesIn): BeaconSource => ({
  video: input.sharedText(),
  protocol: input.sharedText() as Protocol,
  receivedAt: input.long(),
  sentAt: input.long(),
  baseAt: input.long(),
  context: input.long() === 0 ? null : readBeaconContext(input),
});

const readBeaconContext = (input: BytesIn): BeaconContext => ({
  ...readContextStart(input),
  bot: input.boolean(),
  viewer: input.text(),
  meta: input.sharedText(),
});

const readContextStart = (input: BytesIn) => ({
  title: input.sharedText(),
  durationMs: input.long(),
  live: input.long(),
  pageHost: input.sharedText(),
  pagePath: input.sharedText(),
  referrerHost: input.sharedText(),
  source: input.sharedText(),
  medium: input.sharedText(),
  campaign: input.sharedText(),
  country: input.sharedText(),
  region: input.sharedText(),
  browser: input.sharedText(),
  platform: input.sharedText(),
  device: input.sharedText(),
  playerName: input.sharedText(),
  playerVersion: input.sharedText(),
});

function readSession(input: BytesIn, state: State, stream: Stream): void {
  const video = stream.videos[input.long()];
  if (video === undefined) throw new RangeError(`snapshot of ${stream.key} names a video it does not hold`);
  const line = input.oneOf(LINES);
  const playState = input.oneOf(PLAY_STATES);
  const part = input.long();
  const activeTime = input.long();
  const lastAtActive = input.long();
  const session = createSession(stream, video, { line, part, nowAt: input.long(), activeTime });
  session.state = playState;
  session.lastAtActive = lastAtActive;
  readClocks(input, session);
  readFigures(input, session);
  session.sections = orKept(input.longs(), session.sections);
  session.errors = orKept(
    input.array(() => ({ code: input.sharedText(), fatal: input.boolean(), count: input.long() })),
    session.errors,
  );
  const start = readContextStart(input);
  const context: SessionContext = {
    ...start,
    protocol: input.sharedText() as Protocol,
    bot: input.boolean(),
    viewer: input.text(),
    meta: input.sharedText(),
  };
  session.context = context;
  addTo(stream, session);
  state.openSessions++;
  publish(state, session);
}

function readClocks(input: BytesIn, session: Session): void {
  session.nowAt = input.long();
  session.attemptAt = input.long();
  session.startupMs = input.long();
  session.rateMilli = input.long();
  session.rateHighestMilli = input.long();
  session.anchorMs = input.long();
  session.anchorAt = input.long();
  session.anchorRateMilli = input.long();
  session.openFromMs = input.long();
  session.openToMs = input.long();
  session.openAt = input.long();
  session.run = input.long();
  session.contiguousAtMs = input.long();
  session.mergedMs = input.long();
}

function readFigures(input: BytesIn, session: Session): void {
  session.stallAt = input.long();
  session.stalls = input.long();
  session.stallMs = input.long();
  session.seeks = input.long();
  session.bitrateKbps = input.long();
  session.bitrateKbpsMs = input.long();
  session.bitrateKnownMs = input.long();
  session.switchesUp = input.long();
  session.switchesDown = input.long();
  session.received = input.long();
  session.lost = input.long();
  session.duplicates = input.long();
  session.late = input.long();
  session.conflicts = input.long();
  session.limitHits = input.long();
  session.seqHighest = input.long();
  session.checksumHigh = input.long();
  session.checksumLow = input.long();
  session.attempted = input.boolean();
  session.played = input.boolean();
  session.ended = input.boolean();
  session.seekPending = input.boolean();
  session.failedBeforeStart = input.boolean();
  session.failedAfterStart = input.boolean();
}

function readVisits(input: BytesIn, state: State): void {
  const key = `${input.text()}/${input.text()}`;
  const stream = state.streams.get(key);
  if (stream === undefined) throw new RangeError(`snapshot names visits of ${key}, which it does not hold`);
  stream.visits = input.array(readVisit);
  input.longs().forEach((visitId, i) => {
    const video = stream.videos[i];
    if (video !== undefined) video.visitId = visitId;
  });
}

const readVisit = (input: BytesIn): Visit => ({
  id: input.long(),
  startedAt: input.long(),
  lastAt: input.long(),
  day: input.text(),
  source: input.text(),
  over: input.boolean(),
});
