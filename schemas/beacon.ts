// The contract's types: what a record of the log carries. Sentinels stand for "unknown" so that the
// common event costs about ten bytes: -1 for numbers, '' for text. Shapes mirror the .avsc files beside
// this one; a unit test round-trips random values through both. Imports nothing.

/** Event types, in the order of the Avro enum. Source: design.md section 3. */
export const EVENT_TYPES = [
  'unknown',
  'attempt',
  'playing',
  'pause',
  'heartbeat',
  'seek',
  'stall_start',
  'stall_end',
  'rate',
  'quality',
  'error',
  'ended',
  'leave',
  'fullscreen',
  'volume',
  'captions',
  'ad',
  'custom',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Doors, in the order of the Avro enum. */
export const PROTOCOLS = [
  'unknown',
  'native',
  'mave',
  'mave_socket',
  'peertube',
  'analytics_engine',
  'microticks',
  'ga',
  'ga4',
  'cmcd',
  'epas',
  'snowplow',
  'segment',
  'plausible',
  'umami',
  'posthog',
  'mux',
] as const;
export type Protocol = (typeof PROTOCOLS)[number];

const ORDERED_BY_TIME: Partial<Record<Protocol, boolean>> = { mave: true };

/** Whether a door's players stamp their events but do not number them, so that client times say the order. Source: protocols.md 0.2. */
export const orderedByTime = (protocol: Protocol): boolean => ORDERED_BY_TIME[protocol] ?? false;

/** Type-specific numbers and text of an event; see the docs of each field in beacon.avsc. */
export type EventDetail = {
  fromMs: number;
  toMs: number;
  /** Playback rate x 1000. */
  rateMilli: number;
  bitrateBps: number;
  width: number;
  height: number;
  /** Volume 0..1 x 1000. */
  levelMilli: number;
  /** error: fatal; fullscreen, captions: on; volume: muted. 1 yes, 0 no, -1 unknown. */
  flag: number;
  /** error: code; quality: codec; captions: language; ad: phase. */
  code: string;
  /** custom: name; ad: id. */
  name: string;
  /** error: message; custom: data as JSON. */
  text: string;
};

export type BeaconEvent = {
  type: EventType;
  /** Sequence number in the session id's stream, from 0 without holes; -1 = not numbered. */
  seq: number;
  /** Milliseconds after the beacon's baseAt on the client's clock (receivedAt if baseAt is -1). */
  at: number;
  /** Media position, integer ms; -1 = unknown. */
  positionMs: number;
  detail: EventDetail | null;
};

/** An event (or, index -1, a whole beacon) that was not understood; the fold makes a dead letter of it. */
export type Reject = { index: number; seq: number; reason: string; detail: string; payload: string };

/** What is known about the viewing beside its events. Filled by the gateway; raw address and user agent never get here. */
export type BeaconContext = {
  title: string;
  durationMs: number;
  live: number;
  pageHost: string;
  pagePath: string;
  referrerHost: string;
  source: string;
  medium: string;
  campaign: string;
  country: string;
  region: string;
  browser: string;
  platform: string;
  device: string;
  playerName: string;
  playerVersion: string;
  bot: boolean;
  viewer: string;
  /** JSON object of scalars with sorted keys, '' = none. */
  meta: string;
};

export type Beacon = {
  site: string;
  session: string;
  video: string;
  protocol: Protocol;
  receivedAt: number;
  sentAt: number;
  baseAt: number;
  context: BeaconContext | null;
  events: BeaconEvent[];
  rejects: Reject[];
  ignoredFields: number;
};

export type Tick = { instance: string };

export const CONTROL_COMMANDS = ['unknown', 'settings', 'close_all'] as const;
export type Control = {
  command: (typeof CONTROL_COMMANDS)[number];
  site: string;
  protocol: string;
  settings: Record<string, number>;
};

/** A decoded record. `bad` is a record that no schema could read: its reason is from a closed list. */
export type LogMessage =
  | { kind: 'beacon'; beacon: Beacon }
  | { kind: 'tick'; tick: Tick }
  | { kind: 'control'; control: Control }
  | { kind: 'bad'; reason: BadRecordReason; detail: string };

/** Why a record is unreadable. Deterministic reasons only: an unknown schema id is not among them (P17). */
export const BAD_RECORD_REASONS = ['empty_record', 'bad_magic', 'bad_checksum', 'undecodable', 'wrong_key'] as const;
export type BadRecordReason = (typeof BAD_RECORD_REASONS)[number];

export const UNKNOWN_DETAIL: Readonly<EventDetail> = Object.freeze({
  fromMs: -1,
  toMs: -1,
  rateMilli: -1,
  bitrateBps: -1,
  width: -1,
  height: -1,
  levelMilli: -1,
  flag: -1,
  code: '',
  name: '',
  text: '',
});

export const UNKNOWN_CONTEXT: Readonly<BeaconContext> = Object.freeze({
  title: '',
  durationMs: -1,
  live: -1,
  pageHost: '',
  pagePath: '',
  referrerHost: '',
  source: '',
  medium: '',
  campaign: '',
  country: '',
  region: '',
  browser: '',
  platform: '',
  device: '',
  playerName: '',
  playerVersion: '',
  bot: false,
  viewer: '',
  meta: '',
});
