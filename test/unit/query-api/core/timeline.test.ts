import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LoggedBeacon, timelineOf } from '../../../../query-api/core/timeline.ts';
import type { Beacon, BeaconEvent, EventType, Protocol } from '../../../../schemas/beacon.ts';
import { UNKNOWN_DETAIL } from '../../../../schemas/beacon.ts';

const AT = 1_764_000_000_000;
const event = (seq: number, type: EventType = 'heartbeat', change: Partial<BeaconEvent> = {}): BeaconEvent => ({
  type,
  seq,
  at: seq * 100,
  positionMs: -1,
  detail: null,
  ...change,
});
const logged = (
  events: BeaconEvent[],
  place: { at: number; offset: number; video?: string; sentAt?: number; baseAt?: number; protocol?: Protocol },
): LoggedBeacon => ({
  beacon: {
    site: 's',
    session: 'x',
    video: place.video ?? '',
    protocol: place.protocol ?? 'native',
    receivedAt: AT + place.at,
    sentAt: place.sentAt ?? -1,
    baseAt: place.baseAt ?? AT,
    context: null,
    events,
    rejects: [],
    ignoredFields: 0,
  } satisfies Beacon,
  appendAtMs: AT + place.at,
  partition: 0,
  offset: place.offset,
});
const never = (): boolean => false;

describe('timeline', () => {
  it('puts numbered events in order and counts copies', () => {
    const events = timelineOf(
      [logged([event(1), event(0)], { at: 0, offset: 1, video: 'v' }), logged([event(1), event(2)], { at: 50, offset: 2 })],
      never,
    );
    assert.deepEqual(
      events.map(({ seq, duplicates, video, late }) => [seq, duplicates, video, late]),
      [
        [0, 0, 'v', false],
        [1, 1, 'v', false],
        [2, 0, 'v', false],
      ],
    );
  });

  it('goes by client time where events are stamped but not numbered; what overtook nobody within grace stays where it came', () => {
    const sent = (at: number, arrivesAt: number, type: EventType) =>
      logged([event(-1, type, { at })], { at: arrivesAt, offset: arrivesAt, protocol: 'mave' });
    const typesOf = (...beacons: LoggedBeacon[]) => timelineOf(beacons, never).map(({ type, atMs }) => `${type}@${atMs - AT}`);
    assert.deepEqual(typesOf(sent(10_000, 10_100, 'pause'), sent(0, 10_400, 'playing'), sent(20_000, 20_100, 'playing')), [
      'playing@0',
      'pause@10000',
      'playing@20000',
    ]);
    assert.deepEqual(typesOf(sent(10_000, 10_100, 'pause'), sent(16_000, 16_100, 'playing'), sent(0, 16_200, 'custom')), [
      'pause@10000',
      'custom@0',
      'playing@16000',
    ]);
  });

  it('keeps arrival order where nothing is numbered, same content once', () => {
    const plain = (at: number, type: EventType): BeaconEvent => event(-1, type, { at });
    const events = timelineOf(
      [logged([plain(0, 'playing'), plain(5, 'pause')], { at: 0, offset: 1 }), logged([plain(0, 'playing')], { at: 9, offset: 2 })],
      never,
    );
    assert.deepEqual(
      events.map(({ type, duplicates }) => [type, duplicates]),
      [
        ['playing', 1],
        ['pause', 0],
      ],
    );
  });

  it('calls late what came after its place was given up or its session sealed, and puts it last', () => {
    const given = timelineOf([logged([event(0), event(2)], { at: 0, offset: 1 }), logged([event(1)], { at: 15_001, offset: 2 })], never);
    assert.deepEqual(
      given.map(({ seq, late }) => [seq, late]),
      [
        [0, false],
        [2, false],
        [1, true],
      ],
    );
    const sealed = timelineOf(
      [logged([event(0)], { at: 0, offset: 1 }), logged([event(1)], { at: 10, offset: 7 })],
      (_video, { offset }) => offset >= 7,
    );
    assert.deepEqual(
      sealed.map(({ late }) => late),
      [false, true],
    );
  });

  it('takes the skew of the client clock out by the send time', () => {
    const hourAhead = 3_600_000;
    const beacon = logged([event(0), event(1)], { at: 1_000, offset: 1, baseAt: AT + hourAhead, sentAt: AT + hourAhead + 1_000 });
    assert.deepEqual(
      timelineOf([beacon], never).map(({ atMs }) => atMs - AT),
      [0, 100],
    );
    const impossible = logged([event(0), event(1)], { at: 1_000, offset: 1, baseAt: 0 });
    assert.deepEqual(
      timelineOf([impossible], never).map(({ atMs }) => atMs - AT),
      [1_000, 1_100],
    );
  });

  it('names the fields of each type as a beacon does', () => {
    const details: [EventType, Partial<typeof UNKNOWN_DETAIL>, Record<string, unknown>][] = [
      ['seek', { fromMs: 5, toMs: 0 }, { fromMs: 5, toMs: 0 }],
      ['rate', { rateMilli: 1_500 }, { rate: 1.5 }],
      ['quality', { bitrateBps: 8, width: 1, height: 2, code: 'avc1' }, { bitrateBps: 8, width: 1, height: 2, codec: 'avc1' }],
      ['error', { code: 'E', text: 'm', flag: 1 }, { code: 'E', message: 'm', fatal: true }],
      ['volume', { levelMilli: 500, flag: 0 }, { level: 0.5, muted: false }],
      ['captions', { flag: 1, code: 'nl' }, { on: true, language: 'nl' }],
      ['ad', { code: 'start', name: 'a1' }, { phase: 'start', id: 'a1' }],
      ['custom', { name: 'n', text: '{"a":[1]}' }, { name: 'n', data: { a: [1] } }],
    ];
    for (const [type, detail, expected] of details) {
      const [only] = timelineOf([logged([event(0, type, { detail: { ...UNKNOWN_DETAIL, ...detail } })], { at: 0, offset: 1 })], never);
      assert.deepEqual(only?.detail, expected, type);
    }
  });
});
