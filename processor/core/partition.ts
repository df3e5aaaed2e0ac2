// One partition's fold: createPartition, step, and the questions the shell asks. Pure (D10).
import type { LogMessage } from '../../schemas/beacon.ts';
import type { Ledger, Output, ProvisionalSession } from './outputs.ts';
import type { FoldSettings, LimitName } from './settings.ts';
import { LIMIT_NAMES } from './settings.ts';

/** Meaning of the fold. A change of meaning changes it and adds a golden recording. */
export const FOLD_VERSION = 1;

/** One record of the log as the fold sees it. appendAt: broker append time, epoch ms. keyText: the key as UTF-8 text, null = no key. */
export type FoldRecord = { offset: number; appendAt: number; message: LogMessage; keyText: string | null };

export type PartitionState = {
  settings: FoldSettings;
  streamTime: number;
  activeTime: number;
  emissionSeq: number;
  ledger: Ledger;
  limits: Record<LimitName, number>;
};
export type LiveViewers = { site: string; video: string; viewers: number };
export type SessionKey = { site: string; session: string; video: string; part: number };

export function createPartition(settings: FoldSettings): PartitionState {
  return {
    settings,
    streamTime: -1,
    activeTime: 0,
    emissionSeq: 0,
    ledger: { records: 0, ticks: 0, controls: 0, beacons: 0, eventsInLog: 0, folded: 0, late: 0, dead: 0, duplicates: 0, waiting: 0 },
    limits: Object.fromEntries(LIMIT_NAMES.map((name) => [name, 0])) as Record<LimitName, number>,
  };
}

/** Folds one record into the state, in place; returns its emissions in order, numbered densely (V12). Never throws. */
export function step(state: PartitionState, record: FoldRecord): Output[] {
  state.ledger.records++;
  state.streamTime = Math.max(state.streamTime, record.appendAt);
  return [];
}

/** Largest append time folded, epoch ms; -1 before the first record. */
export const streamTime = (state: PartitionState): number => state.streamTime;
/** Number of the last emission; 0 before the first. */
export const emissionSeq = (state: PartitionState): number => state.emissionSeq;
/** A copy of the running balance. */
export const ledger = (state: PartitionState): Ledger => ({ ...state.ledger });
/** How often each limit was reached since offset 0. */
export const limitHits = (state: PartitionState): Readonly<Record<LimitName, number>> => state.limits;
/** Open session parts. */
export const openSessionCount = (_state: PartitionState): number => 0;
/** Session parts changed since they were last taken, longest unpublished first; at most `max`. Sealed ones are never among them. */
export const takeChanged = (_state: PartitionState, _max: number): ProvisionalSession[] => [];
/** Keys under which a provisional row may exist although its session now has another key (a video named late). Delete those rows. */
export const takeGone = (_state: PartitionState): SessionKey[] => [];
/** Viewers playing now by site and video, ordered by both. */
export const countLiveViewers = (_state: PartitionState): LiveViewers[] => [];
