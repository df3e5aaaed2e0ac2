// The door of Analytics Engine (protocols.md section 6): GET /, which its client calls first, and POST /event. The Authorization header is
// the key itself, without a scheme.
import { createHash } from 'node:crypto';
import { COUNTED_SESSION_PREFIX, COUNTED_PROTOCOL as PROTOCOL } from '../../schemas/door-sessions.ts';
import { type CountedEvent, countedDraft, readCounted } from '../core/protocols/analytics-engine.ts';
import { isClamped } from '../core/values.ts';
import { createEventStreams } from '../event-streams.ts';
import type { Door, DoorDeps, DoorReply, DoorRequest } from './door.ts';
import { type Failure, failureOf, jsonFailure } from './failure.ts';
import { readJson, type Unread } from './read.ts';

/** Longest Idempotency-Key, characters. */
const IDEMPOTENCY_KEY_MAX = 256;

export type AnalyticsEngineDoorDeps = DoorDeps & {
  /** For the life of streams. */
  monotonicMs: () => number;
};

export function createAnalyticsEngineDoor(deps: AnalyticsEngineDoorDeps): Door {
  const streams = createEventStreams(deps);
  const placeOf = (site: string, request: DoorRequest): { session: string; mark: string } => {
    const key = idempotencyKeyOf(request);
    // A stream of its own for each such key: the fold then knows a repetition for what it is.
    if (key !== '') return { session: `${COUNTED_SESSION_PREFIX}i${deps.hashId(`${site}\n${key}`)}`, mark: '' };
    const { id, mark } = streams.next(site);
    return { session: COUNTED_SESSION_PREFIX + id, mark };
  };
  return {
    protocol: PROTOCOL,
    routes: [
      {
        method: 'GET',
        path: '/',
        // A browser that opens the address wants a page, not this.
        select: ({ headers }) => !(headers.accept ?? '').includes('text/html'),
        handle: async () => answer(200, { data: 'Analytics Engine is running.' }),
      },
      { method: 'POST', path: '/event', handle: (request) => store(deps, request, placeOf) },
    ],
    word,
  };
}

const answer = (status: number, said: { data: unknown } | { error: string }): DoorReply => ({
  status,
  body: JSON.stringify({ status, ...said }),
  contentType: 'application/json',
});

const word = (failed: Failure): DoorReply => jsonFailure(failed, { status: failed.status, error: failed.detail });

type PlaceOf = (site: string, request: DoorRequest) => { session: string; mark: string };

async function store(deps: AnalyticsEngineDoorDeps, request: DoorRequest, placeOf: PlaceOf): Promise<DoorReply | undefined> {
  const owner = deps.sites.siteOf(request, PROTOCOL, secretsOf(request), { ownIdOnly: true });
  if (!owner.ok) {
    deps.metrics.beacons('dropped', owner.reason.replaceAll('-', '_'), 1);
    return answer(401, { data: 'Unauthorized.' });
  }
  const body = await readJson(request);
  if (!body.ok) return refuseBody(deps, body);
  const read = readCounted(body.value);
  if (!read.ok) {
    deps.metrics.beacons('dropped', 'invalid_body', 1);
    return answer(400, { error: `Invalid input: ${read.detail}` });
  }
  countOddities(deps, read.event, request.receivedAt);
  const draft = countedDraft(read.event, placeOf(owner.key.site, request));
  const failed = failureOf(await deps.collector.collect([{ draft, key: owner.key }], request));
  return failed === undefined ? answer(200, { data: 'Event stored successfully!' }) : word(failed);
}

/** What may identify a site: the header as it is, and its hash, under which an alias can hold a secret without showing it. */
function secretsOf({ headers }: DoorRequest): string[] {
  const secret = (headers.authorization ?? '').trim();
  return secret === '' ? [] : [secret, `sha256:${createHash('sha256').update(secret, 'utf8').digest('hex')}`];
}

function idempotencyKeyOf({ headers }: DoorRequest): string {
  const given = headers['idempotency-key'];
  return (Array.isArray(given) ? (given[0] ?? '') : (given ?? '')).slice(0, IDEMPOTENCY_KEY_MAX);
}

function countOddities({ metrics, backdateMaxMs }: AnalyticsEngineDoorDeps, event: CountedEvent, receivedAt: number): void {
  if (event.unitFixed) metrics.oddity(PROTOCOL, 'unit_fixed', 1);
  if (isClamped(event.createdAt, receivedAt, { backdateMaxMs: backdateMaxMs(PROTOCOL) })) metrics.oddity(PROTOCOL, 'clock_clamped', 1);
}

function refuseBody(deps: AnalyticsEngineDoorDeps, unread: Unread): DoorReply | undefined {
  if (unread.kind === 'aborted') return undefined;
  if (unread.kind === 'limit') deps.metrics.limitHit(unread.limit);
  deps.metrics.beacons('dropped', unread.kind === 'limit' ? unread.limit : 'invalid_body', 1);
  return answer(unread.kind === 'limit' ? 413 : 400, { error: `Invalid input: ${unread.detail}` });
}
