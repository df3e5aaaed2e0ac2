// Microticks' three forms as drafts: a session that starts, an action in it, its end.
import { type BeaconEvent, UNKNOWN_DETAIL } from '../../../schemas/beacon.ts';
import { TICKS_PROTOCOL, TICKS_SESSION_PREFIX } from '../../../schemas/door-sessions.ts';
import { type Draft, NO_DRAFT_CONTEXT } from '../draft.ts';
import type { Form } from '../form.ts';
import { META_VALUE_BYTES_MAX } from '../limits.ts';
import { parseJson } from '../parse.ts';
import { bytesOf, cleanJson, cleanText, cutText, fitsBytes } from '../text.ts';
import { instantOfIso } from '../values.ts';

/** An action's name, bytes: a cut one could meet another. */
export const ACTION_BYTES_MAX = 256;
/** Data of an action as JSON, bytes. */
export const TICK_DATA_BYTES_MAX = 8 * 1024;

/** The fields of a form that must be there, or what is missing. The wording is the peer's. */
export function requiredFields<Name extends string>(
  form: Form,
  names: readonly Name[],
): { ok: true; fields: Record<Name, string> } | { ok: false; error: string } {
  const fields = {} as Record<Name, string>;
  for (const name of names) {
    const value = form.fields[name] ?? '';
    if (value === '') return { ok: false, error: `No "${name}" parameter provided` };
    fields[name] = value;
  }
  return { ok: true, fields };
}

/** Client time of a form. */
export function instantOf(ts: string): { ok: true; at: number } | { ok: false; error: string } {
  const at = instantOfIso(ts);
  return at < 0 ? { ok: false, error: 'Invalid "ts" parameter: ISO 8601 is expected' } : { ok: true, at };
}

/** One action, and the number it is answered with. The same action sent again has the same number, and is a copy. */
export type Tick = { id: number; action: string; text: string };

const ID_BYTES = 6;

/** `hashId` as in sessionIdOf (draft.ts). */
export function readTick(
  fields: Record<'token' | 'action' | 'data' | 'ts', string>,
  hashId: (text: string) => string,
): { ok: true; tick: Tick } | { ok: false; error: string } {
  const action = cleanText(fields.action);
  if (!fitsBytes(action, ACTION_BYTES_MAX)) return { ok: false, error: `"action" may have ${ACTION_BYTES_MAX} bytes` };
  const parsed = parseJson(fields.data);
  const data = parsed.ok ? cleanJson(parsed.value) : cleanText(fields.data);
  const identity = [fields.token, fields.action, fields.data, fields.ts].map((part) => `${part.length}:${part}`).join('');
  const id = Buffer.from(hashId(identity), 'base64url').readUIntBE(0, ID_BYTES);
  const text = JSON.stringify({ id, data });
  if (bytesOf(text) > TICK_DATA_BYTES_MAX) return { ok: false, error: `"data" may have ${TICK_DATA_BYTES_MAX} bytes` };
  return { ok: true, tick: { id, action, text } };
}

/** A session that starts: nothing has happened in it yet, and it is there. */
export const startDraft = (token: string, at: number, consumer: string): Draft => ({
  ...draftOf(token, at, { type: 'heartbeat', seq: -1, at: 0, positionMs: -1, detail: null }),
  context: { ...NO_DRAFT_CONTEXT, meta: JSON.stringify({ consumer: cutText(cleanText(consumer), META_VALUE_BYTES_MAX) }) },
});

export const tickDraft = (token: string, at: number, { action, text }: Tick): Draft =>
  draftOf(token, at, { type: 'custom', seq: -1, at: 0, positionMs: -1, detail: { ...UNKNOWN_DETAIL, name: action, text } });

export const stopDraft = (token: string, at: number): Draft =>
  draftOf(token, at, { type: 'leave', seq: -1, at: 0, positionMs: -1, detail: null });

const draftOf = (token: string, at: number, event: BeaconEvent): Draft => ({
  index: 0,
  protocol: TICKS_PROTOCOL,
  session: TICKS_SESSION_PREFIX + token,
  video: '',
  sentAt: -1,
  baseAt: at,
  context: { ...NO_DRAFT_CONTEXT },
  events: [event],
  rejects: [],
  ignoredFields: 0,
  key: '',
});
