// The paging token: opaque to callers, a position in a total order (keyset) plus a digest of the question, so that a token
// of another question (or another site) is refused and never read as a place in this one.

/** A place in an ordered list: the sort key of the last row of the page before. */
export type CursorKey = readonly (string | number)[];

/** Longest token accepted. */
export const CURSOR_CHARS_MAX = 2_048;

/** FNV-1a over UTF-16 units, 32 bits, twice with different seeds: enough to tell questions apart, not a secret. */
export function digestOf(text: string): string {
  const half = (seed: number): string => {
    let hash = seed;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    return (hash >>> 0).toString(36);
  };
  return `${half(0x811c9dc5)}.${half(0x2f0b4a27)}`;
}

export function encodeCursor(question: string, key: CursorKey): string {
  const bytes = new TextEncoder().encode(JSON.stringify([digestOf(question), ...key]));
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** The key of a token made for this question, undefined for anything else. `shape` gives the type of each part. */
export function decodeCursor(question: string, token: string, shape: readonly ('string' | 'number')[]): CursorKey | undefined {
  if (token.length > CURSOR_CHARS_MAX || !/^[A-Za-z0-9_-]+$/.test(token)) return undefined;
  let parsed: unknown;
  try {
    const binary = atob(token.replaceAll('-', '+').replaceAll('_', '/'));
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(binary, (char) => char.charCodeAt(0))));
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed) || parsed.length !== shape.length + 1 || parsed[0] !== digestOf(question)) return undefined;
  const key = parsed.slice(1) as unknown[];
  const fits = key.every((part, i) => typeof part === shape[i] && (typeof part !== 'number' || Number.isSafeInteger(part)));
  return fits ? (key as (string | number)[]) : undefined;
}

/** One page of a list that is already in memory: the rows after `key`, at most `limit`, and whether more follow. */
export function pageAfter<T>(
  rows: readonly T[],
  options: { after: CursorKey | undefined; limit: number; compareToKey: (row: T, key: CursorKey) => number },
): { page: T[]; more: boolean } {
  const { after, limit } = options;
  const start = after === undefined ? 0 : rows.findIndex((row) => options.compareToKey(row, after) > 0);
  if (start < 0) return { page: [], more: false };
  return { page: rows.slice(start, start + limit), more: rows.length > start + limit };
}
