// Every limit of the door, in one place. Each has a name under which reaching it is counted
// (playhead_ingest_limit_hits_total{limit}) and, where it refuses, named in the answer. Source: reliability.md G1, api.md.

/** Body on the wire when compressed, bytes. */
export const COMPRESSED_BYTES_MAX = 64 * 1024;
/** Body after inflating, or as sent without compression, bytes. */
export const BODY_BYTES_MAX = 512 * 1024;
/** Inflated bytes for each compressed one. */
export const INFLATE_RATIO_MAX = 50;
/** Nested arrays and objects, the body's own brackets included. */
export const DEPTH_MAX = 6;
/** Beacons in one request. */
export const BEACONS_MAX = 200;
/** Events in one request. */
export const EVENTS_MAX = 200;
/** One event as JSON, bytes. */
export const EVENT_BYTES_MAX = 8 * 1024;
/** Keys of the custom metadata of a session, and bytes of a key, of a text value and of the whole as JSON. */
export const META_KEYS_MAX = 40;
export const META_KEY_BYTES_MAX = 64;
export const META_VALUE_BYTES_MAX = 2048;
export const META_BYTES_MAX = 16 * 1024;
/** Content id, bytes: longer ones are refused, since a cut one could meet another. */
export const VIDEO_ID_BYTES_MAX = 256;
/** Session ids longer than this are not hashed but refused, bytes. */
export const SESSION_BYTES_MAX = 1024;
export const TITLE_BYTES_MAX = 512;
export const HOST_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 1024;
export const URL_BYTES_MAX = 4096;
export const TRAFFIC_BYTES_MAX = 128;
export const PLAYER_BYTES_MAX = 64;
export const CODE_BYTES_MAX = 64;
export const MESSAGE_BYTES_MAX = 256;
export const NAME_BYTES_MAX = 64;
export const AD_ID_BYTES_MAX = 256;
/** Data of a custom event as JSON, bytes. */
export const DATA_BYTES_MAX = 2048;
/** What a reject record keeps of the input, bytes. */
export const REJECT_PAYLOAD_BYTES_MAX = 2048;
export const REJECT_DETAIL_BYTES_MAX = 256;
export const USER_AGENT_BYTES_MAX = 512;
/** Problems listed in one answer; the rest is counted in its detail. */
export const PROBLEM_ERRORS_MAX = 20;
/** Largest Avro int. */
export const INT_MAX = 2_147_483_647;
/** Largest instant JavaScript and PostgreSQL both hold, epoch ms. */
export const INSTANT_MAX = 8_640_000_000_000_000;
/** Fastest playback that is believed. */
export const RATE_MAX = 100;

/** Names of the limits that can be reached, as metric label and in problems. */
export const LIMIT_NAMES = [
  'body_bytes',
  'compressed_bytes',
  'inflate_ratio',
  'region_names',
  'depth',
  'beacons',
  'events',
  'event_bytes',
  'text_bytes',
  'meta',
  'record_bytes',
  'prefix_rate',
  'key_rate',
  'buffer',
  'deadline',
  'buckets',
  'sockets',
  'channels',
  'frame_bytes',
  'frames',
  'unread_bytes',
  'socket_silence',
  'socket_queue',
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];
