// Hits that tell of a video, as playback events. Pages name such events as they like: the default mapping goes by the words that the usual
// tag templates use, and a site may name its own.
import type { EventType } from '../../../schemas/beacon.ts';
import { VIDEO_ID_BYTES_MAX } from '../limits.ts';
import { bytesOf, cleanText } from '../text.ts';
import { numberOf, positionOfMs, positionOfSeconds } from '../values.ts';

/** What a hit says of a video; positionMs -1 = unknown. */
export type Playback = { type: EventType; video: string; positionMs: number };

/** What a site wants otherwise: event categories that are videos ([] = none), and what its actions mean. */
export type PlaybackMapping = { categories: readonly string[]; actions: Readonly<Record<string, EventType>> };

export const DEFAULT_MAPPING: PlaybackMapping = {
  categories: ['video', 'videos', 'player', 'youtube', 'vimeo', 'html5'],
  actions: {},
};

const PERCENT = /(\d{1,3}(?:\.\d+)?)\s*%/;
const STOPS = /end(ed|s)?\b|stop|finish|complete/i;
/** What an action says, first match wins: the more telling words stand first ("playback error", "start buffering"). */
const ACTIONS: readonly (readonly [words: RegExp, type: EventType])[] = [
  [/error/i, 'error'],
  [/progress|\d\s*%/i, 'heartbeat'],
  [/buffer|stall/i, 'stall_start'],
  [/seek|scrub/i, 'seek'],
  [/complete|finish|end(ed|s)?\b/i, 'ended'],
  [/unpause/i, 'playing'],
  [/pause/i, 'pause'],
  [/play|start|resume/i, 'playing'],
];
const MAPPED_TYPES: ReadonlySet<string> = new Set(['attempt', 'stall_end', 'leave', ...ACTIONS.map(([, type]) => type)]);

/** Reads a site's door settings `videoCategories` and `videoActions`; what is not usable counts as not set. */
export function mappingOf(settings: Readonly<Record<string, unknown>>): PlaybackMapping {
  const { videoCategories, videoActions } = settings;
  const categories = Array.isArray(videoCategories)
    ? videoCategories.filter((each) => typeof each === 'string').map((each) => each.toLowerCase())
    : DEFAULT_MAPPING.categories;
  if (typeof videoActions !== 'object' || videoActions === null) return { categories, actions: {} };
  const known = Object.entries(videoActions).filter(([, type]) => MAPPED_TYPES.has(String(type)));
  return { categories, actions: Object.fromEntries(known.map(([action, type]) => [action.toLowerCase(), type as EventType])) };
}

export type VideoHit = { category: string; action: string; label: string; value: string };

/** Is this event about a video? The id of it, '' = no. An id that is too long is none: cut, it could meet another. */
export function videoOf({ category, label }: VideoHit, mapping: PlaybackMapping): string {
  if (!mapping.categories.includes(category.trim().toLowerCase())) return '';
  const video = cleanText(label).trim();
  return bytesOf(video) > VIDEO_ID_BYTES_MAX ? '' : video;
}

/** Do we have to know the duration to understand the value? */
export const needsDuration = ({ action }: VideoHit): boolean => action.includes('%');

/** The playback event of a video hit, undefined if its action says nothing of playback. durationMs -1 = unknown. */
export function playbackOf(hit: VideoHit, mapping: PlaybackMapping, durationMs: number): Playback | undefined {
  const video = videoOf(hit, mapping);
  if (video === '') return undefined;
  const type = mapping.actions[hit.action.trim().toLowerCase()] ?? typeOf(hit.action);
  return type === undefined ? undefined : { type, video, positionMs: positionOf(hit, durationMs) };
}

function typeOf(action: string): EventType | undefined {
  const type = ACTIONS.find(([words]) => words.test(action))?.[1];
  return type === 'stall_start' && STOPS.test(action) ? 'stall_end' : type;
}

/** Seconds, or a share of the duration where the action names per cent: its own number where the value has none. */
function positionOf({ action, value }: VideoHit, durationMs: number): number {
  if (!action.includes('%')) return value === '' ? -1 : positionOfSeconds(value);
  const percent = numberOf(value === '' ? (PERCENT.exec(action)?.[1] ?? '') : value);
  if (durationMs <= 0 || !(percent >= 0 && percent <= 100)) return -1;
  return positionOfMs((durationMs * percent) / 100);
}
