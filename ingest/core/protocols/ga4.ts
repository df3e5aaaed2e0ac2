// Measurement protocol, version 4 → events: one JSON object with a client and a list of events. What is wrong with one event is said of it and
// leaves its neighbours alone.
import { objectOf } from '../fields.ts';
import { META_KEY_BYTES_MAX, TITLE_BYTES_MAX, URL_BYTES_MAX, VIDEO_ID_BYTES_MAX } from '../limits.ts';
import { bytesOf, cleanText, textOf } from '../text.ts';
import { durationOfSeconds, instantOfMicros, isClamped, numberOf, positionOfMs, positionOfSeconds } from '../values.ts';
import type { Playback } from './ga-playback.ts';

/** A request, bytes; its events; an event's name, characters; how old an event may be. */
export const GA4_BODY_BYTES_MAX = 130_000;
export const GA4_EVENTS_MAX = 25;
const NAME_CHARACTERS_MAX = 40;
const PARAMS_BYTES_MAX = 8 * 1024;
const CLIENT_CHARACTERS_MAX = 256;

/** Something wrong, where, and the code under which it is told to who debugs. */
export type Ga4Problem = {
  fieldPath: string;
  description: string;
  validationCode: 'VALUE_REQUIRED' | 'VALUE_INVALID' | 'NAME_INVALID' | 'EXCEEDED_MAX_ENTITIES';
};

export type Ga4Event = {
  index: number;
  name: string;
  params: Readonly<Record<string, unknown>>;
  /** Session id that the client itself gives, '' = none. */
  sessionId: string;
  /** Epoch ms; receipt where nothing is said or what is said cannot be believed. */
  at: number;
  clamped: boolean;
};

export type Ga4Request = {
  /** Client or app instance; '' = unusable, and then there are no events. */
  client: string;
  userId: string;
  /** Somebody was asked and said no. */
  consentDenied: boolean;
  properties: Readonly<Record<string, unknown>>;
  address: string;
  userAgent: string;
  events: Ga4Event[];
  /** Events that cannot be used, by their place; -1 = the request itself. */
  problems: { index: number; problem: Ga4Problem; input: unknown }[];
};

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

/** Reads a request. Never throws. */
export function readGa4(body: unknown, receivedAt: number, backdateMaxMs: number): Ga4Request {
  const fields = objectOf(body) ?? {};
  const request: Ga4Request = {
    client: clientOf(fields),
    userId: textOf(fields['user_id'], CLIENT_CHARACTERS_MAX),
    consentDenied: Object.values(objectOf(fields['consent']) ?? {}).some((value) => String(value).toUpperCase() === 'DENIED'),
    properties: propertiesOf(fields['user_properties']),
    address: textOf(fields['ip_override'], META_KEY_BYTES_MAX),
    userAgent: textOf(fields['user_agent'], TITLE_BYTES_MAX),
    events: [],
    problems: [],
  };
  const refuse = (
    index: number,
    fieldPath: string,
    validationCode: Ga4Problem['validationCode'],
    description: string,
    input: unknown,
  ): void => void request.problems.push({ index, problem: { fieldPath, description, validationCode }, input });
  const events = fields['events'];
  if (request.client === '') refuse(-1, 'client_id', 'VALUE_REQUIRED', 'client_id or app_instance_id is required', {});
  else if (!Array.isArray(events) || events.length === 0) refuse(-1, 'events', 'VALUE_REQUIRED', 'at least one event is required', {});
  else {
    events.forEach((event, index) => {
      if (index >= GA4_EVENTS_MAX) refuse(index, 'events', 'EXCEEDED_MAX_ENTITIES', `at most ${GA4_EVENTS_MAX} events in a request`, event);
      else readEvent(request, event, { index, receivedAt, sentMicros: fields['timestamp_micros'], backdateMaxMs }, refuse);
    });
  }
  return request;
}

type Refuse = (index: number, fieldPath: string, code: Ga4Problem['validationCode'], description: string, input: unknown) => void;

function readEvent(
  request: Ga4Request,
  given: unknown,
  { index, receivedAt, sentMicros, backdateMaxMs }: { index: number; receivedAt: number; sentMicros: unknown; backdateMaxMs: number },
  refuse: Refuse,
): void {
  const event = objectOf(given);
  const path = `events[${index}]`;
  if (event === undefined) return refuse(index, path, 'VALUE_INVALID', 'an event must be an object', given);
  const { name } = event;
  if (typeof name !== 'string' || name === '') return refuse(index, `${path}.name`, 'VALUE_REQUIRED', 'an event needs a name', given);
  if (name.length > NAME_CHARACTERS_MAX || !NAME.test(name)) {
    const rule = `letters, digits and underscores, a letter first, at most ${NAME_CHARACTERS_MAX}`;
    return refuse(index, `${path}.name`, 'NAME_INVALID', rule, given);
  }
  const params = objectOf(event['params'] ?? {});
  if (params === undefined) return refuse(index, `${path}.params`, 'VALUE_INVALID', 'must be an object', given);
  if (bytesOf(JSON.stringify(params)) > PARAMS_BYTES_MAX)
    return refuse(index, `${path}.params`, 'EXCEEDED_MAX_ENTITIES', `must be at most ${PARAMS_BYTES_MAX} bytes`, { name });
  const said = instantOfMicros(event['timestamp_micros'] ?? sentMicros ?? null);
  const clamped = said >= 0 && isClamped(said, receivedAt, { backdateMaxMs });
  request.events.push({
    index,
    name,
    params,
    sessionId: idOf(params['session_id'] ?? params['ga_session_id']),
    at: said < 0 || clamped ? receivedAt : said,
    clamped,
  });
}

const idOf = (value: unknown): string =>
  typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : textOf(value, CLIENT_CHARACTERS_MAX);

const clientOf = (fields: Readonly<Record<string, unknown>>): string => idOf(fields['client_id']) || idOf(fields['app_instance_id']);

/** `{ plan: { value: "free" } }` as `{ plan: "free" }`. */
function propertiesOf(value: unknown): Record<string, unknown> {
  const given = Object.entries(objectOf(value) ?? {});
  return Object.fromEntries(given.map(([name, property]) => [name, objectOf(property)?.['value'] ?? null]));
}

/** Names with which a client says that a page or screen was shown: they may begin another visit. */
export const isPage = (name: string): boolean => name === 'page_view' || name === 'screen_view';

export const pageOfEvent = ({ params }: Ga4Event): { page: string; referrer: string } => ({
  page: textOf(params['page_location'], URL_BYTES_MAX),
  referrer: textOf(params['page_referrer'], URL_BYTES_MAX),
});

const CAMPAIGN_NAMES = Object.entries({ cs: 'source', cm: 'medium', cn: 'campaign', ck: 'term', cc: 'content', ci: 'campaign_id' });

/** Campaign parameters under the names of version 1; those that are not said are left out. */
export function campaignFields({ params }: Ga4Event, referrer: string): Record<string, string> {
  const fields: Record<string, string> = { dr: referrer };
  for (const [short, name] of CAMPAIGN_NAMES) {
    const text = textOf(params[name], TITLE_BYTES_MAX);
    if (text !== '') fields[short] = text;
  }
  return fields;
}

const VIDEO_EVENTS: Readonly<Record<string, Playback['type']>> = {
  video_start: 'playing',
  video_progress: 'heartbeat',
  video_complete: 'ended',
};

/** Playback as the enhanced measurement of videos tells it; undefined for all other events, and without an id. */
export function ga4Playback({ name, params }: Ga4Event): { playback: Playback; media: { title: string; durationMs: number } } | undefined {
  const type = VIDEO_EVENTS[name];
  const video = type === undefined ? '' : videoIdOf(params['video_url']);
  if (type === undefined || video === '') return undefined;
  const durationMs = durationOfSeconds(params['video_duration']);
  const percent = numberOf(params['video_percent']);
  const told = positionOfSeconds(params['video_current_time'] ?? null);
  const reckoned = durationMs > 0 && percent >= 0 && percent <= 100 ? positionOfMs((durationMs * percent) / 100) : -1;
  return {
    playback: { type, video, positionMs: told >= 0 ? told : reckoned },
    media: { title: textOf(params['video_title'], TITLE_BYTES_MAX), durationMs },
  };
}

/** The video of a YouTube address, else host and path of any other; text that is no address is the id itself. */
function videoIdOf(value: unknown): string {
  const text = typeof value === 'string' ? cleanText(value).trim() : '';
  let id = text;
  if (URL.canParse(text)) {
    const url = new URL(text);
    const host = url.hostname.replace(/^(www|m)\./, '');
    const embedded = /^\/(?:embed|shorts|live)\/([\w-]{1,64})/.exec(url.pathname)?.[1];
    if (host === 'youtube.com' || host === 'youtube-nocookie.com') id = url.searchParams.get('v') || embedded || host + url.pathname;
    else id = host === 'youtu.be' && url.pathname.length > 1 ? url.pathname.slice(1) : url.hostname + url.pathname;
  }
  return bytesOf(id) > VIDEO_ID_BYTES_MAX ? '' : id;
}
