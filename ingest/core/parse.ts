// Bytes → JSON value, or a refusal with its reason. Depth is measured on the text before anything walks the value, so that no
// later step can recurse deeper than DEPTH_MAX; keys that could reach a prototype are refused (G5).
import { DEPTH_MAX, type LimitName } from './limits.ts';
import { cleanText, cutText } from './text.ts';

/** Why a whole body is refused. */
export type BodyProblem =
  | { ok: false; kind: 'invalid'; detail: string; pointer: string }
  | { ok: false; kind: 'limit'; limit: LimitName; detail: string; pointer: string };

/** A parsed body; `value` is any JSON value, at most DEPTH_MAX deep and without dangerous keys. */
export type ParsedBody = { ok: true; value: unknown } | BodyProblem;

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor']);
const SUSPICIOUS = /__proto__|constructor|\\u/;

/** JSON text → value. Reasons: not JSON, nested deeper than `depthMax`, a forbidden key. Never throws. */
export function parseJson(text: string, depthMax: number = DEPTH_MAX): ParsedBody {
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (depthOf(body, depthMax) > depthMax) {
    return { ok: false, kind: 'limit', limit: 'depth', detail: `nested deeper than ${depthMax} levels`, pointer: '' };
  }
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (thrown) {
    const said = thrown instanceof Error ? cutText(cleanText(thrown.message), 120) : 'unreadable';
    return { ok: false, kind: 'invalid', detail: body.trim() === '' ? 'the body is empty' : `not JSON: ${said}`, pointer: '' };
  }
  const forbidden = SUSPICIOUS.test(body) ? forbiddenKey(value, '') : undefined;
  if (forbidden !== undefined) return { ok: false, kind: 'invalid', detail: 'this key is not allowed', pointer: forbidden };
  return { ok: true, value };
}

/** Deepest nesting of brackets outside of strings; stops counting once past the limit. */
function depthOf(text: string, depthMax: number): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) {
      i = endOfString(text, i);
    } else if (code === 0x7b || code === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
      if (deepest > depthMax) return deepest;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return deepest;
}

/** Index of the quote that ends the string begun at `start`; the text's length if none does. */
function endOfString(text: string, start: number): number {
  let at = start;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return at;
  }
}

/** JSON pointer of the first dangerous key, undefined if there is none. */
function forbiddenKey(value: unknown, pointer: string): string | undefined {
  if (value === null || typeof value !== 'object') return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const here = `${pointer}/${pointerPart(key)}`;
    if (!Array.isArray(value) && FORBIDDEN_KEYS.has(key)) return here;
    const found = forbiddenKey(inner, here);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A key as part of a JSON pointer (RFC 6901), cleaned and cut. */
export function pointerPart(key: string): string {
  return cutText(cleanText(key), 64).replaceAll('~', '~0').replaceAll('/', '~1');
}
