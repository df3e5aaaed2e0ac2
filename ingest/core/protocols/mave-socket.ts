// What mave's socket clients push into their channel → events (protocols.md section 3), for `@maveio/metrics` 0.1.x (no client clock) and
// its predecessor of 2023 (a timestamp in every event). Pure: the channel's memory is a value that is handed in and out.
import { type BeaconEvent, type EventDetail, type EventType, UNKNOWN_DETAIL } from '../../../schemas/beacon.ts';
import type { DraftContext } from '../draft.ts';
import { NO_DRAFT_CONTEXT } from '../draft.ts';
import { objectOf } from '../fields.ts';
import { NAME_BYTES_MAX, SESSION_BYTES_MAX, URL_BYTES_MAX, VIDEO_ID_BYTES_MAX } from '../limits.ts';
import { readMeta } from '../meta.ts';
import { textOf } from '../text.ts';
import { durationOfSeconds, instantOfMs, positionOfSeconds } from '../values.ts';

/** Who joined, and what about. */
export type SocketJoin = {
  /** The session id of the topic, as sent. */
  session: string;
  key: string;
  /** '' = none, or none that is text. */
  identifier: string;
  metadata: Readonly<Record<string, unknown>> | undefined;
  /** What the page said of its video, any JSON: the metadata, or what stood in their place. */
  described: unknown;
  context: DraftContext;
  ignoredFields: number;
};

const TOPIC = /^session:(.{1,256})$/s;
const LANGUAGE = /^[a-z]{2}$/;
const LANGUAGE_NAMES = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'none' });
/** ISO 639-1: two letters that name a language. */
const isLanguage = (code: string): boolean => LANGUAGE.test(code) && LANGUAGE_NAMES.of(code) !== undefined;
/** The session id of a topic, '' = it is no session's. */
export const sessionOfTopic = (topic: string): string => TOPIC.exec(topic)?.[1] ?? '';

/** Reads the payload of a join; undefined = key, or metadata and identifier, are missing. Never throws. */
export function readJoin(topic: string, payload: unknown, sourceUrl: string): SocketJoin | undefined {
  const fields = objectOf(payload);
  const key = textOf(fields?.['key'], SESSION_BYTES_MAX);
  if (fields === undefined || key === '') return undefined;
  const given = fields['identifier'];
  // The two-argument constructor puts the metadata where the identifier belongs.
  const metadata = objectOf(fields['metadata']) ?? objectOf(given);
  const identifier = typeof given === 'string' ? textOf(given, VIDEO_ID_BYTES_MAX) : '';
  const described = metadata ?? fields['metadata'];
  if (described === undefined && identifier === '') return undefined;
  // One flat object: what a session says of itself, and over it what it says of its video.
  const { text, dropped } = readMeta({ ...objectOf(fields['session_data']), ...metadata });
  const page = textOf(fields['source_url'], URL_BYTES_MAX) || textOf(sourceUrl, URL_BYTES_MAX);
  return {
    session: sessionOfTopic(topic),
    key,
    identifier,
    metadata,
    described,
    context: { ...NO_DRAFT_CONTEXT, page, meta: text },
    ignoredFields: dropped,
  };
}

/** The video of a join: the metadata field that the site names, else the identifier, else a hash of what describes it, the same for equal values. */
export function videoOfJoin(
  { identifier, metadata, described }: SocketJoin,
  videoField: unknown,
  hashId: (text: string) => string,
): string {
  const named = typeof videoField === 'string' ? metadata?.[videoField] : undefined;
  const text = typeof named === 'number' ? String(named) : textOf(named, VIDEO_ID_BYTES_MAX);
  if (text !== '') return text;
  return identifier !== '' ? identifier : `m_${hashId(canonicalJson(described)).slice(0, 22)}`;
}

/** JSON with the keys of every object sorted: equal values give equal text. The depth is bounded by the frame's parser. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const fields = objectOf(value);
  if (fields === undefined) return JSON.stringify(value ?? null);
  const entries = Object.keys(fields).sort();
  return `{${entries.map((key) => `${JSON.stringify(key)}:${canonicalJson(fields[key])}`).join(',')}}`;
}

/** What a channel must remember between two frames. Instants are the client's, -1 = none. */
export type ChannelMemory = { durationMs: number; playing: boolean; pausedAt: number; pausedMs: number };
export const NEW_CHANNEL: Readonly<ChannelMemory> = Object.freeze({ durationMs: -1, playing: false, pausedAt: -1, pausedMs: -1 });

/** Events that a push means ([] = none), its client time, and what is remembered after it. `reason` = why it means none. */
export type Pushed = {
  events: BeaconEvent[];
  at: number;
  memory: ChannelMemory;
  reason: '' | 'not_an_event' | 'no_position' | 'no_language';
};

/** Reads the payload of a channel's `event`. Never throws. */
export function readPush(payload: unknown, memory: ChannelMemory): Pushed {
  const fields = objectOf(payload);
  const name = textOf(fields?.['name'], NAME_BYTES_MAX);
  if (fields === undefined || name === '') return { events: [], at: -1, memory, reason: 'not_an_event' };
  const at = instantOfMs(fields['timestamp']);
  const durationMs = durationOfSeconds(fields['duration']);
  const next = durationMs > 0 ? { ...memory, durationMs } : memory;
  return { at, ...meaningOf(name, fields, at, next) };
}

type Meaning = Omit<Pushed, 'at'>;

function meaningOf(name: string, fields: Readonly<Record<string, unknown>>, at: number, memory: ChannelMemory): Meaning {
  const one = (type: EventType, positionMs = -1, detail: Partial<EventDetail> | null = null): Meaning => ({
    events: [eventOf(type, positionMs, detail)],
    memory,
    reason: '',
  });
  const none = (reason: Pushed['reason']): Meaning => ({ events: [], memory, reason });
  const from = positionOfSeconds(fields['from']);
  const to = positionOfSeconds(fields['to']);
  switch (name) {
    case 'play':
      return from < 0 ? none('no_position') : play(from, at, memory);
    case 'pause':
      return to < 0 ? none('no_position') : { ...one('pause', to), memory: { ...memory, playing: false, pausedAt: at, pausedMs: to } };
    case 'seeked':
      // While playing, the pause and the play before it have told where from and where to.
      return memory.playing ? none('') : one('seek');
    case 'rebuffering_start':
      return one('stall_start', from);
    case 'rebuffering_end':
      return one('stall_end');
    case 'track_set': {
      const language = textOf(fields['language'], NAME_BYTES_MAX).toLowerCase();
      return isLanguage(language) ? one('captions', -1, { code: language, flag: 1 }) : none('no_language');
    }
    case 'fullscreen_enter':
      return one('fullscreen', -1, { flag: 1 });
    case 'fullscreen_exit':
      return one('fullscreen', -1, { flag: 0 });
    case 'playback_failure':
      return one('error', -1, { code: 'playback_failure', flag: 1 });
    default:
      return one('custom', from >= 0 ? from : to, { name, text: dataOf(fields) });
  }
}

/** Play goes on; right after a pause of the same instant it is the second half of a seek. */
function play(from: number, at: number, memory: ChannelMemory): Meaning {
  const playing = eventOf('playing', from, null);
  const next = { ...memory, playing: true };
  if (at < 0 || at !== memory.pausedAt) return { events: [playing], memory: next, reason: '' };
  const seek = eventOf('seek', -1, { fromMs: memory.pausedMs, toMs: from });
  return { events: [seek, playing], memory: next, reason: '' };
}

const eventOf = (type: EventType, positionMs: number, detail: Partial<EventDetail> | null): BeaconEvent => ({
  type,
  seq: -1,
  at: 0,
  positionMs,
  detail: detail === null ? null : { ...UNKNOWN_DETAIL, ...detail },
});

function dataOf(fields: Readonly<Record<string, unknown>>): string {
  const { name: _name, timestamp: _timestamp, duration: _duration, ...rest } = fields;
  return readMeta(rest).text;
}
