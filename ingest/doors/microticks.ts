// The door of Microticks (protocols.md section 7): sessions that a client starts and stops, and actions in them; forms in, JSON out.
import { TICKS_PROTOCOL as PROTOCOL, TICKS_SESSION_PREFIX } from '../../schemas/door-sessions.ts';
import type { Draft } from '../core/draft.ts';
import { instantOf, readTick, requiredFields, startDraft, stopDraft, tickDraft } from '../core/protocols/microticks.ts';
import { isClamped } from '../core/values.ts';
import { originAllowed, type WriteKey } from '../keys.ts';
import type { StoppedSessions } from '../stopped-sessions.ts';
import { consumerTag, isIssuedFor, issueToken, tagOf } from '../token.ts';
import type { Door, DoorDeps, DoorReply, DoorRequest } from './door.ts';
import { type Failure, failure, failureOf, jsonFailure } from './failure.ts';
import { readFormBody, type Unread } from './read.ts';

const RETRY_SECONDS = 2;
const TAGS_MAX = 100_000;

export type MicroticksDoorDeps = DoorDeps & {
  /** What tokens are signed with, the same in all gateways; undefined = not read yet. */
  tokenSecret: () => Buffer | undefined;
  stoppedSessions: StoppedSessions;
};
type Deps = MicroticksDoorDeps & { consumerOf: (secret: Buffer, token: string) => WriteKey | undefined };

export function createMicroticksDoor(given: MicroticksDoorDeps): Door {
  const deps = { ...given, consumerOf: createConsumers(given.sites) };
  const route = (path: string, handle: Deal): Door['routes'][number] => ({
    method: 'POST',
    path,
    handle: (request) => deal(deps, request, handle),
  });
  return { protocol: PROTOCOL, routes: [route('/sessions', start), route('/sessions/stop', stop), route('/events', act)], word };
}

/** A form and the secret: what every route begins with. */
type Asked = { request: DoorRequest; form: Parameters<typeof requiredFields>[0]; secret: Buffer };
type Deal = (deps: Deps, asked: Asked) => Promise<DoorReply>;

async function deal(deps: Deps, request: DoorRequest, handle: Deal): Promise<DoorReply | undefined> {
  const form = await readFormBody(request);
  if (!form.ok) return unread(deps, form);
  const secret = deps.tokenSecret();
  if (secret === undefined) return word(failure('overloaded', 'The gateway cannot take this now. Nothing was taken.', RETRY_SECONDS));
  if (form.dropped > 0) deps.metrics.ignoredFields(form.dropped);
  return handle(deps, { request, form, secret });
}

async function start(deps: Deps, { request, form, secret }: Asked): Promise<DoorReply> {
  const given = requiredFields(form, ['consumer_key', 'ts']);
  if (!given.ok) return refuse(deps, { error: given.error });
  const at = instantOf(given.fields.ts);
  if (!at.ok) return refuse(deps, { error: at.error });
  const consumer = given.fields.consumer_key;
  const owner = deps.sites.siteOf(request, PROTOCOL, [consumer], { ownIdOnly: true });
  if (!owner.ok) return refuse(deps, { error: 'Invalid consumer_key' });
  if (owner.settings['active'] === false) return refuse(deps, { error: 'Consumer is not active.' });
  const token = issueToken(secret, owner.key.key, deps.uuid());
  const failed = await collect(deps, { request, at: at.at, draft: startDraft(token, at.at, consumer), key: owner.key });
  if (failed !== undefined) return failed;
  deps.stoppedSessions.note(owner.key.site, TICKS_SESSION_PREFIX + token, 'open');
  return answer({ token });
}

async function act(deps: Deps, asked: Asked): Promise<DoorReply> {
  const given = requiredFields(asked.form, ['token', 'action', 'data', 'ts']);
  if (!given.ok) return refuse(deps, { error: given.error });
  const at = instantOf(given.fields.ts);
  if (!at.ok) return refuse(deps, { error: at.error });
  const read = readTick(given.fields, deps.hashId);
  if (!read.ok) return refuse(deps, { error: read.error });
  const { token } = given.fields;
  const open = await openSession(deps, asked, token);
  if ('refused' in open) return open.refused;
  const draft = tickDraft(token, at.at, read.tick);
  return (await collect(deps, { request: asked.request, at: at.at, draft, key: open.key })) ?? answer({ event_id: read.tick.id });
}

async function stop(deps: Deps, asked: Asked): Promise<DoorReply> {
  const given = requiredFields(asked.form, ['token', 'ts']);
  if (!given.ok) return refuse(deps, { error: given.error });
  const at = instantOf(given.fields.ts);
  if (!at.ok) return refuse(deps, { error: at.error });
  const { token } = given.fields;
  const open = await openSession(deps, asked, token);
  if ('refused' in open) return open.refused;
  const failed = await collect(deps, { request: asked.request, at: at.at, draft: stopDraft(token, at.at), key: open.key });
  if (failed !== undefined) return failed;
  deps.stoppedSessions.note(open.key.site, TICKS_SESSION_PREFIX + token, 'stopped');
  return answer({});
}

/** Whose session a token means, if it can take more. */
async function openSession(deps: Deps, { request, secret }: Asked, token: string): Promise<{ key: WriteKey } | { refused: DoorReply }> {
  const key = deps.consumerOf(secret, token);
  if (key === undefined || !originAllowed(key, request.origin)) return { refused: refuse(deps, { description: 'Could not find session' }) };
  if (await deps.stoppedSessions.isStopped(key.site, TICKS_SESSION_PREFIX + token))
    return { refused: refuse(deps, { description: 'Session was already stopped.' }) };
  return { key };
}

/** Finds the consumer that a token was issued for among those who may send now. */
function createConsumers(sites: MicroticksDoorDeps['sites']): Deps['consumerOf'] {
  const tags = new Map<string, string>();
  let indexed: readonly WriteKey[] | undefined;
  let byTag = new Map<string, WriteKey[]>();
  const index = (secret: Buffer, consumers: readonly WriteKey[]): void => {
    byTag = new Map();
    if (tags.size > TAGS_MAX) tags.clear();
    for (const consumer of consumers) {
      let tag = tags.get(consumer.key);
      if (tag === undefined) {
        tag = consumerTag(secret, consumer.key);
        tags.set(consumer.key, tag);
      }
      byTag.set(tag, [...(byTag.get(tag) ?? []), consumer]);
    }
    indexed = consumers;
  };
  return (secret, token) => {
    const consumers = sites.consumers(PROTOCOL);
    if (consumers !== indexed) index(secret, consumers);
    return byTag.get(tagOf(token))?.find((consumer) => isIssuedFor(secret, consumer.key, token));
  };
}

type Sent = { request: DoorRequest; at: number; draft: Draft; key: WriteKey };

/** undefined = it is in the log. */
async function collect(deps: Deps, { request, at, draft, key }: Sent): Promise<DoorReply | undefined> {
  if (isClamped(at, request.receivedAt, { backdateMaxMs: deps.backdateMaxMs(PROTOCOL) })) deps.metrics.oddity(PROTOCOL, 'clock_clamped', 1);
  const failed = failureOf(await deps.collector.collect([{ draft, key }], request));
  return failed === undefined ? undefined : word(failed);
}

const answer = (said: Record<string, unknown>): DoorReply => ({
  status: 200,
  body: JSON.stringify({ status: 200, ...said }),
  contentType: 'application/json',
});

const word = (failed: Failure): DoorReply => jsonFailure(failed, { error: failed.detail, status: failed.status });

function refuse(deps: Deps, said: { error: string } | { description: string }): DoorReply {
  deps.metrics.beacons('dropped', 'error' in said ? 'invalid_body' : 'unknown_session', 1);
  return { status: 400, body: JSON.stringify({ ...said, status: 400 }), contentType: 'application/json' };
}

function unread(deps: Deps, read: Unread): DoorReply | undefined {
  if (read.kind === 'aborted') return undefined;
  if (read.kind !== 'limit') return refuse(deps, { error: read.detail });
  deps.metrics.limitHit(read.limit);
  deps.metrics.beacons('dropped', read.limit, 1);
  return word(failure('too-large', read.detail));
}
