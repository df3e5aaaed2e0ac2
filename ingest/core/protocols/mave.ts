// mave's event list, POST /v1/events (protocols.md section 2): parsed JSON → drafts, one per session and video. An event without a
// usable name, session or time refuses the request as a whole, as that contract has it; anything else that is wrong is left out.
import { type BeaconEvent, UNKNOWN_DETAIL } from '../../../schemas/beacon.ts';
import { BACKDATE_DEFAULT_MAX_MS } from '../../../schemas/surfaces.ts';
import { type Draft, NO_DRAFT_CONTEXT } from '../draft.ts';
import { objectOf } from '../fields.ts';
import { META_KEY_BYTES_MAX, PLAYER_BYTES_MAX, URL_BYTES_MAX, VIDEO_ID_BYTES_MAX } from '../limits.ts';
import { readMeta } from '../meta.ts';
import { bytesOf, textOf } from '../text.ts';
import { deltasOf, durationOfSeconds, isClamped, numberOf, positionOfSeconds } from '../values.ts';

/** Events of one request. */
export const MAVE_EVENTS_MAX = 500;
/** Depth that is still read, so that nested extras can be left out instead of refusing their event. */
export const MAVE_DEPTH_MAX = 32;
const NAME_BYTES_MAX = 128;
const SOURCE_BYTES_MAX = 2048;
/** Characters of an embed id that name its space. */
const SPACE_HASH_LENGTH = 5;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const EMBED_ID = /^[A-Za-z0-9]{15}$/;
const OWN_FIELDS: ReadonlySet<string> = new Set([
  'name',
  'timestamp',
  'session_id',
  'video_time',
  'duration',
  'embed_id',
  'component',
  'source_url',
]);
/** Instants the log can hold; anything else is taken as receipt. */
const INSTANT_MAX = 4_102_444_800_000;

/** Drafts of one request, with the space each belongs to ('' = none named), or why nothing of it can be taken. */
export type MaveResult =
  | { ok: true; drafts: MaveDraft[]; clamped: number }
  | { ok: false; kind: 'payload' }
  | { ok: false; kind: 'too_many' }
  | { ok: false; kind: 'event'; index: number; reason: string };
export type MaveDraft = { draft: Draft; space: string };

type Group = { draft: Draft; space: string; extras: Record<string, unknown>; read: { at: number; event: BeaconEvent }[] };

/** Reads a whole body. Never throws. */
export function readMaveEvents(body: unknown, receivedAt: number, backdateMaxMs = BACKDATE_DEFAULT_MAX_MS): MaveResult {
  const events = objectOf(body)?.['events'];
  if (!Array.isArray(events)) return { ok: false, kind: 'payload' };
  if (events.length > MAVE_EVENTS_MAX) return { ok: false, kind: 'too_many' };
  const groups = new Map<string, Group>();
  let clamped = 0;
  for (const [index, input] of events.entries()) {
    const fields = objectOf(input);
    const reason = fields === undefined ? 'must be an object' : problemOf(fields);
    if (fields === undefined || reason !== '') return { ok: false, kind: 'event', index, reason };
    const told = Math.round(numberOf(fields['timestamp']));
    if (isClamped(told, receivedAt, { backdateMaxMs })) clamped++;
    const at = told >= 0 && told < INSTANT_MAX ? told : receivedAt;
    const group = groupOf(groups, fields);
    refineContext(group, fields);
    group.read.push({ at, event: eventOf(fields, group) });
  }
  return { ok: true, drafts: [...groups.values()].map(finish), clamped };
}

/** What is wrong with the fields an event cannot do without; '' = nothing. */
function problemOf(fields: Readonly<Record<string, unknown>>): string {
  const { name, timestamp, session_id: session } = fields;
  if (typeof name !== 'string' || textOf(name, NAME_BYTES_MAX) === '') return 'name must be a string of at least one character';
  if (typeof session !== 'string' || !UUID.test(session)) return 'session_id must be a UUID';
  if (Number.isNaN(numberOf(timestamp))) return 'timestamp must be epoch milliseconds';
  return '';
}

function groupOf(groups: Map<string, Group>, fields: Readonly<Record<string, unknown>>): Group {
  const session = (fields['session_id'] as string).toLowerCase();
  const embed = textOf(fields['embed_id'], VIDEO_ID_BYTES_MAX);
  const page = textOf(fields['source_url'], SOURCE_BYTES_MAX);
  const video = embed === '' ? pageName(page) : embed;
  const name = `${session}\n${video}`;
  const known = groups.get(name);
  if (known !== undefined) return known;
  const draft: Draft = {
    index: groups.size,
    protocol: 'mave',
    session,
    video,
    sentAt: -1,
    baseAt: -1,
    context: { ...NO_DRAFT_CONTEXT },
    events: [],
    rejects: [],
    ignoredFields: 0,
    key: '',
  };
  const group: Group = { draft, space: EMBED_ID.test(embed) ? embed.slice(0, SPACE_HASH_LENGTH) : '', extras: {}, read: [] };
  groups.set(name, group);
  return group;
}

/** Host and path of a page, for players that name no video. '' = no page. */
function pageName(page: string): string {
  if (!URL.canParse(page)) return '';
  const { host, pathname } = new URL(page);
  return host === '' ? '' : textOf(`${host}${pathname}`, VIDEO_ID_BYTES_MAX);
}

function refineContext({ draft }: Group, fields: Readonly<Record<string, unknown>>): void {
  const { context } = draft;
  const durationMs = durationOfSeconds(fields['duration']);
  if (durationMs > 0) context.durationMs = durationMs;
  context.page = textOf(fields['source_url'], Math.min(SOURCE_BYTES_MAX, URL_BYTES_MAX)) || context.page;
  context.playerName = textOf(fields['component'], PLAYER_BYTES_MAX) || context.playerName;
}

function eventOf(fields: Readonly<Record<string, unknown>>, group: Group): BeaconEvent {
  const name = textOf(fields['name'], NAME_BYTES_MAX);
  const positionMs = positionOfSeconds(fields['video_time']);
  const others = Object.entries(fields).filter(([field]) => !OWN_FIELDS.has(field));
  const extras = Object.fromEntries(others.filter(([field]) => bytesOf(field) <= META_KEY_BYTES_MAX));
  group.draft.ignoredFields += others.length - Object.keys(extras).length;
  if (name === 'play' || name === 'pause') {
    Object.assign(group.extras, extras);
    return { type: name === 'play' ? 'playing' : 'pause', seq: -1, at: 0, positionMs, detail: null };
  }
  const { text, dropped } = readMeta(extras);
  group.draft.ignoredFields += dropped;
  return { type: 'custom', seq: -1, at: 0, positionMs, detail: { ...UNKNOWN_DETAIL, name, text } };
}

/** Events in the order of their time; equal times keep the order they came in. */
function finish({ draft, space, extras, read }: Group): MaveDraft {
  read.sort((a, b) => a.at - b.at);
  const { baseAt, deltas } = deltasOf(read.map(({ at }) => at));
  draft.baseAt = baseAt;
  draft.events = read.map(({ event }, index) => ({ ...event, at: deltas[index] as number }));
  const meta = readMeta(extras);
  draft.context.meta = meta.text;
  draft.ignoredFields += meta.dropped;
  return { draft, space };
}
