// Short ways to make records of one partition's log for tests of the fold.
import type { FoldRecord } from '../../processor/core/partition.ts';
import type { Beacon, BeaconContext, BeaconEvent, Control, EventDetail, EventType } from '../../schemas/beacon.ts';
import { UNKNOWN_CONTEXT, UNKNOWN_DETAIL } from '../../schemas/beacon.ts';
import { recordKey } from '../../schemas/topics.ts';

/** The instant at which test logs begin, epoch ms. */
export const EPOCH = 1_764_000_000_000;
export const SITE = 'demo';
export const SESSION = 'alice';
export const VIDEO = 'intro';

export type EventSpec = { type: EventType; seq?: number; at?: number; positionMs?: number; detail?: Partial<EventDetail> };

/** An event; `at` is ms after the beacon's base. */
export const event = ({ type, seq = -1, at = 0, positionMs = -1, detail }: EventSpec): BeaconEvent => ({
  type,
  seq,
  at,
  positionMs,
  detail: detail === undefined ? null : { ...UNKNOWN_DETAIL, ...detail },
});

/** A context that knows only what is given. */
export const context = (known: Partial<BeaconContext>): BeaconContext => ({ ...UNKNOWN_CONTEXT, ...known });

export type BeaconSpec = Partial<Omit<Beacon, 'events'>> & { events?: readonly EventSpec[] };

/** A beacon received `atMs` after EPOCH, its events stamped by a client clock that agrees with the gateway's and begins at EPOCH. */
export function beacon(atMs: number, { events = [], ...rest }: BeaconSpec): Beacon {
  return {
    site: SITE,
    session: SESSION,
    video: VIDEO,
    protocol: 'native',
    receivedAt: EPOCH + atMs,
    sentAt: EPOCH + atMs,
    baseAt: EPOCH,
    context: null,
    rejects: [],
    ignoredFields: 0,
    ...rest,
    events: events.map(event),
  };
}

/** A log that numbers its records; every append time is ms after EPOCH. */
export class LogBuilder {
  #offset = 0;

  beacon(atMs: number, spec: BeaconSpec): FoldRecord {
    const made = beacon(atMs, spec);
    return this.#record(atMs, { kind: 'beacon', beacon: made }, recordKey(made.site, made.session));
  }

  tick(atMs: number): FoldRecord {
    return this.#record(atMs, { kind: 'tick', tick: { instance: 'test' } }, null);
  }

  control(atMs: number, control: Partial<Control>): FoldRecord {
    return this.#record(
      atMs,
      { kind: 'control', control: { command: 'settings', site: '', protocol: '', settings: {}, ...control } },
      null,
    );
  }

  /** Ticks every 5 s, both ends included. */
  ticks(fromMs: number, toMs: number): FoldRecord[] {
    const records: FoldRecord[] = [];
    for (let at = fromMs; at <= toMs; at += 5_000) records.push(this.tick(at));
    return records;
  }

  #record(atMs: number, message: FoldRecord['message'], keyText: string | null): FoldRecord {
    return { offset: this.#offset++, appendAt: EPOCH + atMs, message, keyText };
  }
}
