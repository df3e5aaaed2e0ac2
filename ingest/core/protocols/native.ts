// The native beacon, POST /v1/beacons (api.md section 2): parsed JSON → drafts. One beacon or an array of them; an event that is
// wrong becomes a reject record in its beacon, a beacon that is wrong becomes a reject record of its own, and a body without
// any usable beacon is refused as a whole.
import type { BeaconEvent, Reject } from '../../../schemas/beacon.ts';
import { type Draft, NO_DRAFT_CONTEXT, type Refusal, rejectOf, sessionIdOf } from '../draft.ts';
import { type FieldReader, idField, objectOf, readerOf, unknownFieldsOf } from '../fields.ts';
import {
  BEACONS_MAX,
  EVENT_BYTES_MAX,
  EVENTS_MAX,
  INSTANT_MAX,
  INT_MAX,
  type LimitName,
  PLAYER_BYTES_MAX,
  SESSION_BYTES_MAX,
  TITLE_BYTES_MAX,
  URL_BYTES_MAX,
  VIDEO_ID_BYTES_MAX,
} from '../limits.ts';
import { readMeta } from '../meta.ts';
import { bytesOf, fitsBytes, textOf } from '../text.ts';
import { type NativeEvent, readNativeEvent } from './native-events.ts';

/** A wrong place in the body, as a problem lists it. */
export type InputError = { pointer: string; detail: string };

/** Drafts of one request, or why nothing of it can be taken. `limits` are those that cut something without refusing it. */
export type NativeResult =
  | { ok: true; drafts: Draft[]; limits: LimitName[] }
  | { ok: false; kind: 'invalid'; errors: InputError[] }
  | { ok: false; kind: 'limit'; limit: LimitName; detail: string; pointer: string };

/** What the parser needs from outside: hashing of ids that do not fit, and the size of the body (small ones skip a check). */
export type NativeOptions = { hashId: (text: string) => string; bodyBytes: number };

type Parsed = { draft: Draft; usable: boolean; errors: InputError[] };
type Limits = { names: Set<LimitName> };

const BEACON_FIELDS: ReadonlySet<string> = new Set(['key', 'session', 'video', 'page', 'referrer', 'player', 'meta', 'sentAt', 'events']);
const VIDEO_FIELDS: ReadonlySet<string> = new Set(['id', 'title', 'durationMs', 'live']);
const PLAYER_FIELDS: ReadonlySet<string> = new Set(['name', 'version']);

/** Reads a whole body. Never throws. */
export function readNativeBody(body: unknown, options: NativeOptions): NativeResult {
  const batch = Array.isArray(body);
  const inputs: readonly unknown[] = batch ? body : [body];
  const tooBig = overLimit(inputs, batch, options.bodyBytes);
  if (tooBig !== undefined) return tooBig;
  const limits: Limits = { names: new Set() };
  const parsed = inputs.map((input, index) => readBeacon(input, { index, base: batch ? `/${index}` : '', hashId: options.hashId, limits }));
  refuseMixedNumbers(parsed, inputs, batch);
  const errors = parsed.flatMap((each) => each.errors);
  if (!parsed.some((each) => each.usable)) {
    return { ok: false, kind: 'invalid', errors: errors.length > 0 ? errors : [{ pointer: '', detail: 'holds no beacon' }] };
  }
  return { ok: true, drafts: parsed.map((each) => each.draft), limits: [...limits.names] };
}

function overLimit(inputs: readonly unknown[], batch: boolean, bodyBytes: number): NativeResult | undefined {
  const limit = (name: LimitName, detail: string, pointer: string): NativeResult => ({
    ok: false,
    kind: 'limit',
    limit: name,
    detail,
    pointer,
  });
  if (inputs.length > BEACONS_MAX) return limit('beacons', `at most ${BEACONS_MAX} beacons in a request`, '');
  let events = 0;
  for (const [index, input] of inputs.entries()) {
    const list = objectOf(input)?.['events'];
    if (!Array.isArray(list)) continue;
    const pointer = `${batch ? `/${index}` : ''}/events`;
    events += list.length;
    if (events > EVENTS_MAX) return limit('events', `at most ${EVENTS_MAX} events in a request`, pointer);
    if (bodyBytes <= EVENT_BYTES_MAX) continue;
    const large = list.findIndex((event) => bytesOf(JSON.stringify(event)) > EVENT_BYTES_MAX);
    if (large >= 0) return limit('event_bytes', `at most ${EVENT_BYTES_MAX} bytes in an event`, `${pointer}/${large}`);
  }
  return undefined;
}

type Place = { index: number; base: string; hashId: (text: string) => string; limits: Limits };

function readBeacon(input: unknown, place: Place): Parsed {
  const fields = objectOf(input);
  const draft: Draft = {
    index: place.index,
    protocol: 'native',
    session: '',
    video: '',
    sentAt: -1,
    baseAt: -1,
    context: { ...NO_DRAFT_CONTEXT },
    events: [],
    rejects: [],
    ignoredFields: 0,
    key: '',
  };
  if (fields === undefined) return unusable(draft, place, input, { pointer: '', reason: 'not_an_object', detail: 'must be an object' });
  draft.key = textOf(fields['key'], SESSION_BYTES_MAX);
  const reader = readerOf(fields);
  const session = readSession(reader);
  if (reader.refusal !== undefined) return unusable(draft, place, input, reader.refusal);
  draft.session = sessionIdOf(session, place.hashId);
  const list = fields['events'];
  if (!Array.isArray(list) || list.length === 0) {
    const detail = list === undefined ? 'is required' : 'must be an array of at least one event';
    return unusable(draft, place, input, { pointer: '/events', reason: 'wrong_events', detail });
  }
  draft.ignoredFields = unknownFieldsOf(fields, BEACON_FIELDS);
  const wrong = readContext(fields, draft, place.limits);
  if (wrong !== undefined) return unusable(draft, place, input, wrong);
  const errors = readEvents(list, draft, place);
  // The session stays although no event is left: its rejects settle their numbers there, so that they leave no holes.
  return { draft, usable: draft.events.length > 0, errors };
}

/** A beacon of a batch that cannot be used: one reject record stands for all of it. */
function unusable(draft: Draft, place: Place, input: unknown, refusal: Refusal): Parsed {
  draft.session = '';
  draft.rejects = [rejectOf({ index: -1, seq: -1, refusal, input })];
  return { draft, usable: false, errors: [{ pointer: `${place.base}${refusal.pointer}`, detail: refusal.detail }] };
}

function readSession(reader: FieldReader): string {
  const value = reader.fields['session'];
  if (typeof value !== 'string' || value === '') {
    const missing = value === undefined || value === null;
    reader.refusal = {
      pointer: '/session',
      reason: missing ? 'missing_field' : 'invalid_value',
      detail: missing ? 'is required' : 'must be a string of at least one character',
    };
    return '';
  }
  if (value.length > SESSION_BYTES_MAX) {
    reader.refusal = { pointer: '/session', reason: 'too_long', detail: `must be at most ${SESSION_BYTES_MAX} characters` };
  }
  return value;
}

/** Fills video, context and sentAt. Optional fields of a wrong type are ignored and counted; only a video id too long refuses. */
function readContext(fields: Readonly<Record<string, unknown>>, draft: Draft, limits: Limits): Refusal | undefined {
  const context = draft.context;
  draft.sentAt = optionalNumber(fields, 'sentAt', draft, INSTANT_MAX);
  context.page = optionalText({ fields, draft, limits }, 'page', URL_BYTES_MAX);
  context.referrer = optionalText({ fields, draft, limits }, 'referrer', URL_BYTES_MAX);
  const player = optionalObject(fields, 'player', draft);
  if (player !== undefined) {
    context.playerName = optionalText({ fields: player, draft, limits }, 'name', PLAYER_BYTES_MAX);
    context.playerVersion = optionalText({ fields: player, draft, limits }, 'version', PLAYER_BYTES_MAX);
    draft.ignoredFields += unknownFieldsOf(player, PLAYER_FIELDS);
  }
  const meta = optionalObject(fields, 'meta', draft);
  if (meta !== undefined) {
    const kept = readMeta(meta);
    context.meta = kept.text;
    draft.ignoredFields += kept.dropped;
    if (kept.limited) limits.names.add('meta');
  }
  const video = optionalObject(fields, 'video', draft);
  return video === undefined ? undefined : readVideo({ fields: video, draft, limits });
}

function readVideo({ fields: video, draft, limits }: Optional): Refusal | undefined {
  const { context } = draft;
  const reader = readerOf(video);
  draft.video = idField(reader, 'id', VIDEO_ID_BYTES_MAX);
  if (reader.refusal !== undefined) return { ...reader.refusal, pointer: '/video/id' };
  context.title = optionalText({ fields: video, draft, limits }, 'title', TITLE_BYTES_MAX);
  const durationMs = optionalNumber(video, 'durationMs', draft, INT_MAX);
  context.durationMs = durationMs === 0 ? -1 : durationMs;
  const live = video['live'];
  if (typeof live === 'boolean') context.live = live ? 1 : 0;
  else if (live !== undefined && live !== null) draft.ignoredFields++;
  draft.ignoredFields += unknownFieldsOf(video, VIDEO_FIELDS);
  return undefined;
}

function readEvents(list: readonly unknown[], draft: Draft, { base, limits }: Place): InputError[] {
  const errors: InputError[] = [];
  const read: NativeEvent[] = [];
  for (const [index, input] of list.entries()) {
    const result = readNativeEvent(input);
    if (result.ok) {
      read.push(result.read);
      draft.ignoredFields += result.read.ignoredFields;
      if (result.read.cut) limits.names.add('text_bytes');
    } else {
      draft.rejects.push(rejectOf({ index, seq: result.seq, refusal: result.refusal, input }));
      errors.push({ pointer: `${base}/events/${index}${result.refusal.pointer}`, detail: result.refusal.detail });
    }
  }
  draft.baseAt = read.find((each) => each.at >= 0)?.at ?? -1;
  let delta = 0;
  for (const { event, at } of read) {
    // An event without a client time is taken to have happened with the one before it.
    if (at >= 0) delta = Math.max(-INT_MAX, Math.min(INT_MAX, at - draft.baseAt));
    event.at = delta;
    draft.events.push(event);
  }
  return errors;
}

/** All events of a session are numbered or none: where a request mixes both, those without a number are refused. */
function refuseMixedNumbers(parsed: readonly Parsed[], inputs: readonly unknown[], batch: boolean): void {
  const numbered = new Set<string>();
  const unnumbered = new Set<string>();
  for (const { draft } of parsed) for (const event of draft.events) (event.seq >= 0 ? numbered : unnumbered).add(draft.session);
  for (const each of parsed) {
    const { draft } = each;
    if (!numbered.has(draft.session) || !unnumbered.has(draft.session)) continue;
    const list = (objectOf(inputs[draft.index])?.['events'] ?? []) as readonly unknown[];
    const rejected = new Set(draft.rejects.map((reject) => reject.index));
    const places = list.map((_, index) => index).filter((index) => !rejected.has(index));
    const kept: BeaconEvent[] = [];
    const rejects: Reject[] = [...draft.rejects];
    for (const [place, event] of draft.events.entries()) {
      if (event.seq >= 0) {
        kept.push(event);
        continue;
      }
      const index = places[place] as number;
      const detail = 'is required here: number all events of a session or none';
      rejects.push(rejectOf({ index, seq: -1, refusal: { pointer: '/seq', reason: 'seq_mixed', detail }, input: list[index] }));
      each.errors.push({ pointer: `${batch ? `/${draft.index}` : ''}/events/${index}/seq`, detail });
    }
    draft.events = kept;
    draft.rejects = rejects.sort((a, b) => a.index - b.index);
    if (kept.length === 0) each.usable = false;
  }
}

type Optional = { fields: Readonly<Record<string, unknown>>; draft: Draft; limits: Limits };

function optionalText({ fields, draft, limits }: Optional, name: string, bytesMax: number): string {
  const value = fields[name];
  if (typeof value === 'string') {
    if (!fitsBytes(value, bytesMax)) limits.names.add('text_bytes');
    return textOf(value, bytesMax);
  }
  if (value !== undefined && value !== null) draft.ignoredFields++;
  return '';
}

/** A number in [0, max], rounded, clamped at max; -1 = missing or no such number. */
function optionalNumber(fields: Readonly<Record<string, unknown>>, name: string, draft: Draft, max: number): number {
  const value = fields[name];
  if (typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY) return Math.min(max, Math.round(value));
  if (value !== undefined && value !== null) draft.ignoredFields++;
  return -1;
}

function optionalObject(
  fields: Readonly<Record<string, unknown>>,
  name: string,
  draft: Draft,
): Readonly<Record<string, unknown>> | undefined {
  const value = fields[name];
  const object = objectOf(value);
  if (object === undefined && value !== undefined && value !== null) draft.ignoredFields++;
  return object;
}
