// From a beacon to its sessions: each event is a copy, a dead letter, held back, or folded into exactly one part, and the ledger says
// which (I1).
import { type Beacon, type BeaconEvent, orderedByTime, type Reject } from '../../schemas/beacon.ts';
import { visitStampOf } from '../../schemas/visits.ts';
import type { FoldDeadReason, Step } from './emit.ts';
import { emitCustom, emitDead, emitDeadEvent, emitDuplicates } from './emit.ts';
import { contentHash, mix, numberedHash, pack52, textHash } from './hash.ts';
import { holdByTime, takeHeld } from './held.ts';
import { openPartOf, partFor } from './parts.ts';
import { publish } from './publish.ts';
import { comeBack, foldEvent } from './session.ts';
import { settingOf } from './settings.ts';
import type { BeaconSource, Line, PendingEvent, Session, State, Stream } from './state.ts';
import { createStream } from './state.ts';
import type { Verdict } from './stream.ts';
import { chargeHoles, conflicts, fillHole, giveUp, hold, isWaiting, judge, seenLately, settle, takeReady } from './stream.ts';
import { shared } from './texts.ts';
import { customTime, isInstant, stampOf } from './time.ts';
import { foldHit, visitPartFor } from './visits.ts';

const CONTENT_SEED_HIGH = 0x2545f491;
const CONTENT_SEED_LOW = 0x1b873593;

/** A beacon on its way through: its stream and the copies that no open part could take. */
type Passage = { step: Step; stream: Stream; source: BeaconSource; duplicates: number; conflicts: number };

/** Folds a beacon record. Returns the stream it touched, undefined if it touched none. */
export function foldBeacon(step: Step, beacon: Beacon, keyText: string | null): Stream | undefined {
  const { ledger } = step.state;
  ledger.beacons++;
  const copies = beacon.events.length + beacon.rejects.length;
  ledger.eventsInLog += copies;
  if (beacon.session === '') {
    buryAll(step, beacon);
    return undefined;
  }
  if (keyText === null || !isKeyOf(keyText, beacon)) {
    const letter = { site: beacon.site, session: beacon.session, eventIndex: -1, seq: -1, reason: 'wrong_key', detail: keyText ?? '' };
    emitDead(step, { ...letter, payload: '', events: copies });
    return undefined;
  }
  if (copies === 0) return showLife(step, keyText);
  const stream = streamOf(step, keyText, beacon);
  const passage: Passage = { step, stream, source: sourceOf(step, beacon), duplicates: 0, conflicts: 0 };
  beacon.events.forEach((event, index) => {
    takeEvent(passage, event, index);
  });
  for (const reject of beacon.rejects) takeReject(passage, reject);
  emitDuplicates(step, stream, passage.duplicates, passage.conflicts);
  return stream;
}

/** A beacon without events is a sign of life: its stream's open sessions are not silent, and who had left is back. It opens nothing. */
function showLife(step: Step, keyText: string): Stream | undefined {
  const { state } = step;
  const stream = state.streams.get(keyText);
  if (stream === undefined || stream.sessions.length === 0) return undefined;
  stream.lastAtActive = state.activeTime;
  for (const session of stream.sessions) {
    if (session.line !== 'main') continue;
    session.lastAtActive = state.activeTime;
    comeBack(session);
    publish(state, session);
  }
  return stream;
}

const isKeyOf = (keyText: string, { site, session }: Beacon): boolean =>
  keyText.length === site.length + session.length + 1 &&
  keyText.startsWith(site) &&
  keyText[site.length] === '/' &&
  keyText.endsWith(session);

function buryAll(step: Step, beacon: Beacon): void {
  const { site } = beacon;
  beacon.events.forEach((event, index) => {
    emitDeadEvent(step, { site, session: '', index }, event, 'no_session');
  });
  for (const reject of beacon.rejects) emitReject(step, site, '', reject);
}

function emitReject(step: Step, site: string, session: string, reject: Reject): void {
  const { index, seq, reason, detail, payload } = reject;
  emitDead(step, { site, session, eventIndex: index, seq, reason, detail, payload, events: 1 });
}

function streamOf(step: Step, key: string, beacon: Beacon): Stream {
  const { state } = step;
  const known = state.streams.get(key);
  if (known !== undefined) return known;
  const stream = createStream(key, shared(state.texts, beacon.site), state.activeTime);
  state.streams.set(key, stream);
  return stream;
}

/** What the beacon's events share; instants that cannot be are taken as unknown, the gateway's as the broker's. */
const sourceOf = (step: Step, beacon: Beacon): BeaconSource => ({
  video: beacon.video,
  protocol: beacon.protocol,
  receivedAt: isInstant(beacon.receivedAt) ? beacon.receivedAt : step.appendAt,
  sentAt: isInstant(beacon.sentAt) ? beacon.sentAt : -1,
  baseAt: isInstant(beacon.baseAt) ? beacon.baseAt : -1,
  context: beacon.context,
});

function takeEvent(passage: Passage, event: BeaconEvent, index: number): void {
  const { source } = passage;
  if (event.seq < 0) return takeUnnumbered(passage, event, index);
  // Without a client clock the same event sent again has another time, so time says nothing about its content.
  const hash = contentHash(CONTENT_SEED_LOW, event, source.video, source.baseAt >= 0 ? stampOf(source, event) : 0, 0) | 0;
  takeNumbered(passage, { seq: event.seq, index, arrivedAtActive: passage.step.state.activeTime, contentHash: hash, event, source });
}

function takeUnnumbered(passage: Passage, event: BeaconEvent, index: number): void {
  const { step, stream, source } = passage;
  const high = unnumberedHash(CONTENT_SEED_HIGH, source, event, index);
  const low = unnumberedHash(CONTENT_SEED_LOW, source, event, index);
  if (seenLately(step.state, stream, pack52(high, low))) return countCopy(passage, false);
  stream.lastAtActive = step.state.activeTime;
  if (event.type === 'unknown') return bury(step, stream, event, index, 'unknown_event');
  const arrival = { seq: -1, index, arrivedAtActive: step.state.activeTime, contentHash: low, event, source };
  if (waitsForOlder(step.state, stream, source)) holdForOlder(step, stream, arrival);
  else foldInto(step, stream, arrival, 'main', high, low);
}

/** Half of an unnumbered event's identity; without a client clock receipt and place in the request are part of it. */
const unnumberedHash = (seed: number, source: BeaconSource, event: BeaconEvent, index: number): number =>
  contentHash(seed, event, source.video, stampOf(source, event), source.baseAt >= 0 ? 0 : index + 1);

const waitsForOlder = (state: State, stream: Stream, { protocol, baseAt }: BeaconSource): boolean =>
  baseAt >= 0 && orderedByTime(protocol) && settingOf(state, 'graceMs', stream.site, protocol) > 0;

function holdForOlder(step: Step, stream: Stream, arrival: PendingEvent): void {
  const { state } = step;
  holdByTime(stream, arrival);
  state.ledger.waiting++;
  if (stream.held.length <= state.settings.pendingEventsMax) return;
  state.limits.pendingEventsMax++;
  const session = stream.sessions[0];
  if (session !== undefined) session.limitHits++;
  foldHeld(step, stream, stream.held.splice(0, 1));
}

/** Folds, in order, the events that have waited for older ones since `atActive` or before, and those older than one of them. */
export const foldWaited = (step: Step, stream: Stream, atActive: number): void => foldHeld(step, stream, takeHeld(stream, atActive));

function foldHeld(step: Step, stream: Stream, held: readonly PendingEvent[]): void {
  for (const arrival of held) {
    step.state.ledger.waiting--;
    const { source, event, index, contentHash: low } = arrival;
    foldInto(step, stream, arrival, 'main', unnumberedHash(CONTENT_SEED_HIGH, source, event as BeaconEvent, index), low);
  }
}

/** A numbered event or, event null, the settled number of a reject. */
function takeNumbered(passage: Passage, arrival: PendingEvent): void {
  const { step, stream } = passage;
  const { state } = step;
  const verdict = judge(stream, arrival.seq, state.settings.seqJumpMax);
  if (verdict === 'copy') return countCopy(passage, conflicts(stream, arrival.seq, arrival.contentHash));
  if (verdict === 'jump') state.limits.seqJumpMax++;
  if (verdict === 'jump' || verdict === 'forgotten') return refuse(passage, arrival, verdict);
  stream.lastAtActive = state.activeTime;
  if (verdict === 'wait') return wait(step, stream, arrival);
  if (verdict === 'filler') return fill(step, stream, arrival);
  foldNext(step, stream, arrival);
  foldReady(step, stream);
}

function refuse(passage: Passage, arrival: PendingEvent, verdict: Extract<Verdict, 'jump' | 'forgotten'>): void {
  if (arrival.event !== null) bury(passage.step, passage.stream, arrival.event, arrival.index, `seq_${verdict}`);
}

function wait(step: Step, stream: Stream, arrival: PendingEvent): void {
  const { state } = step;
  hold(stream, arrival);
  if (arrival.event !== null) state.ledger.waiting++;
  if (stream.pending.length <= state.settings.pendingEventsMax) return;
  state.limits.pendingEventsMax++;
  const session = stream.sessions[0];
  if (session !== undefined) session.limitHits++;
  giveUp(state, stream);
  foldReady(step, stream);
}

/** An event whose place was given up: it goes to a supplement, and the part that was charged with its loss is relieved while it is open. */
function fill(step: Step, stream: Stream, arrival: PendingEvent): void {
  const charged = fillHole(step.state, stream, arrival.seq);
  for (const session of stream.sessions) {
    if (session.part !== charged.part || session.video.video !== charged.video || session.lost === 0) continue;
    session.lost--;
    publish(step.state, session);
  }
  settle(stream, arrival.seq, arrival.contentHash);
  foldNumbered(step, stream, arrival, 'filler');
}

function foldNext(step: Step, stream: Stream, arrival: PendingEvent): void {
  settle(stream, arrival.seq, arrival.contentHash);
  foldNumbered(step, stream, arrival, 'main');
}

/** Folds on as far as no number is missing. */
export function foldReady(step: Step, stream: Stream): void {
  for (let ready = takeReady(stream); ready !== undefined; ready = takeReady(stream)) {
    if (ready.event !== null) step.state.ledger.waiting--;
    foldNext(step, stream, ready);
  }
}

function foldNumbered(step: Step, stream: Stream, arrival: PendingEvent, line: Line): void {
  if (arrival.event === null) return;
  if (arrival.event.type === 'unknown') return bury(step, stream, arrival.event, arrival.index, 'unknown_event');
  foldInto(step, stream, arrival, line, numberedHash(stream.idHigh, arrival.seq), numberedHash(stream.idLow, arrival.seq));
}

const bury = (step: Step, stream: Stream, event: BeaconEvent, index: number, reason: FoldDeadReason): void =>
  emitDeadEvent(step, { site: stream.site, session: stream.session, index }, event, reason);

/** Folds an event into its part and counts it there: the only place where events become figures. */
function foldInto(step: Step, stream: Stream, arrival: PendingEvent, line: Line, idHigh: number, idLow: number): void {
  const { state } = step;
  const { source, arrivedAtActive } = arrival;
  const event = arrival.event as BeaconEvent;
  const stamp = visitStampOf(source.protocol, event);
  const session =
    stamp === undefined
      ? partFor(step, stream, source, event, line, arrivedAtActive)
      : visitPartFor(step, stream, { source, event, stamp, arrivedAtActive });
  if (typeof session === 'string') return bury(step, stream, event, arrival.index, session);
  if (line === 'main' && stamp === undefined) {
    stream.currentVideo = session.video.video;
    session.lost += chargeHoles(stream, session.video.video, session.part);
  }
  if (arrivedAtActive > session.lastAtActive) session.lastAtActive = arrivedAtActive;
  countReceived(step, session, event, idHigh, idLow);
  if (stamp !== undefined && event.type === 'custom') emitCustom(step, session, event, foldHit(state, session, source, event, stamp));
  else if (foldEvent(state, session, source, event)) emitCustom(step, session, event, customTime(state, session, source, event));
  publish(state, session);
}

function countReceived(step: Step, session: Session, event: BeaconEvent, idHigh: number, idLow: number): void {
  session.received++;
  if (event.seq > session.seqHighest) session.seqHighest = event.seq;
  const low = session.checksumLow + idLow;
  session.checksumLow = low >>> 0;
  session.checksumHigh = (session.checksumHigh + idHigh + (low > 0xffffffff ? 1 : 0)) >>> 0;
  if (session.part === 0) step.state.ledger.folded++;
  else {
    session.late++;
    step.state.ledger.late++;
  }
}

/** A reject's number is settled, so that it leaves no hole; a copy of it is a copy. */
function takeReject(passage: Passage, reject: Reject): void {
  const { step, stream, source } = passage;
  if (reject.seq < 0) {
    const identity = rejectIdentity(reject, source.receivedAt);
    if (seenLately(step.state, stream, identity)) return countCopy(passage, false);
    stream.lastAtActive = step.state.activeTime;
    return emitReject(step, stream.site, stream.session, reject);
  }
  const verdict = judge(stream, reject.seq, step.state.settings.seqJumpMax);
  const hash = rejectHash(CONTENT_SEED_LOW, reject) | 0;
  if (verdict === 'copy') return countCopy(passage, conflicts(stream, reject.seq, hash));
  emitReject(step, stream.site, stream.session, reject);
  const arrivedAtActive = step.state.activeTime;
  takeNumbered(passage, { seq: reject.seq, index: reject.index, arrivedAtActive, contentHash: hash, event: null, source });
}

const rejectHash = (seed: number, reject: Reject): number => mix(textHash(textHash(seed, reject.reason), reject.payload));

/** Rejects without a number are copies only within one record written twice: same receipt, same place, same content. */
const rejectIdentity = (reject: Reject, receivedAt: number): number =>
  pack52(mix(rejectHash(CONTENT_SEED_HIGH, reject) + reject.index), mix(rejectHash(CONTENT_SEED_LOW, reject) ^ (receivedAt | 0)));

/** Counts a copy where its first one went: the open part of its video, else any open part, else held for the first to open, else emitted. */
function countCopy(passage: Passage, conflict: boolean): void {
  const { step, stream, source } = passage;
  step.state.ledger.duplicates++;
  const conflictCount = conflict ? 1 : 0;
  const video = source.video !== '' ? source.video : stream.currentVideo;
  const session = openPartOf(stream, video, 'main') ?? openPartOf(stream, video, 'filler') ?? stream.sessions[0];
  if (session !== undefined) {
    session.duplicates++;
    session.conflicts += conflictCount;
    publish(step.state, session);
  } else if (stream.videos.length === 0 && isWaiting(stream)) {
    stream.heldDuplicates++;
    stream.heldConflicts += conflictCount;
  } else {
    passage.duplicates++;
    passage.conflicts += conflictCount;
  }
}

/** Gives up what is missing and folds on: grace is over, or an operator closes everything. */
export function foldPastGap(step: Step, stream: Stream): void {
  giveUp(step.state, stream);
  foldReady(step, stream);
}
