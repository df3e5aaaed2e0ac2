// Frames of Phoenix channels over a WebSocket: `[join_ref, ref, topic, event, payload]` (serializer 2.0.0), or the older object of the
// same parts (1.0.0). Text only; the binary frames of version 2 are not used by the clients we serve.

import { objectOf } from '../fields.ts';
import { parseJson } from '../parse.ts';

/** One frame. References are the client's own counters, null where it has none. */
export type Frame = { joinRef: string | null; ref: string | null; topic: string; event: string; payload: unknown };
export type FrameVersion = 1 | 2;

const FRAME_DEPTH_MAX = 32;
const REF_LENGTH_MAX = 64;
const NAME_LENGTH_MAX = 512;

/** The version that the client names in `vsn`; without one it is the oldest. */
export const frameVersionOf = (vsn: string | null): FrameVersion => (vsn?.startsWith('2.') ? 2 : 1);

/** A frame from its text; undefined for anything else. Never throws. */
export function readFrame(text: string, version: FrameVersion): Frame | undefined {
  const parsed = parseJson(text, FRAME_DEPTH_MAX);
  if (!parsed.ok) return undefined;
  const parts = version === 2 ? partsOfList(parsed.value) : partsOfObject(parsed.value);
  if (parts === undefined) return undefined;
  const [joinRef, ref, topic, event, payload] = parts;
  if (!isRef(joinRef) || !isRef(ref) || !isName(topic) || !isName(event)) return undefined;
  return { joinRef: joinRef ?? null, ref: ref ?? null, topic, event, payload };
}

type Parts = readonly [unknown, unknown, unknown, unknown, unknown];

const partsOfList = (value: unknown): Parts | undefined =>
  Array.isArray(value) && value.length === 5 ? (value as unknown as Parts) : undefined;

function partsOfObject(value: unknown): Parts | undefined {
  const fields = objectOf(value);
  return fields && [fields['join_ref'], fields['ref'], fields['topic'], fields['event'], fields['payload']];
}

const isRef = (value: unknown): value is string | null | undefined =>
  value === null || value === undefined || (typeof value === 'string' && value.length <= REF_LENGTH_MAX);
const isName = (value: unknown): value is string => typeof value === 'string' && value.length <= NAME_LENGTH_MAX;

/** A frame as text. */
export function writeFrame({ joinRef, ref, topic, event, payload }: Frame, version: FrameVersion): string {
  return JSON.stringify(version === 2 ? [joinRef, ref, topic, event, payload] : { topic, event, payload, ref, join_ref: joinRef });
}

/** The reply to a frame. */
export const replyTo = (
  { joinRef, ref, topic }: Frame,
  status: 'ok' | 'error',
  response: Readonly<Record<string, unknown>> = {},
): Frame => ({
  joinRef,
  ref,
  topic,
  event: 'phx_reply',
  payload: { status, response },
});

/** The end of a channel, told to the client: closed in order, or by an error after which it joins again. */
export const endOf = (joinRef: string | null, topic: string, event: 'phx_close' | 'phx_error'): Frame => ({
  joinRef,
  ref: joinRef,
  topic,
  event,
  payload: {},
});
