// One partition's fold: (state, record) -> outputs. Pure and deterministic (D10): no clock, no randomness, no I/O; it changes the state in
// place inside the task that owns it, and never throws. The rules are in SPEC.md.
import type { LogMessage } from '../../schemas/beacon.ts';
import { foldBeacon } from './beacon.ts';
import { foldControl } from './control.ts';
import { compareText, fireDue, keepWithinLimits, openSessionsOf, settleStream } from './deadlines.ts';
import type { Step } from './emit.ts';
import { emitDead } from './emit.ts';
import type { Ledger, Output, ProvisionalSession } from './outputs.ts';
import { dequeue, dequeueGone } from './publish.ts';
import { isPlaying, silenceOf } from './seal.ts';
import type { FoldSettings, LimitName } from './settings.ts';
import type { Session, State } from './state.ts';
import { emptyPartition } from './state.ts';
import { advanceLogTime, isInstant } from './time.ts';
import { FOLD_VERSION as VERSION } from './version.ts';

/** Meaning of the fold. A change of meaning changes it and adds a golden recording. */
export const FOLD_VERSION = VERSION;

/** The state of one partition: opaque to the shell. */
export type PartitionState = State;

/** Identity of a session part: the key of its rows. */
export type SessionKey = { site: string; session: string; video: string; part: number };

/** One record of the log as the fold sees it. appendAt: broker append time, epoch ms. keyText: the key as UTF-8 text, null = no key. */
export type FoldRecord = { offset: number; appendAt: number; message: LogMessage; keyText: string | null };

/** The state before the first record of a partition. */
export const createPartition = (settings: FoldSettings): PartitionState => emptyPartition(settings);

/**
 * Folds one record into the state, in place. Returns its emissions in order, numbered on from the last one (V12): first what the passing of
 * time brings, then what the record itself brings.
 */
export function step(state: PartitionState, record: FoldRecord): Output[] {
  advanceLogTime(state, record.appendAt);
  const current: Step = {
    state,
    offset: record.offset,
    appendAt: isInstant(record.appendAt) ? record.appendAt : Math.max(0, state.streamTime),
    outputs: [],
  };
  state.ledger.records++;
  fireDue(current);
  foldMessage(current, record);
  keepWithinLimits(current);
  return current.outputs;
}

function foldMessage(current: Step, { message, keyText }: FoldRecord): void {
  const { state } = current;
  if (message.kind === 'tick') state.ledger.ticks++;
  else if (message.kind === 'control') foldControl(current, message.control);
  else if (message.kind === 'beacon') {
    const stream = foldBeacon(current, message.beacon, keyText);
    if (stream !== undefined) settleStream(state, stream);
  } else {
    const { reason, detail } = message;
    emitDead(current, { site: '', session: '', eventIndex: -1, seq: -1, reason, detail, payload: '', events: 0 });
  }
}

/** Largest append time folded, epoch ms; -1 before the first record. */
export const streamTime = (state: PartitionState): number => state.streamTime;

/** Number of the last emission; 0 before the first. */
export const emissionSeq = (state: PartitionState): number => state.emissionSeq;

/** A copy of the running balance. */
export const ledger = (state: PartitionState): Ledger => ({ ...state.ledger });

/** How often each limit was reached since offset 0. */
export const limitHits = (state: PartitionState): Readonly<Record<LimitName, number>> => ({ ...state.limits });

/**
 * Session parts changed since they were last taken, longest unpublished first, at most `max`; they leave the queue. Sealed ones are never
 * among them: their row comes with the seal. Taking changes no emission, and after a restore every open part counts as changed.
 */
export const takeChanged = (state: PartitionState, max: number): ProvisionalSession[] => dequeue(state, max);

/** Keys under which a provisional row may exist although the session has another key now (its video was named late): delete those rows. */
export const takeGone = (state: PartitionState): SessionKey[] => dequeueGone(state);

/** Open session parts. */
export const openSessionCount = (state: PartitionState): number => state.openSessions;

/** Sealed streams still remembered. */
export const tombstoneCount = (state: PartitionState): number => state.tombstones;

export type LiveViewers = { site: string; video: string; viewers: number };

/** Sessions playing now by site and video, ordered by both. Silent ones are left out; where a door has no heartbeats, once the video must have ended. */
export function countLiveViewers(state: PartitionState): LiveViewers[] {
  const counts = new Map<string, Map<string, number>>();
  for (const session of openSessionsOf(state)) {
    if (!isWatchingNow(state, session)) continue;
    const { site } = session.stream;
    const { video } = session.video;
    const ofSite = counts.get(site) ?? new Map<string, number>();
    counts.set(site, ofSite);
    ofSite.set(video, (ofSite.get(video) ?? 0) + 1);
  }
  const viewers = [...counts].flatMap(([site, ofSite]) => [...ofSite].map(([video, count]) => ({ site, video, viewers: count })));
  return viewers.sort((a, b) => compareText(a.site, b.site) || compareText(a.video, b.video));
}

function isWatchingNow(state: PartitionState, session: Session): boolean {
  if (session.line !== 'main' || !isPlaying(session)) return false;
  return state.activeTime - session.lastAtActive <= state.settings.liveSilenceMs + silenceOf(session);
}
