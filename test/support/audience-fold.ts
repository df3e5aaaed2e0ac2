// Simulated viewers straight into the fold: plans become records of one partition, ticks included, without any service.
import { crc32 } from 'node:zlib';
import type { Delivery, DeliveryPlan, WireBeacon } from '../../infra/cli/audience/delivery.ts';
import type { WireEvent } from '../../infra/cli/audience/truth.ts';
import type { Output } from '../../processor/core/outputs.ts';
import { createPartition, type FoldRecord, type PartitionState, step } from '../../processor/core/partition.ts';
import { FOLD_SETTINGS_DEFAULT } from '../../processor/core/settings.ts';
import type { Beacon, BeaconEvent, EventDetail, EventType, LogMessage } from '../../schemas/beacon.ts';
import { UNKNOWN_CONTEXT, UNKNOWN_DETAIL } from '../../schemas/beacon.ts';
import type { SessionPart } from '../../schemas/session.ts';
import { recordKey } from '../../schemas/topics.ts';
import { type SessionFacts, sessionKey, sortErrors } from './oracle.ts';

export const SITE = 'site';
const TICK_MS = 5_000;

/** A wire beacon as the gateway would write it to the log: independent of the gateway's own parser. */
export function beaconOf(wire: WireBeacon, receivedAt: number): Beacon {
  const baseAt = wire.events[0]?.at ?? -1;
  const { title, durationMs } = wire.video;
  return {
    site: SITE,
    session: wire.session,
    video: wire.video.id,
    protocol: 'native',
    receivedAt,
    sentAt: wire.sentAt ?? -1,
    baseAt,
    context: title === undefined ? null : { ...UNKNOWN_CONTEXT, title, durationMs: durationMs ?? -1, live: 0 },
    events: wire.events.map((event) => eventOf(event, baseAt)),
    rejects: [],
    ignoredFields: 0,
  };
}

function eventOf(wire: WireEvent, baseAt: number): BeaconEvent {
  const set: Partial<EventDetail> = {};
  if (wire.fromMs !== undefined) set.fromMs = wire.fromMs;
  if (wire.toMs !== undefined) set.toMs = wire.toMs;
  if (wire.rate !== undefined) set.rateMilli = Math.round(wire.rate * 1000);
  for (const name of ['bitrateBps', 'width', 'height'] as const) if (wire[name] !== undefined) set[name] = wire[name] as number;
  if (wire.level !== undefined) set.levelMilli = Math.round(wire.level * 1000);
  const flag = wire.fatal ?? wire.on ?? wire.muted;
  if (flag !== undefined) set.flag = flag ? 1 : 0;
  const code = wire.code ?? wire.language ?? wire.phase;
  if (code !== undefined) set.code = code;
  const name = wire.name ?? wire.id;
  if (name !== undefined) set.name = name;
  const text = wire.message ?? (wire.data === undefined ? undefined : JSON.stringify(wire.data));
  if (text !== undefined) set.text = text;
  return {
    type: wire.type as EventType,
    seq: wire.seq ?? -1,
    at: wire.at - baseAt,
    positionMs: wire.positionMs ?? -1,
    detail: Object.keys(set).length > 0 ? { ...UNKNOWN_DETAIL, ...set } : null,
  };
}

type Due = { at: number; message: LogMessage; key: string | null };

/** The log of one partition: deliveries of all plans by their due times, a tick every 5 s, and ticks until all is sealed. */
export function logOf(plans: readonly DeliveryPlan[], startsAt: number, options: { held?: boolean } = {}): FoldRecord[] {
  const dues: Due[] = [];
  const put = (delivery: Delivery, at: number): void => {
    const { beacon } = delivery;
    const key = recordKey(SITE, beacon.session);
    // A few ms of network, different for each request but the same in every run.
    const receivedAt = at + (crc32(key) % 40);
    dues.push({ at: receivedAt + 3, message: { kind: 'beacon', beacon: beaconOf(beacon, receivedAt) }, key });
  };
  for (const plan of plans) for (const delivery of plan.deliveries) put(delivery, startsAt + delivery.dueMs);
  const activeEnd = dues.reduce((most, due) => Math.max(most, due.at), startsAt);
  const heldAt = activeEnd + 2_700_000;
  if (options.held) {
    for (const plan of plans) for (const [index, delivery] of plan.held.entries()) put(delivery, heldAt + index);
  }
  const end = heldAt + 2_700_000;
  for (let at = startsAt; at <= end; at += TICK_MS) dues.push({ at, message: { kind: 'tick', tick: { instance: 'test' } }, key: null });
  const order = dues.map((due, place) => ({ due, place })).sort((a, b) => a.due.at - b.due.at || a.place - b.place);
  return order.map(({ due }, offset) => ({ offset, appendAt: due.at, message: due.message, keyText: due.key }));
}

export type FoldResult = { state: PartitionState; outputs: Output[] };

/** Folds a log from its beginning. */
export function foldLog(records: readonly FoldRecord[]): FoldResult {
  const state = createPartition({ ...FOLD_SETTINGS_DEFAULT });
  const outputs: Output[] = [];
  for (const record of records) outputs.push(...step(state, record));
  return { state, outputs };
}

/** Sealed parts 0 of a fold as facts, by sessionKey. */
export function factsOfOutputs(outputs: readonly Output[]): Map<string, SessionFacts> {
  const facts = new Map<string, SessionFacts>();
  for (const output of outputs) {
    if (output.kind !== 'sealed' || output.part.part !== 0) continue;
    const { part } = output;
    const customEvents = outputs.flatMap((each) =>
      each.kind === 'custom' && each.session === part.session && each.video === part.video
        ? [{ seq: each.seq, at: each.at - part.startedAt, name: each.name, positionMs: each.positionMs, data: JSON.parse(each.data) }]
        : [],
    );
    facts.set(sessionKey(part.session, part.video), { ...factsOfPart(part), customEvents });
  }
  return facts;
}

function factsOfPart(part: SessionPart): Omit<SessionFacts, 'customEvents'> {
  return {
    session: part.session,
    video: part.video,
    uniqueWatchMs: part.uniqueWatchMs,
    totalWatchMs: part.totalWatchMs,
    attempts: part.attempts,
    plays: part.plays,
    completions: part.completions,
    startupMs: part.startupMs,
    stalls: part.stalls,
    stallMs: part.stallMs,
    seeks: part.seeks,
    startFailures: part.startFailures,
    playbackFailures: part.playbackFailures,
    exitsBeforeStart: part.exitsBeforeStart,
    bitrateKbpsMs: part.bitrateKbpsMs,
    bitrateKnownMs: part.bitrateKnownMs,
    switchesUp: part.switchesUp,
    switchesDown: part.switchesDown,
    errors: sortErrors(part.errors),
    received: part.received,
    spanMs: part.endedAt - part.startedAt,
    sections: part.sections.map((section) => ({ ...section, startedAt: section.startedAt - part.startedAt })),
  };
}
