// Reading a request's body as JSON or as a form: the same for all doors. The declared content type is not asked (G3).
import { type Form, readForm } from '../core/form.ts';
import type { LimitName } from '../core/limits.ts';
import { parseJson } from '../core/parse.ts';
import type { DoorRequest } from './door.ts';

/** Why a body could not be read. `aborted`: the client is gone, answer undefined. */
export type Unread =
  | { ok: false; kind: 'aborted' }
  | { ok: false; kind: 'limit'; limit: LimitName; detail: string }
  | { ok: false; kind: 'encoding'; detail: string }
  | { ok: false; kind: 'invalid'; detail: string; pointer: string };

/** A body as text, after inflating. */
export async function readText(request: DoorRequest): Promise<{ ok: true; text: string; bytes: number } | Unread> {
  const body = await request.body();
  if (body.ok) return { ok: true, text: body.bytes.toString('utf8'), bytes: body.bytes.length };
  return body.kind === 'invalid' ? { ...body, pointer: '' } : body;
}

/** A body as JSON, at most `depthMax` deep (default: DEPTH_MAX), without keys that could reach a prototype. */
export async function readJson(
  request: DoorRequest,
  options: { depthMax?: number } = {},
): Promise<{ ok: true; value: unknown; bytes: number } | Unread> {
  const read = await readText(request);
  if (!read.ok) return read;
  const parsed = parseJson(read.text, options.depthMax);
  return parsed.ok ? { ok: true, value: parsed.value, bytes: read.bytes } : parsed;
}

/** A form-encoded body. */
export async function readFormBody(request: DoorRequest): Promise<({ ok: true } & Form) | Unread> {
  const read = await readText(request);
  return read.ok ? { ok: true, ...readForm(read.text) } : read;
}
