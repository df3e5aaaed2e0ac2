// The forms in which PeerTube names a video: a number, a UUID, or the same UUID in 22 characters of base 58. The gateway that takes
// beats and the query API that answers for them must agree on one, so the forms are part of the contract. Imports nothing.

/** What an `{id}` of a PeerTube path is. `uuid` is lower case with dashes; `other` is an id that no PeerTube made. */
export type PeertubeId = { form: 'number' | 'uuid' | 'other'; id: string };

/** Key of a video's metadata under which a site says which number PeerTube gave it; counts only if the site itself set it (pinned). */
export const PEERTUBE_NUMBER_KEY = 'peertubeId';

/** Base 58 without 0, O, I and l, lower case first: the order that short UUIDs use. */
const ALPHABET = '123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ';
const SHORT_CHARACTERS = 22;
const SHORT = new RegExp(`^[${ALPHABET}]{${SHORT_CHARACTERS}}$`);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NUMBER = /^[1-9][0-9]{0,9}$/;
const UUID_END = 1n << 128n;
const BASE = 58n;

/** Reads an `{id}` as it stands in a path, already decoded; '' gives form `other`. */
export function peertubeIdOf(text: string): PeertubeId {
  if (NUMBER.test(text)) return { form: 'number', id: text };
  if (UUID.test(text)) return { form: 'uuid', id: text.toLowerCase() };
  const uuid = SHORT.test(text) ? uuidOfShort(text) : undefined;
  return uuid === undefined ? { form: 'other', id: text } : { form: 'uuid', id: uuid };
}

/** The UUID of a short form; undefined where the digits say more than a UUID holds. */
function uuidOfShort(text: string): string | undefined {
  let value = 0n;
  for (const character of text) value = value * BASE + BigInt(ALPHABET.indexOf(character));
  if (value >= UUID_END) return undefined;
  const hex = value.toString(16).padStart(32, '0');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The short form of a UUID, undefined for anything else. */
export function shortUuidOf(uuid: string): string | undefined {
  if (!UUID.test(uuid)) return undefined;
  let value = BigInt(`0x${uuid.replaceAll('-', '')}`);
  let text = '';
  for (let i = 0; i < SHORT_CHARACTERS; i++) {
    text = ALPHABET[Number(value % BASE)] + text;
    value /= BASE;
  }
  return text;
}
