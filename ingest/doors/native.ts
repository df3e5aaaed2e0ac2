// The native door: POST /v1/beacons (api.md section 2). Reads the body, asks the collector, words the answer.
import type { CollectOutcome, Collector, OwnedDraft } from '../collect.ts';
import type { Draft } from '../core/draft.ts';
import type { LimitName } from '../core/limits.ts';
import { parseJson } from '../core/parse.ts';
import { type InputError, readNativeBody } from '../core/protocols/native.ts';
import type { IngestMetrics } from '../metrics.ts';
import { type ProblemType, problemReply, rateHeaders, traceIdOf } from '../problem.ts';
import type { Door, DoorReply, DoorRequest } from './door.ts';

export type NativeDoorDeps = {
  collector: Collector;
  metrics: IngestMetrics;
  hashId: (text: string) => string;
  /** For trace ids of problems. */
  uuid: () => string;
};

export function createNativeDoor(deps: NativeDoorDeps): Door {
  return { protocol: 'native', routes: [{ method: 'POST', path: '/v1/beacons', handle: (request) => handle(deps, request) }] };
}

async function handle(deps: NativeDoorDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const body = await request.body();
  if (!body.ok) {
    if (body.kind === 'aborted') return undefined;
    if (body.kind === 'limit') return overLimit(deps, request, { limit: body.limit, detail: body.detail, pointer: '' });
    return refuse(deps, request, body.kind === 'encoding' ? 'unsupported-encoding' : 'invalid-body', body.detail);
  }
  const parsed = parseJson(body.bytes.toString('utf8'));
  if (!parsed.ok) {
    if (parsed.kind === 'limit') return overLimit(deps, request, parsed);
    return refuse(deps, request, 'invalid-body', parsed.detail, [{ pointer: parsed.pointer, detail: parsed.detail }]);
  }
  const read = readNativeBody(parsed.value, { hashId: deps.hashId, bodyBytes: body.bytes.length });
  if (!read.ok) {
    if (read.kind === 'limit') return overLimit(deps, request, read);
    return refuse(deps, request, 'invalid-body', 'Nothing in the body can be used; see errors.', read.errors);
  }
  for (const limit of read.limits) deps.metrics.limitHit(limit);
  const owned = own(deps, request, read.drafts);
  if ('reply' in owned) return owned.reply;
  return answer(deps, request, await deps.collector.collect(owned.drafts, request));
}

/** Finds each beacon's key. One that is unknown refuses the request as a whole: nothing is taken for somebody else. */
function own(deps: NativeDoorDeps, request: DoorRequest, drafts: readonly Draft[]): { drafts: OwnedDraft[] } | { reply: DoorReply } {
  const requestKey = deps.collector.requestKey(request);
  // A beacon too broken to name a key belongs to whoever sent the others.
  const fallback = requestKey || drafts.find((draft) => draft.events.length > 0 && draft.key !== '')?.key || '';
  const owned: OwnedDraft[] = [];
  for (const draft of drafts) {
    const name = requestKey || draft.key || (draft.events.length === 0 ? fallback : '');
    const found = deps.collector.findKey(name, request);
    if (!found.ok) {
      const pointer = drafts.length > 1 ? `/${draft.index}/key` : '/key';
      return { reply: refuseKey(deps, request, found.reason, name === '' ? 'missing' : 'unknown', pointer) };
    }
    owned.push({ draft, key: found.key });
  }
  return { drafts: owned };
}

function refuseKey(
  deps: NativeDoorDeps,
  request: DoorRequest,
  reason: 'unknown-key' | 'origin-not-allowed',
  state: 'missing' | 'unknown',
  pointer: string,
): DoorReply {
  const origin = reason === 'origin-not-allowed';
  const detail = origin
    ? `The key does not list the origin ${request.origin === '' ? '(none was sent)' : request.origin.slice(0, 200)}.`
    : state === 'missing'
      ? 'Name a write key: `key` in the beacon, `?key=` or `Authorization: Bearer`.'
      : 'The write key is unknown or revoked.';
  deps.metrics.beacons('dropped', reason.replaceAll('-', '_'), 1);
  const headers = { 'www-authenticate': 'Bearer realm="playhead"' };
  const errors = [{ pointer, detail: origin ? 'does not list this origin' : `is ${state}` }];
  return problemReply(reason, { detail, traceId: trace(deps, request), errors, headers, ...(origin ? { cors: false } : {}) });
}

function answer(deps: NativeDoorDeps, request: DoorRequest, outcome: CollectOutcome): DoorReply {
  const traceId = (): string => trace(deps, request);
  switch (outcome.kind) {
    case 'accepted':
      return {
        status: 202,
        body: JSON.stringify({ accepted: outcome.accepted, rejected: outcome.rejected }),
        contentType: 'application/json',
      };
    case 'rate_limited':
      return problemReply('rate-limited', {
        detail: `This write key may send ${outcome.decision.rate.perSecond} requests a second.`,
        traceId: traceId(),
        headers: rateHeaders(outcome.decision),
      });
    case 'too_large':
      return problemReply('too-large', { detail: outcome.detail, traceId: traceId() });
    case 'overloaded':
      return problemReply('overloaded', {
        detail: 'The gateway cannot take more now. Nothing was taken.',
        traceId: traceId(),
        headers: { 'retry-after': String(outcome.retryAfterSeconds) },
      });
    case 'not_durable':
      return problemReply('not-durable', {
        detail: 'The log did not acknowledge the beacons in time. Send them again with the same sequence numbers.',
        traceId: traceId(),
        headers: { 'retry-after': String(outcome.retryAfterSeconds) },
      });
  }
}

function overLimit(deps: NativeDoorDeps, request: DoorRequest, hit: { limit: LimitName; detail: string; pointer: string }): DoorReply {
  deps.metrics.limitHit(hit.limit);
  deps.metrics.beacons('dropped', hit.limit, 1);
  return problemReply('too-large', {
    detail: `Limit ${hit.limit}: ${hit.detail}.`,
    traceId: trace(deps, request),
    ...(hit.pointer === '' ? {} : { errors: [{ pointer: hit.pointer, detail: hit.detail }] }),
  });
}

function refuse(
  deps: NativeDoorDeps,
  request: DoorRequest,
  type: ProblemType,
  detail: string,
  errors: readonly InputError[] = [],
): DoorReply {
  deps.metrics.beacons('dropped', type.replaceAll('-', '_'), 1);
  return problemReply(type, { detail, traceId: trace(deps, request), errors });
}

const trace = (deps: NativeDoorDeps, request: DoorRequest): string => traceIdOf(request.headers['traceparent'], deps.uuid);
