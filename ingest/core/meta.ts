// Custom metadata of a session: JSON scalars under bounded keys, as text with sorted keys so that equal metadata are equal bytes.
import { META_BYTES_MAX, META_KEY_BYTES_MAX, META_KEYS_MAX, META_VALUE_BYTES_MAX } from './limits.ts';
import { bytesOf, textOf } from './text.ts';

/** Metadata as kept: JSON object text ('' = none), how many entries were left out, and whether a size limit was the reason. */
export type Meta = { text: string; dropped: number; limited: boolean };

/** Reads a metadata object; nested values, empty keys and what is beyond the limits are left out and counted. Never throws. */
export function readMeta(input: Readonly<Record<string, unknown>>): Meta {
  const entries: { key: string; text: string }[] = [];
  const seen = new Set<string>();
  let dropped = 0;
  let limited = false;
  let bytes = 2;
  for (const given of Object.keys(input).sort()) {
    const key = textOf(given, META_KEY_BYTES_MAX);
    const value = scalarOf(input[given]);
    if (value === undefined || key === '' || key === '__proto__' || seen.has(key)) {
      if (input[given] !== null) dropped++;
      continue;
    }
    const text = `${JSON.stringify(key)}:${JSON.stringify(value)}`;
    const size = bytesOf(text) + 1;
    if (entries.length >= META_KEYS_MAX || bytes + size > META_BYTES_MAX) {
      dropped++;
      limited = true;
      continue;
    }
    bytes += size;
    seen.add(key);
    entries.push({ key, text });
  }
  // Again, since cleaning and cutting may have changed the order.
  entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  return { text: entries.length === 0 ? '' : `{${entries.map(({ text }) => text).join(',')}}`, dropped, limited };
}

function scalarOf(value: unknown): string | number | boolean | undefined {
  if (typeof value === 'string') return textOf(value, META_VALUE_BYTES_MAX);
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
  return undefined;
}
