// 64-bit identities from 32-bit integer arithmetic, defined in SPEC.md (C6) so that an oracle can compute them on its own. All values
// are unsigned 32-bit integers; a 64-bit value is a pair (high, low).
import type { BeaconEvent } from '../../schemas/beacon.ts';
import { EVENT_TYPES } from '../../schemas/beacon.ts';

const PRIME = 0x01000193;
const GOLDEN = 0x9e3779b1;

/** FNV-1a over UTF-16 code units, from a seed. */
export function textHash(seed: number, text: string): number {
  let hash = seed | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash >>> 0;
}

/** The final mixing of MurmurHash3. Source: MurmurHash3, fmix32 (public domain). */
export function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** One half of a numbered event's identity, from the hash of `site/session/` and the number. */
export const numberedHash = (prefixHash: number, seq: number): number => mix((prefixHash + Math.imul(seq + 1, GOLDEN)) | 0);

const mixIn = (hash: number, word: number): number => Math.imul(hash ^ (word | 0), PRIME) ^ (hash >>> 15);

/** Both 32-bit words of an integer of up to 53 bits, negative ones included. */
const mixInLong = (hash: number, value: number): number => mixIn(mixIn(hash, value | 0), Math.floor(value / 4_294_967_296));

/**
 * Hash of what an event says: type, client time, position, details, video. `at` is its absolute client time, or 0 where the same
 * event sent again would have another one. `place` tells apart equal events of one request where nothing else can.
 */
export function contentHash(seed: number, event: BeaconEvent, video: string, at: number, place: number): number {
  let hash = mixIn(seed, EVENT_TYPES.indexOf(event.type));
  hash = mixInLong(hash, at);
  hash = mixIn(hash, event.positionMs);
  hash = mixIn(hash, place);
  hash = textHash(hash, video);
  const detail = event.detail;
  if (detail !== null) {
    hash = mixIn(mixIn(mixIn(hash, detail.fromMs), detail.toMs), detail.rateMilli);
    hash = mixIn(mixIn(mixIn(hash, detail.bitrateBps), detail.width), detail.height);
    hash = mixIn(mixIn(hash, detail.levelMilli), detail.flag);
    hash = textHash(mixIn(textHash(mixIn(textHash(hash, detail.code), 1), detail.name), 2), detail.text);
  }
  return mix(hash);
}

/** One number for a 64-bit identity's upper 20 and lower 32 bits: exact in a double and in an Avro long. */
export const pack52 = (high: number, low: number): number => (high & 0xfffff) * 4_294_967_296 + low;
