// Measurement protocol, version 4. Its clients take 204 for everything; what was wrong is counted, kept as dead letters, and told at the
// debugging path.
import type { OwnedDraft } from '../collect.ts';
import { type Draft, NO_DRAFT_CONTEXT, rejectOf } from '../core/draft.ts';
import { objectOf } from '../core/fields.ts';
import { keyInstantOf, localDayOf } from '../core/local-day.ts';
import { type Traffic, trafficOf, trafficText } from '../core/protocols/ga-traffic.ts';
import {
  campaignFields,
  GA4_BODY_BYTES_MAX,
  type Ga4Event,
  type Ga4Problem,
  type Ga4Request,
  ga4Playback,
  isPage,
  pageOfEvent,
  readGa4,
} from '../core/protocols/ga4.ts';
import { hitDraft, joinDrafts, type VisitHit, videoDraft } from '../core/protocols/visit-hits.ts';
import type { WriteKey } from '../keys.ts';
import type { DoorSettings } from '../sites.ts';
import type { Door, DoorReply, DoorRequest } from './door.ts';
import { failureOf } from './failure.ts';
import { readJson, type Unread } from './read.ts';
import { digestOf, NO_CONTENT, overloaded, sameText, type VisitDoorDeps, visitorKey } from './visit-door.ts';

export function createGa4Door(deps: VisitDoorDeps): Door {
  return {
    protocol: 'ga4',
    routes: [
      { method: 'POST', path: '/mp/collect', handle: (request) => handle(deps, request) },
      { method: 'POST', path: '/debug/mp/collect', handle: (request) => handleDebug(deps, request) },
    ],
  };
}

type Site = { key: WriteKey; settings: DoorSettings; trusted: boolean };
type SiteAnswer = { ok: true; site: Site } | { ok: false; reason: string };

/** Whose a request is. An alias that has a secret (setting `apiSecret`) wants it; who knows it may speak for another address. */
function siteOf(deps: VisitDoorDeps, request: DoorRequest): SiteAnswer {
  const ids = ['measurement_id', 'firebase_app_id'].map((name) => request.query.get(name) ?? '');
  const found = deps.sites.siteOf(request, 'ga4', ids);
  if (!found.ok) return { ok: false, reason: found.reason.replaceAll('-', '_') };
  const secret = found.settings['apiSecret'];
  const wanted = typeof secret === 'string' && secret !== '';
  if (wanted && !sameText(secret, request.query.get('api_secret') ?? '')) return { ok: false, reason: 'wrong_secret' };
  return { ok: true, site: { key: found.key, settings: found.settings, trusted: wanted } };
}

function unread(deps: VisitDoorDeps, read: Unread): DoorReply | undefined {
  if (read.kind === 'aborted') return undefined;
  if (read.kind === 'limit') deps.metrics.limitHit(read.limit);
  deps.metrics.beacons('dropped', read.kind === 'limit' ? read.limit : 'invalid_body', 1);
  return NO_CONTENT;
}

async function handle(deps: VisitDoorDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const read = await readJson(request);
  if (!read.ok) return unread(deps, read);
  const answer = siteOf(deps, request);
  if (!answer.ok) return refused(deps, answer.reason);
  if (read.bytes > GA4_BODY_BYTES_MAX) {
    deps.metrics.limitHit('body_bytes');
    return refused(deps, 'body_bytes');
  }
  const asked = readGa4(read.value, request.receivedAt, deps.backdateMaxMs('ga4'));
  const owned = ownedOf(deps, request, answer.site, asked);
  if (owned === 'not_ready') return overloaded(deps);
  if (owned.length === 0) return NO_CONTENT;
  const failed = failureOf(await deps.collector.collect(owned, request));
  return failed === undefined ? NO_CONTENT : { status: failed.status, headers: failed.headers };
}

function refused(deps: VisitDoorDeps, reason: string): DoorReply {
  deps.metrics.beacons('dropped', reason, 1);
  return NO_CONTENT;
}

function ownedOf(deps: VisitDoorDeps, request: DoorRequest, site: Site, asked: Ga4Request): OwnedDraft[] | 'not_ready' {
  // Where somebody said no there is no viewer key, neither from an id nor from the network.
  const key = asked.consentDenied ? { ...site.key, viewerKeys: false } : site.key;
  if (!deps.visitSettings.loaded()) return 'not_ready';
  const nonce = deps.uuid().slice(0, 13);
  const drafts: Draft[] = [];
  const visitors = new Map<string, string>();
  const sourceOf = sourcesOf(deps);
  const timezone = deps.visitSettings.timezoneOf(key.site);
  const id = request.query.get('measurement_id') ?? request.query.get('firebase_app_id') ?? '';
  for (const event of asked.events) {
    const parts = ['ga4', id, asked.client, event.sessionId];
    const session = visitors.get(event.sessionId) ?? visitorKey(deps, key.site, parts, keyInstantOf(request.receivedAt, timezone));
    if (session === '') return 'not_ready';
    visitors.set(event.sessionId, session);
    const hit = describe(deps, request, { asked, event, session, nonce, timezone, trusted: site.trusted, sourceOf });
    drafts.push(hitDraft(hit));
    const video = ga4Playback(event);
    if (video !== undefined) drafts.push(videoDraft(hit, video.playback, video.media));
  }
  return [...joinDrafts(drafts), ...asked.problems.map(rejectDraft)].map((draft) => ({ key, draft }));
}

type Source = { traffic: Traffic; digest: string };
type SourceOf = (page: string, fields: Readonly<Record<string, string>>) => Source;

/** Where events came from: most of a request from the same place, which is looked at once. */
function sourcesOf(deps: VisitDoorDeps): SourceOf {
  const known = new Map<string, Source>();
  return (page, fields) => {
    const name = JSON.stringify([page, fields]);
    let source = known.get(name);
    if (source === undefined) {
      const traffic = trafficOf({ fields, page }, deps.lookups.referrer);
      source = { traffic, digest: digestOf(deps, trafficText(traffic)) };
      known.set(name, source);
    }
    return source;
  };
}

type Described = {
  asked: Ga4Request;
  event: Ga4Event;
  session: string;
  nonce: string;
  timezone: string;
  trusted: boolean;
  sourceOf: SourceOf;
};

function describe(deps: VisitDoorDeps, request: DoorRequest, given: Described): VisitHit {
  const { asked, event, session, nonce, timezone, trusted } = given;
  const { page, referrer } = pageOfEvent(event);
  const { traffic, digest } = given.sourceOf(page, campaignFields(event, referrer));
  if (event.clamped) deps.metrics.oddity('ga4', 'clock_clamped', 1);
  if (!trusted && (asked.address !== '' || asked.userAgent !== '')) deps.metrics.oddity('ga4', 'untrusted_override', 1);
  const { host, path } = deps.lookups.page(page);
  const from = { page: host + path, source: traffic.source, medium: traffic.medium, campaign: traffic.campaign };
  return {
    protocol: 'ga4',
    index: event.index,
    session,
    receivedAt: request.receivedAt,
    at: event.at,
    stamp: {
      day: localDayOf(event.at, timezone),
      kind: event.sessionId !== '' ? 'session' : isPage(event.name) ? 'page' : 'event',
      order: '',
      interactive: true,
      source: digest,
      nonce: `${nonce}.${event.index}`,
    },
    name: event.name,
    data: { ...Object.fromEntries(Object.entries(from).filter(([, text]) => text !== '')), ...plainParams(event) },
    page,
    pagePath: '',
    referrer,
    traffic,
    meta: asked.properties,
    person: asked.userId || asked.client,
    address: trusted ? asked.address : '',
    userAgent: trusted ? asked.userAgent : '',
    ignoredFields: 0,
  };
}

/** Parameters as they are, but for addresses of pages: their queries may name people, and host and path are kept already. */
function plainParams({ params }: Ga4Event): Record<string, unknown> {
  const { page_location: _location, page_referrer: _referrer, ...rest } = params;
  return rest;
}

/** What could not be used, as a dead letter: of no session. */
const rejectDraft = ({ index, problem, input }: Ga4Request['problems'][number]): Draft => ({
  index: Math.max(0, index),
  protocol: 'ga4',
  session: '',
  video: '',
  sentAt: -1,
  baseAt: -1,
  context: { ...NO_DRAFT_CONTEXT },
  events: [],
  rejects: [
    rejectOf({
      index,
      seq: -1,
      refusal: { pointer: problem.fieldPath, reason: REASONS[problem.validationCode], detail: problem.description },
      input: withoutQueries(input),
    }),
  ],
  ignoredFields: 0,
  key: '',
});

/** An event as it was sent, but for the queries of its pages, which may name people. */
function withoutQueries(input: unknown): unknown {
  const event = objectOf(input);
  const params = objectOf(event?.['params']);
  if (params === undefined) return input;
  const cut = (value: unknown): unknown => (typeof value === 'string' ? value.split(/[?#]/)[0] : value);
  const pages = Object.fromEntries(
    ['page_location', 'page_referrer'].filter((name) => name in params).map((name) => [name, cut(params[name])]),
  );
  return { ...event, params: { ...params, ...pages } };
}

const REASONS = {
  VALUE_REQUIRED: 'missing_field',
  VALUE_INVALID: 'invalid_value',
  NAME_INVALID: 'invalid_value',
  EXCEEDED_MAX_ENTITIES: 'too_long',
} as const;

/** What would be wrong with a request; nothing is kept. */
async function handleDebug(deps: VisitDoorDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const messages: Ga4Problem[] = [];
  const read = await readJson(request);
  if (!read.ok && read.kind === 'aborted') return undefined;
  const answer = siteOf(deps, request);
  if (!answer.ok) {
    const fieldPath = answer.reason === 'wrong_secret' ? 'api_secret' : 'measurement_id';
    messages.push({ fieldPath, description: answer.reason, validationCode: 'VALUE_INVALID' });
  }
  if (!read.ok) messages.push({ fieldPath: '', description: read.detail, validationCode: 'VALUE_INVALID' });
  else {
    if (read.bytes > GA4_BODY_BYTES_MAX)
      messages.push({ fieldPath: '', description: `at most ${GA4_BODY_BYTES_MAX} bytes`, validationCode: 'EXCEEDED_MAX_ENTITIES' });
    messages.push(...readGa4(read.value, request.receivedAt, deps.backdateMaxMs('ga4')).problems.map(({ problem }) => problem));
  }
  return { status: 200, body: JSON.stringify({ validationMessages: messages }), contentType: 'application/json' };
}
