// An event of Analytics Engine: a name and the instant at which it happened, counted and nothing else. It belongs to no session; the door
// says in which stream it travels.
import { UNKNOWN_DETAIL } from '../../../schemas/beacon.ts';
import { COUNTED_PROTOCOL } from '../../../schemas/door-sessions.ts';
import { type Draft, NO_DRAFT_CONTEXT } from '../draft.ts';
import { objectOf } from '../fields.ts';
import { cleanText, fitsBytes } from '../text.ts';

/** An event as sent; '' = not said. */
export type CountedEvent = {
  name: string;
  /** Epoch ms. */
  createdAt: number;
  uniqueId: string;
  type: string;
  /** `createdAt` came in seconds. */
  unitFixed: boolean;
};

/** Name, unique id and type, bytes: longer ones are refused, since a cut one could meet another. */
export const COUNTED_TEXT_BYTES_MAX = 256;
/** Epoch ms below this (March 1973) are seconds. Source: protocols.md section 6. */
const SECONDS_BELOW = 100_000_000_000;

/** Reads the body of an event. Never throws. */
export function readCounted(body: unknown): { ok: true; event: CountedEvent } | { ok: false; detail: string } {
  const fields = objectOf(body);
  if (fields === undefined) return { ok: false, detail: 'the body must be an object' };
  const texts: Record<string, string> = {};
  for (const field of ['name', 'uniqueId', 'type']) {
    const value = fields[field] ?? '';
    if (typeof value !== 'string') return { ok: false, detail: `${field} must be a string` };
    const text = cleanText(value);
    if (!fitsBytes(text, COUNTED_TEXT_BYTES_MAX)) return { ok: false, detail: `${field} may have ${COUNTED_TEXT_BYTES_MAX} bytes` };
    texts[field] = text;
  }
  const { name = '', uniqueId = '', type = '' } = texts;
  if (name === '') return { ok: false, detail: 'name is required' };
  const createdAt = fields['createdAt'] ?? 0;
  if (typeof createdAt !== 'number' || !Number.isSafeInteger(createdAt) || createdAt < 0)
    return { ok: false, detail: 'createdAt must be a whole number of epoch milliseconds' };
  if (createdAt === 0) return { ok: false, detail: 'createdAt is required' };
  const unitFixed = createdAt < SECONDS_BELOW;
  return { ok: true, event: { name, createdAt: unitFixed ? createdAt * 1000 : createdAt, uniqueId, type, unitFixed } };
}

/**
 * The draft of an event. `mark` makes it another event than all others of its stream, however equal: what is sent twice counts twice.
 */
export function countedDraft(event: CountedEvent, stream: { session: string; mark: string }): Draft {
  const data = { ...(event.type === '' ? {} : { type: event.type }), ...(event.uniqueId === '' ? {} : { uniqueId: event.uniqueId }) };
  return {
    index: 0,
    protocol: COUNTED_PROTOCOL,
    session: stream.session,
    video: '',
    sentAt: -1,
    baseAt: event.createdAt,
    context: { ...NO_DRAFT_CONTEXT },
    events: [
      {
        type: 'custom',
        seq: -1,
        at: 0,
        positionMs: -1,
        detail: { ...UNKNOWN_DETAIL, code: stream.mark, name: event.name, text: JSON.stringify(data) },
      },
    ],
    rejects: [],
    ignoredFields: 0,
    key: '',
  };
}
