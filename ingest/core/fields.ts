// Reading fields of a JSON object without throwing: the first wrong one is remembered as the refusal of the whole object, the
// caller looks once at the end. `null` means the same as a missing field.
import type { Refusal } from './draft.ts';
import { INSTANT_MAX, INT_MAX } from './limits.ts';
import { bytesOf, cleanText, fitsBytes, textOf } from './text.ts';

/** An object being read, what was wrong with it first, and whether a text of it was cut. */
export type FieldReader = { readonly fields: Readonly<Record<string, unknown>>; refusal: Refusal | undefined; cut: boolean };

export const readerOf = (fields: Readonly<Record<string, unknown>>): FieldReader => ({ fields, refusal: undefined, cut: false });

/** Notes a refusal unless there is one already. */
export function refuse(reader: FieldReader, refusal: Refusal): void {
  reader.refusal ??= refusal;
}

/** A number in [0, limit], rounded; beyond int range it is clamped (the log's integers have 32 bits). -1 = missing. */
export function countField(reader: FieldReader, name: string): number {
  const value = reader.fields[name];
  if (value === undefined || value === null) return -1;
  if (typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY) return Math.min(INT_MAX, Math.round(value));
  refuse(reader, { pointer: `/${name}`, reason: 'invalid_value', detail: 'must be an integer >= 0' });
  return -1;
}

/** An instant, epoch ms. -1 = missing. */
export function instantField(reader: FieldReader, name: string): number {
  const value = reader.fields[name];
  if (value === undefined || value === null) return -1;
  if (typeof value === 'number' && value >= 0 && value <= INSTANT_MAX) return Math.round(value);
  refuse(reader, { pointer: `/${name}`, reason: 'invalid_value', detail: 'must be epoch milliseconds >= 0' });
  return -1;
}

/** A number in [0, max] as thousandths. -1 = missing. */
export function milliField(reader: FieldReader, name: string, max: number): number {
  const value = reader.fields[name];
  if (value === undefined || value === null) return -1;
  if (typeof value === 'number' && value >= 0 && value <= max) return Math.round(value * 1000);
  refuse(reader, { pointer: `/${name}`, reason: 'invalid_value', detail: `must be a number from 0 to ${max}` });
  return -1;
}

/** true 1, false 0, missing -1. */
export function flagField(reader: FieldReader, name: string): number {
  const value = reader.fields[name];
  if (value === undefined || value === null) return -1;
  if (typeof value === 'boolean') return value ? 1 : 0;
  refuse(reader, { pointer: `/${name}`, reason: 'invalid_value', detail: 'must be true or false' });
  return -1;
}

/** Clean text, cut at `bytesMax`; numbers are written out. '' = missing. */
export function textField(reader: FieldReader, name: string, bytesMax: number): string {
  const value = reader.fields[name];
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') {
    if (!fitsBytes(value, bytesMax)) reader.cut = true;
    return textOf(value, bytesMax);
  }
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  refuse(reader, { pointer: `/${name}`, reason: 'invalid_value', detail: 'must be a string' });
  return '';
}

/** Clean text that is refused, not cut, when longer than `bytesMax`. '' = missing. */
export function idField(reader: FieldReader, name: string, bytesMax: number): string {
  const value = reader.fields[name];
  const text = typeof value === 'string' ? cleanText(value).trim() : textField(reader, name, bytesMax);
  if (text.length <= bytesMax && bytesOf(text) <= bytesMax) return text;
  refuse(reader, { pointer: `/${name}`, reason: 'too_long', detail: `must be at most ${bytesMax} bytes` });
  return '';
}

/** How many keys of an object are not in `known`. */
export function unknownFieldsOf(fields: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): number {
  let count = 0;
  for (const name in fields) if (!known.has(name)) count++;
  return count;
}

/** A JSON object, or undefined for anything else. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}
