// What every door hands to the collector: beacons in our own words, before enrichment. A protocol's parser produces drafts; from
// there on all protocols are the same.
import type { BeaconEvent, Protocol, Reject } from '../../schemas/beacon.ts';
import { RESERVED_SESSION_PREFIXES } from '../../schemas/door-sessions.ts';
import { REJECT_DETAIL_BYTES_MAX, REJECT_PAYLOAD_BYTES_MAX } from './limits.ts';
import { cleanText, cutText } from './text.ts';

/** Why an event (or a beacon of a batch) was not understood: the reasons of dead letters made at the door. */
export const REJECT_REASONS = [
  'not_an_object',
  'unknown_type',
  'invalid_value',
  'missing_field',
  'too_long',
  'seq_mixed',
  'wrong_events',
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

/** What the player says of the viewing; texts are clean and cut, '' and -1 mean not said. */
export type DraftContext = {
  title: string;
  durationMs: number;
  /** 1 live, 0 on demand, -1 unknown. */
  live: number;
  /** Full URL of the page, to be split (query and fragment never get further than the campaign reader). */
  page: string;
  referrer: string;
  playerName: string;
  playerVersion: string;
  /** JSON object of scalars with sorted keys, '' = none. */
  meta: string;
  /** A person-like id of the protocol (client id, user id): becomes the viewer key or is dropped, never kept as it is. */
  person: string;
  /** Where a protocol reports them for somebody else (server-side calls): used for look-ups only. */
  userAgent: string;
  address: string;
  /** What the player's own reading of its user agent says, where the protocol sends that: it wins over ours. '' = not said. */
  browser: string;
  platform: string;
  device: string;
  /** Where the protocol has rules of its own for it: wins over what page and referrer say. All '' = direct. */
  traffic?: { source: string; medium: string; campaign: string };
  /** Path of a page whose host is not told. */
  pagePath?: string;
};

/** One beacon as understood by a protocol's parser: the events of one session from one request. */
export type Draft = {
  /** Place of the beacon in the request, for answers. */
  index: number;
  protocol: Protocol;
  /** `[A-Za-z0-9_-]{1,64}`; '' where it could not be read: then only rejects are carried. */
  session: string;
  video: string;
  sentAt: number;
  baseAt: number;
  context: DraftContext;
  events: BeaconEvent[];
  rejects: Reject[];
  ignoredFields: number;
  /** Write key named by the beacon itself, '' = none. */
  key: string;
};

export const NO_DRAFT_CONTEXT: Readonly<DraftContext> = Object.freeze({
  title: '',
  durationMs: -1,
  live: -1,
  page: '',
  referrer: '',
  playerName: '',
  playerVersion: '',
  meta: '',
  person: '',
  userAgent: '',
  address: '',
  browser: '',
  platform: '',
  device: '',
});

/** Input that was not understood, with the JSON pointer relative to its beacon and what to do about it. */
export type Refusal = { pointer: string; reason: RejectReason; detail: string };

/** A reject record: what was sent is kept as JSON, cut. `index` is the event's place in its beacon, -1 = the beacon itself. */
export function rejectOf(options: { index: number; seq: number; refusal: Refusal; input: unknown }): Reject {
  const { refusal } = options;
  const detail = refusal.pointer === '' ? refusal.detail : `${refusal.pointer} ${refusal.detail}`;
  return {
    index: options.index,
    seq: options.seq,
    reason: refusal.reason,
    detail: cutText(cleanText(detail), REJECT_DETAIL_BYTES_MAX),
    payload: cutText(cleanText(JSON.stringify(options.input) ?? ''), REJECT_PAYLOAD_BYTES_MAX),
  };
}

const SESSION_ID = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * A session id in the contract's form: as it is if it fits, else hashed (`hashId` gives 32 base64url characters). So is one that looks
 * like those that gateways make: nobody joins such a session by its name.
 */
export function sessionIdOf(text: string, hashId: (text: string) => string): string {
  const taken = RESERVED_SESSION_PREFIXES.some((prefix) => text.startsWith(prefix));
  return SESSION_ID.test(text) && !taken ? text : hashId(text);
}
