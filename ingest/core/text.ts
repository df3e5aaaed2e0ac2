// Text from strangers made fit for the log and for every column it can reach: well-formed Unicode, no control characters, no
// NUL, cut at a number of UTF-8 bytes between two characters (G6: the sink can never reject a row).

const DIRTY = /[\p{Cc}\p{Cs}]/u;
const WHITE_CONTROLS = /[\t\n\r\f\v]+/g;
const CONTROLS = /\p{Cc}/gu;
const LONE_SURROGATES = /\p{Cs}/gu;

/** Control characters stripped (white ones become a space), lone surrogates replaced by U+FFFD. */
export function cleanText(text: string): string {
  if (!DIRTY.test(text)) return text;
  return text.replace(WHITE_CONTROLS, ' ').replace(CONTROLS, '').replace(LONE_SURROGATES, '\ufffd');
}

/** UTF-8 bytes of a well-formed text. */
export function bytesOf(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) bytes += 1;
    else if (code >= 0xd800 && code < 0xdc00) {
      bytes += 2;
      i++;
    } else bytes += 2;
  }
  return bytes;
}

/** Does a text fit into `bytesMax` UTF-8 bytes as it is? */
export function fitsBytes(text: string, bytesMax: number): boolean {
  return text.length * 3 <= bytesMax || (text.length <= bytesMax && bytesOf(text) <= bytesMax);
}

/** The longest beginning of a well-formed text that fits into `bytesMax` UTF-8 bytes. */
export function cutText(text: string, bytesMax: number): string {
  if (fitsBytes(text, bytesMax)) return text;
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > bytesMax) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** Cleaned, trimmed and cut text of any value; '' for what is no text. */
export function textOf(value: unknown, bytesMax: number): string {
  return typeof value === 'string' ? cutText(cleanText(value).trim(), bytesMax) : '';
}

/** A JSON value with every text and key in it cleaned. Depth is bounded by the parser (DEPTH_MAX); non-finite numbers become null. */
export function cleanJson(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(cleanJson);
  if (value === null || typeof value !== 'object') return value;
  const clean: Record<string, unknown> = Object.create(null);
  for (const key of Object.keys(value)) clean[cleanText(key)] = cleanJson((value as Record<string, unknown>)[key]);
  return clean;
}
