// Measurement protocol, version 1: single hits, batches, a debugging path, and the same under /lc for pages that talked to Webalytic. Always
// 204: the clients take anything else for a reason to stop, so every refusal is counted instead.

import type { OwnedDraft } from '../collect.ts';
import type { Draft } from '../core/draft.ts';
import { NO_DRAFT_CONTEXT, rejectOf } from '../core/draft.ts';
import { readForm } from '../core/form.ts';
import { keyInstantOf, localDayOf } from '../core/local-day.ts';
import { browserMajor, expandMacro, isMacro, type MacroFacts } from '../core/macros.ts';
import {
  BATCH_BYTES_MAX,
  BATCH_HITS_MAX,
  batchLines,
  customValues,
  HIT_BYTES_MAX,
  type Hit,
  hitData,
  type ReadHit,
  readHit,
  screenMeta,
} from '../core/protocols/ga.ts';
import { mappingOf, needsDuration, type PlaybackMapping, playbackOf, type VideoHit } from '../core/protocols/ga-playback.ts';
import { trafficOf, trafficText } from '../core/protocols/ga-traffic.ts';
import { hitDraft, joinDrafts, splitByScope, type VisitHit, videoDraft } from '../core/protocols/visit-hits.ts';
import { bytesOf } from '../core/text.ts';
import type { WriteKey } from '../keys.ts';
import { problemReply, traceIdOf } from '../problem.ts';
import type { DoorSettings } from '../sites.ts';
import type { Door, DoorReply, DoorRequest, Route } from './door.ts';
import { failureOf } from './failure.ts';
import { readText } from './read.ts';
import { digestOf, isTrusted, NO_CONTENT, overloaded, type VisitDoorDeps, visitorKey } from './visit-door.ts';

const SCRIPT_CACHE_SECONDS = 7_200;
/** Other protocols have a batch of JSON. No form begins like this, and content types are not to be trusted: the body tells them apart. */
const JSON_BEGINS = /^\s*[{[]/;

export function createGaDoor(deps: VisitDoorDeps): Door {
  const collect = (method: Route['method'], path: string): Route => ({ method, path, handle: (request) => handleHit(deps, request) });
  const batch = (path: string): Route => ({ method: 'POST', path, handle: (request) => handleBatch(deps, request) });
  const script = (path: string): Route => ({ method: 'GET', path, handle: async () => scriptReply(deps.pageScript) });
  const debug = (method: Route['method']): Route => ({ method, path: '/debug/collect', handle: (request) => handleDebug(deps, request) });
  return {
    protocol: 'ga',
    routes: [
      collect('GET', '/collect'),
      collect('POST', '/collect'),
      collect('GET', '/lc/collect'),
      collect('POST', '/lc/collect'),
      batch('/batch'),
      batch('/lc/batch'),
      debug('GET'),
      debug('POST'),
      { method: 'GET', path: '/lc/', handle: async () => ({ status: 200, body: 'OK', contentType: 'text/plain; charset=utf-8' }) },
      script('/lc/sdk.js'),
      script('/lc/webalytic.js'),
    ],
  };
}

const scriptReply = (text: string | undefined): DoorReply =>
  text === undefined
    ? { status: 404, body: 'The script was not built.', contentType: 'text/plain; charset=utf-8' }
    : {
        status: 200,
        body: text,
        contentType: 'application/javascript; charset=utf-8',
        headers: { 'cache-control': `public, max-age=${SCRIPT_CACHE_SECONDS}`, 'cross-origin-resource-policy': 'cross-origin' },
      };

type Lines = { ok: true; lines: { text: string; index: number }[]; excess: { text: string; index: number }[] };

/** The hit of a request: query and body put together, the body wins. undefined: the client is gone. */
async function hitText(deps: VisitDoorDeps, request: DoorRequest): Promise<string | undefined> {
  const query = request.query.toString();
  if (request.method === 'GET') return query;
  const body = await readText(request);
  if (!body.ok) {
    if (body.kind === 'aborted') return undefined;
    if (body.kind === 'limit') deps.metrics.limitHit(body.limit);
    deps.metrics.beacons('dropped', body.kind === 'limit' ? body.limit : 'invalid_body', 1);
    return query;
  }
  // sendBeacon has to have a body: that of the page script is an empty JSON object.
  const form = body.text.trimStart().startsWith('{') ? '' : body.text.trim();
  return [query, form].filter((part) => part !== '').join('&');
}

async function handleHit(deps: VisitDoorDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const text = await hitText(deps, request);
  return text === undefined ? undefined : answer(deps, request, { ok: true, lines: [{ text, index: 0 }], excess: [] });
}

async function handleBatch(deps: VisitDoorDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const body = await readText(request);
  if (body.ok && JSON_BEGINS.test(body.text)) return refuseJson(deps, request);
  if (body.ok) return answer(deps, request, { ok: true, ...batchLines(body.text) });
  if (body.kind === 'aborted') return undefined;
  if (body.kind === 'limit') deps.metrics.limitHit(body.limit);
  deps.metrics.beacons('dropped', body.kind === 'limit' ? body.limit : 'invalid_body', 1);
  return NO_CONTENT;
}

/** Nobody who sends hits sends this: 204 would hide that it came to the wrong place. */
function refuseJson(deps: VisitDoorDeps, request: DoorRequest): DoorReply {
  deps.metrics.beacons('dropped', 'invalid_body', 1);
  const detail = 'Hits are form-encoded, one to a line (t=pageview&cid=...); this is JSON.';
  return problemReply('invalid-body', { detail, traceId: traceIdOf(request.headers['traceparent'], deps.uuid) });
}

async function answer(deps: VisitDoorDeps, request: DoorRequest, { lines, excess }: Lines): Promise<DoorReply> {
  if (!deps.visitSettings.loaded()) return overloaded(deps);
  const sending = sendingOf(deps, request);
  const drafts: OwnedDraft[] = [];
  for (const line of lines) {
    const found = await draftsOf(deps, sending, line);
    if (found === 'not_ready') return overloaded(deps);
    drafts.push(...found);
  }
  const owned = [...joinOwned(drafts), ...excess.flatMap((line) => refuseLine(sending, line))];
  if (owned.length === 0) return NO_CONTENT;
  const failed = failureOf(await deps.collector.collect(owned, request));
  if (failed === undefined) return NO_CONTENT;
  return { status: failed.status, headers: failed.headers };
}

type Line = { text: string; index: number };
type Site = { key: WriteKey; settings: DoorSettings };

/** What the hits of one request share: most name the same site and visitor. */
type Sending = {
  request: DoorRequest;
  nonce: string;
  /** Whose a hit is; undefined, and counted, if nobody's. */
  siteOf(trackingId: string): Site | undefined;
  /** The visitor's key, '' = none can be made now. */
  visitorOf(site: string, trackingId: string, person: string, timezone: string): string;
};

function sendingOf(deps: VisitDoorDeps, request: DoorRequest): Sending {
  const sites = new Map<string, ReturnType<VisitDoorDeps['sites']['siteOf']>>();
  const visitors = new Map<string, string>();
  return {
    request,
    nonce: deps.uuid().slice(0, 13),
    siteOf(trackingId) {
      const found = sites.get(trackingId) ?? deps.sites.siteOf(request, 'ga', [trackingId]);
      sites.set(trackingId, found);
      if (found.ok) return found;
      deps.metrics.beacons('dropped', found.reason.replaceAll('-', '_'), 1);
      return undefined;
    },
    visitorOf(site, trackingId, person, timezone) {
      const name = JSON.stringify([site, trackingId, person]);
      const key = visitors.get(name) ?? visitorKey(deps, site, ['ga', trackingId, person], keyInstantOf(request.receivedAt, timezone));
      visitors.set(name, key);
      return key;
    },
  };
}

/** Neighbours of one site that can share a record. */
function joinOwned(owned: readonly OwnedDraft[]): OwnedDraft[] {
  const [first] = owned;
  if (first === undefined || owned.some(({ key }) => key !== first.key)) return [...owned];
  return joinDrafts(owned.map(({ draft }) => draft)).map((draft) => ({ key: first.key, draft }));
}

async function draftsOf(deps: VisitDoorDeps, sending: Sending, line: Line): Promise<OwnedDraft[] | 'not_ready'> {
  const { request, nonce } = sending;
  const form = readForm(line.text);
  const read = checkedSize(line, readHit(form));
  const trackingId = read.ok ? read.hit.trackingId : read.trackingId;
  const site = sending.siteOf(trackingId);
  if (site === undefined) return [];
  const { key } = site;
  if (!read.ok) return [{ key, draft: rejectDraft(line, read) }];
  const timezone = deps.visitSettings.timezoneOf(key.site);
  const session = sending.visitorOf(key.site, trackingId, read.hit.person, timezone);
  if (session === '') return 'not_ready';
  const visitHit = describe(deps, request, { ...site, hit: read.hit, index: line.index, nonce, session, timezone });
  return (await withPlayback(deps, site, visitHit, videoHitOf(read.hit))).map((draft) => ({ key, draft }));
}

const checkedSize = (line: Line, read: ReadHit): ReadHit =>
  bytesOf(line.text) <= HIT_BYTES_MAX
    ? read
    : {
        ok: false,
        trackingId: read.ok ? read.hit.trackingId : read.trackingId,
        refusal: { pointer: '', reason: 'too_long', detail: `a hit is at most ${HIT_BYTES_MAX} bytes` },
      };

/** A hit that was not understood, as a dead letter: it belongs to no session. */
const rejectDraft = ({ text, index }: Line, { refusal }: Extract<ReadHit, { ok: false }>): Draft => ({
  index,
  protocol: 'ga',
  session: '',
  video: '',
  sentAt: -1,
  baseAt: -1,
  context: { ...NO_DRAFT_CONTEXT },
  events: [],
  rejects: [rejectOf({ index, seq: -1, refusal, input: withoutPerson(text) })],
  ignoredFields: 0,
  key: '',
});

/** Dead letters are read by people: client and user ids are not theirs to read, nor what stands in the queries of pages. */
const withoutPerson = (text: string): string =>
  text.replace(/(^|&)(cid|uid|uip|ua)=[^&]*/g, '$1$2=').replace(/((?:^|&)(?:dl|dr|dp)=[^&?#]*?)(?:\?|#|%3f|%23)[^&]*/gi, '$1');

function refuseLine(sending: Sending, line: Line): OwnedDraft[] {
  const read = readHit(readForm(line.text));
  const site = sending.siteOf(read.ok ? read.hit.trackingId : read.trackingId);
  if (site === undefined) return [];
  const detail = `a batch is at most ${BATCH_HITS_MAX} hits and ${BATCH_BYTES_MAX} bytes`;
  const refusal = { pointer: '', reason: 'too_long', detail } as const;
  return [{ key: site.key, draft: rejectDraft(line, { ok: false, trackingId: '', refusal }) }];
}

type Described = Site & { hit: Hit; index: number; nonce: string; session: string; timezone: string };

/** Everything about a hit that its visit has to know. */
function describe(deps: VisitDoorDeps, request: DoorRequest, given: Described): VisitHit {
  const { hit, key, index, session } = given;
  const { fields } = hit;
  const trusted = isTrusted(request, given.settings);
  const address = trusted ? (fields['uip'] ?? '') : '';
  const userAgent = trusted ? (fields['ua'] ?? '') : '';
  const custom = customValues(hit, (value) =>
    isMacro(value) ? expandMacro(value, macroFacts(deps, request, address || request.address, userAgent || request.userAgent)) : value,
  );
  const scoped = splitByScope(custom.values, deps.visitSettings.definitionsOf(key.site));
  const traffic = trafficOf(hit, deps.lookups.referrer);
  const at = request.receivedAt - Math.max(0, hit.queueMs);
  countOddities(deps, hit, trusted);
  return {
    protocol: 'ga',
    index,
    session,
    receivedAt: request.receivedAt,
    at,
    stamp: {
      day: localDayOf(at, given.timezone),
      kind: hit.type === 'pageview' ? 'page' : 'event',
      order: fields['sc'] === 'start' || fields['sc'] === 'end' ? fields['sc'] : '',
      interactive: fields['ni'] !== '1',
      source: digestOf(deps, trafficText(traffic)),
      nonce: `${given.nonce}.${index}`,
    },
    name: hit.type,
    data: dataOf(deps, hit, traffic, scoped.onHit),
    page: hit.page,
    pagePath: hit.pagePath,
    referrer: fields['dr'] ?? '',
    traffic,
    meta: { ...screenMeta(hit), ...scoped.onSession },
    person: hit.person,
    address,
    userAgent,
    ignoredFields: custom.dropped + scoped.dropped,
  };
}

function dataOf(
  deps: VisitDoorDeps,
  hit: Hit,
  traffic: VisitHit['traffic'],
  { cd, cm }: { cd: Record<string, string>; cm: Record<string, number> },
): Record<string, unknown> {
  const { host, path } = deps.lookups.page(hit.page);
  const page = host + path || hit.pagePath;
  const { source, medium, campaign, keyword, content, id: campaignId, path: referrerPath } = traffic;
  const from = { page, source, medium, campaign, keyword, content, campaignId, referrerPath };
  return {
    ...Object.fromEntries(Object.entries(from).filter(([, text]) => text !== '')),
    ...hitData(hit),
    ...(Object.keys(cd).length === 0 ? {} : { cd }),
    ...(Object.keys(cm).length === 0 ? {} : { cm }),
  };
}

function macroFacts(deps: VisitDoorDeps, request: DoorRequest, address: string, userAgent: string): MacroFacts {
  return {
    headers: request.headers,
    country: address === '' ? '' : deps.lookups.place(address).country,
    browser: userAgent === '' ? '' : browserMajor(deps.lookups.client(userAgent).browser, userAgent),
    secrets: [address, userAgent, request.address, request.userAgent],
  };
}

function countOddities({ metrics }: VisitDoorDeps, { fields, queueMs }: Hit, trusted: boolean): void {
  if (queueMs < 0) metrics.oddity('ga', 'clock_clamped', 1);
  if (!trusted && (fields['uip'] || fields['ua'])) metrics.oddity('ga', 'untrusted_override', 1);
}

const videoHitOf = ({ type, fields }: Hit): VideoHit | undefined =>
  type === 'event'
    ? { category: fields['ec'] ?? '', action: fields['ea'] ?? '', label: fields['el'] ?? '', value: fields['ev'] ?? '' }
    : undefined;

async function withPlayback(deps: VisitDoorDeps, site: Site, visitHit: VisitHit, hit: VideoHit | undefined): Promise<Draft[]> {
  const draft = hitDraft(visitHit);
  if (hit === undefined) return [draft];
  const mapping: PlaybackMapping = mappingOf(site.settings);
  const known = playbackOf(hit, mapping, -1);
  if (known === undefined) return [draft];
  const durationMs = needsDuration(hit) ? await durationOf(deps, site.key.site, known.video) : -1;
  const playback = durationMs > 0 ? (playbackOf(hit, mapping, durationMs) ?? known) : known;
  return [draft, videoDraft(visitHit, playback, { title: '', durationMs })];
}

async function durationOf(deps: VisitDoorDeps, site: string, video: string): Promise<number> {
  const known = await deps.videos.find(site, video);
  return known === undefined || known === 'unavailable' ? -1 : known.durationMs;
}

type ParserMessage = { messageType: 'ERROR' | 'INFO'; description: string; parameter: string };

/** What would become of a hit; nothing is kept. */
async function handleDebug(deps: VisitDoorDeps, request: DoorRequest): Promise<DoorReply | undefined> {
  const text = await hitText(deps, request);
  if (text === undefined) return undefined;
  const line = { text, index: 0 };
  const read = checkedSize(line, readHit(readForm(text)));
  const messages: ParserMessage[] = [];
  const tell = (messageType: ParserMessage['messageType'], parameter: string, description: string): void =>
    void messages.push({ messageType, description, parameter });
  if (!read.ok) tell('ERROR', read.refusal.pointer.slice(1), `${read.refusal.reason}: ${read.refusal.detail}`);
  const trackingId = read.ok ? read.hit.trackingId : read.trackingId;
  if (!deps.sites.siteOf(request, 'ga', [trackingId]).ok) tell('ERROR', 'tid', 'unknown_key: no site has this tracking id');
  if (read.ok && read.hit.queueMs < 0) tell('INFO', 'qt', 'clock_clamped: too long ago; the hit counts as received now');
  const valid = messages.every(({ messageType }) => messageType !== 'ERROR');
  const result = { valid, parserMessage: messages, hit: `${request.path}?${withoutPerson(text)}` };
  return { status: 200, body: JSON.stringify({ hitParsingResult: [result] }), contentType: 'application/json' };
}
