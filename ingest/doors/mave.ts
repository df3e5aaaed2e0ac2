// mave's door: POST /v1/events and /api/v1/events (protocols.md section 2). Its client sends every batch that is not answered 2xx again,
// every five seconds, for ever: only what that contract refuses is refused, and an unknown space is answered 202 and counted.
import type { OwnedDraft } from '../collect.ts';
import { MAVE_DEPTH_MAX, type MaveDraft, readMaveEvents } from '../core/protocols/mave.ts';
import type { Door, DoorDeps, DoorReply, DoorRequest } from './door.ts';
import { type Failure, failureOf, jsonFailure } from './failure.ts';
import { readJson, type Unread } from './read.ts';

const PATHS = ['/v1/events', '/api/v1/events'] as const;
const NOT_A_LIST = "Invalid payload, expected 'events' list";

export function createMaveDoor(deps: DoorDeps): Door {
  const handle = (request: DoorRequest) => collectEvents(deps, request);
  return { protocol: 'mave', routes: PATHS.map((path) => ({ method: 'POST', path, handle })), word };
}

async function collectEvents(deps: DoorDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const body = await readJson(request, { depthMax: MAVE_DEPTH_MAX });
  if (!body.ok) return body.kind === 'aborted' ? undefined : unread(deps, body);
  const read = readMaveEvents(body.value, request.receivedAt, deps.backdateMaxMs('mave'));
  if (!read.ok) {
    deps.metrics.beacons('dropped', `mave_${read.kind}`, 1);
    if (read.kind === 'payload') return refusal(400, { error: NOT_A_LIST });
    if (read.kind === 'event') return refusal(422, { error: 'invalid_event', index: read.index, reason: read.reason });
    deps.metrics.limitHit('events');
    return refusal(413, { error: 'too_many_events' });
  }
  deps.metrics.oddity('mave', 'clock_clamped', read.clamped);
  const owned = read.drafts.flatMap((each) => own(deps, request, each));
  if (owned.length === 0) return { status: 202 };
  const failed = failureOf(await deps.collector.collect(owned, request));
  return failed === undefined ? { status: 202 } : word(failed);
}

/** A draft with its site; [] = nobody's, which is counted and not refused. */
function own({ sites, metrics }: DoorDeps, request: DoorRequest, { draft, space }: MaveDraft): OwnedDraft[] {
  const found = sites.siteOf(request, 'mave', [space]);
  if (found.ok) return [{ draft, key: found.key }];
  metrics.beacons('dropped', found.reason === 'unknown-key' ? 'unknown_site' : 'origin_not_allowed', 1);
  metrics.oddity('mave', found.reason === 'unknown-key' ? 'unknown_site' : 'origin_not_allowed', draft.events.length);
  return [];
}

function unread({ metrics }: DoorDeps, body: Exclude<Unread, { kind: 'aborted' }>): DoorReply {
  if (body.kind === 'limit') {
    metrics.limitHit(body.limit);
    metrics.beacons('dropped', body.limit, 1);
    // Too deep is no size: the client could only send the same again.
    return body.limit === 'depth' ? refusal(400, { error: NOT_A_LIST }) : refusal(413, { error: 'payload_too_large', limit: body.limit });
  }
  metrics.beacons('dropped', 'invalid_body', 1);
  return body.kind === 'encoding' ? refusal(415, { error: body.detail }) : refusal(400, { error: NOT_A_LIST });
}

function word(failed: Failure): DoorReply {
  const { retryAfterSeconds = 2 } = failed;
  if (failed.status === 429) return jsonFailure(failed, { error: 'rate_limited', retry_after_seconds: retryAfterSeconds });
  if (failed.status === 413) return jsonFailure(failed, { error: 'payload_too_large' });
  return jsonFailure(failed, { error: 'unavailable', retry_after_seconds: retryAfterSeconds });
}

const refusal = (status: number, body: unknown): DoorReply => ({ status, body: JSON.stringify(body), contentType: 'application/json' });
