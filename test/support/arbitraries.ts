// Random logs for property tests of the fold: plausible viewings cut into beacons, and records that make no sense at all.
import fc from 'fast-check';
import type { FoldRecord } from '../../processor/core/partition.ts';
import type { BeaconContext, Control, EventType, LogMessage } from '../../schemas/beacon.ts';
import { BAD_RECORD_REASONS, CONTROL_COMMANDS, EVENT_TYPES, PROTOCOLS, UNKNOWN_CONTEXT } from '../../schemas/beacon.ts';
import { type BeaconSpec, context, EPOCH, type EventSpec, LogBuilder } from './records.ts';

/** A beacon and when it enters the log, ms after EPOCH. */
export type Arrival = { atMs: number; beacon: BeaconSpec };

const EVENT_WEIGHTS: readonly { weight: number; types: readonly EventType[] }[] = [
  { weight: 6, types: ['heartbeat'] },
  { weight: 3, types: ['playing', 'pause', 'seek'] },
  { weight: 2, types: ['stall_start', 'stall_end', 'rate', 'quality', 'error', 'custom', 'attempt'] },
  { weight: 1, types: ['ended', 'leave', 'fullscreen', 'volume', 'captions', 'ad'] },
];

const eventType = fc.oneof(...EVENT_WEIGHTS.map(({ weight, types }) => ({ weight, arbitrary: fc.constantFrom(...types) })));

const detail = fc.option(
  fc.record(
    {
      fromMs: fc.integer({ min: -1, max: 60_000 }),
      toMs: fc.integer({ min: -1, max: 60_000 }),
      rateMilli: fc.constantFrom(500, 1_000, 1_500, 2_000),
      bitrateBps: fc.constantFrom(-1, 500_000, 1_000_000, 3_000_000),
      flag: fc.constantFrom(-1, 0, 1),
      code: fc.constantFrom('', 'net', 'drm'),
      name: fc.constantFrom('', 'like'),
      text: fc.constantFrom('', '{"a":1}'),
    },
    { requiredKeys: [] },
  ),
  { nil: undefined, freq: 3 },
);

const someContext = fc.option(
  fc
    .record({
      title: fc.constantFrom('', 'One', 'Two'),
      durationMs: fc.constantFrom(-1, 30_000, 60_000),
      country: fc.constantFrom('', 'DE', 'FR'),
      meta: fc.constantFrom('', '{"a":1}', '{"a":2,"b":1}'),
    })
    .map((known) => context(known as Partial<BeaconContext>)),
  { nil: null, freq: 3 },
);

/** The events of one client session, 100 to 6,000 ms apart, mostly moving as a player would, numbered from 0. */
const sessionEvents = fc
  .array(
    fc.record({
      type: eventType,
      stepMs: fc.integer({ min: 0, max: 6_000 }),
      advanceMs: fc.integer({ min: -3_000, max: 7_000 }),
      known: fc.boolean(),
      detail,
    }),
    {
      minLength: 1,
      maxLength: 30,
    },
  )
  .map((steps) => {
    let at = 0;
    let positionMs = 0;
    return steps.map(({ type, stepMs, advanceMs, known, detail: given }, seq): EventSpec => {
      at += stepMs;
      positionMs = Math.max(0, positionMs + (seq % 3 === 0 ? advanceMs : stepMs));
      return {
        type,
        seq,
        at,
        positionMs: known || type === 'heartbeat' ? positionMs : -1,
        ...(given === undefined ? {} : { detail: given }),
      };
    });
  });

/** One client session cut into beacons, each entering the log shortly after its last event. */
export const arrivalsOf = (session: string, video = 'intro', numbered = true): fc.Arbitrary<Arrival[]> =>
  fc
    .tuple(
      sessionEvents,
      fc.array(fc.record({ size: fc.integer({ min: 1, max: 5 }), context: someContext }), { minLength: 30, maxLength: 30 }),
    )
    .map(([events, cuts]) => {
      const arrivals: Arrival[] = [];
      let next = 0;
      for (const cut of cuts) {
        const taken = events.slice(next, next + cut.size);
        next += cut.size;
        const last = taken.at(-1);
        if (last === undefined) break;
        const sent = numbered ? taken : taken.map((event) => ({ ...event, seq: -1 }));
        const atMs = (last.at as number) + 100;
        arrivals.push({
          atMs,
          beacon: { session, video, context: cut.context, events: sent, receivedAt: EPOCH + atMs - 20, sentAt: EPOCH + atMs - 50 },
        });
      }
      return arrivals;
    });

/** A log of these arrivals with ticks until everything is sealed: by log time, then by place in the list. */
export function logFrom(arrivals: readonly Arrival[], untilMs = 420_000): FoldRecord[] {
  const log = new LogBuilder();
  const order = arrivals.map((arrival, place) => ({ ...arrival, place })).sort((a, b) => a.atMs - b.atMs || a.place - b.place);
  const records: FoldRecord[] = [];
  let tickAt = 0;
  for (const { atMs, beacon } of order) {
    for (; tickAt <= atMs; tickAt += 5_000) records.push(log.tick(tickAt));
    records.push(log.beacon(atMs, beacon));
  }
  for (; tickAt <= untilMs; tickAt += 5_000) records.push(log.tick(tickAt));
  return records;
}

const wildInt = fc.oneof(fc.integer(), fc.integer({ min: -2, max: 40 }), fc.constantFrom(-1, 0, 2_147_483_647, -2_147_483_648));
const wildLong = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: EPOCH - 100_000, max: EPOCH + 100_000 }), fc.constantFrom(-1, 0, EPOCH));
const wildText = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('', '__proto__', '{"a":1}', '[1]', '{'),
);
const wildId = fc.constantFrom('a', 'b', '');

const wildEvent = fc.record({
  type: fc.constantFrom(...EVENT_TYPES),
  seq: wildInt,
  at: wildInt,
  positionMs: wildInt,
  detail: fc.option(
    fc.record({
      fromMs: wildInt,
      toMs: wildInt,
      rateMilli: wildInt,
      bitrateBps: wildInt,
      width: wildInt,
      height: wildInt,
      levelMilli: wildInt,
      flag: wildInt,
      code: wildText,
      name: wildText,
      text: wildText,
    }),
  ),
});

const wildContext = fc
  .record({ durationMs: wildInt, live: wildInt, title: wildText, meta: wildText, bot: fc.boolean() })
  .map((known) => ({ ...UNKNOWN_CONTEXT, ...known }));

const wildBeacon = fc.record({
  site: wildId,
  session: wildId,
  video: wildId,
  protocol: fc.constantFrom(...PROTOCOLS),
  receivedAt: wildLong,
  sentAt: wildLong,
  baseAt: wildLong,
  context: fc.option(wildContext),
  events: fc.array(wildEvent, { maxLength: 6 }),
  rejects: fc.array(fc.record({ index: wildInt, seq: wildInt, reason: wildText, detail: wildText, payload: wildText }), { maxLength: 2 }),
  ignoredFields: wildInt,
});

const wildControl: fc.Arbitrary<Control> = fc.record({
  command: fc.constantFrom(...CONTROL_COMMANDS),
  site: wildId,
  protocol: fc.constantFrom('', 'native', 'mave'),
  settings: fc.dictionary(
    fc.constantFrom('idleGapMs', 'leaveLingerMs', 'endedLingerMs', 'graceMs', 'ageMaxMs', 'backdateMaxMs', 'x', '__proto__'),
    wildLong,
  ),
});

const wildMessage: fc.Arbitrary<LogMessage> = fc.oneof(
  { weight: 8, arbitrary: wildBeacon.map((beacon): LogMessage => ({ kind: 'beacon', beacon })) },
  { weight: 2, arbitrary: fc.constant<LogMessage>({ kind: 'tick', tick: { instance: '' } }) },
  { weight: 1, arbitrary: wildControl.map((control): LogMessage => ({ kind: 'control', control })) },
  {
    weight: 1,
    arbitrary: fc
      .record({ reason: fc.constantFrom(...BAD_RECORD_REASONS), detail: wildText })
      .map((bad): LogMessage => ({ kind: 'bad', ...bad })),
  },
);

/** Any log at all: every field anything its type allows, clocks that step and leap, keys that do not fit. */
export const wildLog: fc.Arbitrary<FoldRecord[]> = fc
  .array(fc.record({ message: wildMessage, stepMs: wildStep(), fits: fc.boolean() }), { maxLength: 40 })
  .map((steps) => {
    let appendAt = EPOCH;
    return steps.map(({ message, stepMs, fits }, offset) => {
      appendAt += stepMs;
      const keyText = message.kind === 'beacon' && (fits || offset % 4 !== 0) ? `${message.beacon.site}/${message.beacon.session}` : null;
      return { offset, appendAt, message, keyText };
    });
  });

function wildStep(): fc.Arbitrary<number> {
  return fc.oneof(fc.integer({ min: -5_000, max: 20_000 }), fc.constantFrom(0, 2_000_000, -2_000_000, 100_000_000));
}
