// From a draft to the beacon that enters the log: the named, ordered list of what happens to it. Everything that may change over
// time (place, device, source) is decided here and frozen into the record (D11); raw address and user agent end here.
import { type Beacon, type BeaconContext, UNKNOWN_CONTEXT } from '../../schemas/beacon.ts';
import { NO_PAGE, type Page } from './campaign.ts';
import { browserNamed, type Client, deviceNamed, NO_CLIENT, platformNamed } from './device.ts';
import type { Draft } from './draft.ts';
import { PATH_BYTES_MAX } from './limits.ts';
import { NO_PLACE, type Place } from './place.ts';
import type { Referrer } from './referrer.ts';
import { textOf } from './text.ts';
import type { ViewerParts } from './viewer.ts';

/** Look-ups the shell hands in: cached, over files, salts and hashes. None of them throws. */
export type Lookups = {
  place(address: string): Place;
  client(userAgent: string): Client;
  page(url: string): Page;
  referrer(url: string, pageHost: string): Referrer;
  /** Keyed hash under the salt of that instant's day; '' if there is no salt. */
  viewer(parts: ViewerParts, receivedAt: number): string;
};

/** What is known of the request itself. */
export type RequestFacts = {
  site: string;
  viewerKeys: boolean;
  receivedAt: number;
  address: string;
  userAgent: string;
  /** Referer and Origin headers, for players that do not name their page. */
  refererHeader: string;
  originHeader: string;
};

type Step = (context: BeaconContext, given: Given) => void;
type Given = { draft: Draft; facts: RequestFacts; lookups: Lookups; address: string; userAgent: string };

/** In this order; each fills its fields of the context and nothing else. */
const STEPS: readonly Step[] = [nameVideo, placeViewer, classifyClient, splitPage, findSource, takeTraffic, keyViewer];

/** Enriches a draft. `site` in the facts decides whose it is: never the body. Never throws. */
export function admit(draft: Draft, facts: RequestFacts, lookups: Lookups): Beacon {
  const given: Given = {
    draft,
    facts,
    lookups,
    address: draft.context.address || facts.address,
    userAgent: draft.context.userAgent || facts.userAgent,
  };
  return {
    site: facts.site,
    session: draft.session,
    video: draft.video,
    protocol: draft.protocol,
    receivedAt: facts.receivedAt,
    sentAt: draft.sentAt,
    baseAt: draft.baseAt,
    context: draft.events.length === 0 ? null : contextOf(given),
    events: draft.events,
    rejects: draft.rejects.map((reject) => ({ ...reject, payload: withoutRequest(reject.payload, given) })),
    ignoredFields: draft.ignoredFields,
  };
}

function contextOf(given: Given): BeaconContext {
  const context: BeaconContext = { ...UNKNOWN_CONTEXT };
  for (const step of STEPS) step(context, given);
  return context;
}

function nameVideo(context: BeaconContext, { draft }: Given): void {
  context.title = draft.context.title;
  context.live = draft.context.live;
  // A live stream has no duration, whatever the player says.
  context.durationMs = draft.context.live === 1 ? -1 : draft.context.durationMs;
  context.playerName = draft.context.playerName;
  context.playerVersion = draft.context.playerVersion;
  context.meta = draft.context.meta;
}

function placeViewer(context: BeaconContext, { lookups, address }: Given): void {
  const place = address === '' ? NO_PLACE : lookups.place(address);
  context.country = place.country;
  context.region = place.region;
}

function classifyClient(context: BeaconContext, { draft, lookups, userAgent }: Given): void {
  const client = userAgent === '' ? NO_CLIENT : lookups.client(userAgent);
  context.browser = browserNamed(draft.context.browser) || client.browser;
  context.platform = platformNamed(draft.context.platform) || client.platform;
  context.device = deviceNamed(draft.context.device) || client.device;
  context.bot = client.bot;
}

/** The page as the player names it, else the Referer header, else the Origin's host. */
function splitPage(context: BeaconContext, { draft, facts, lookups }: Given): void {
  const named = draft.context.page === '' ? NO_PAGE : lookups.page(draft.context.page);
  if (named.host !== '') {
    context.pageHost = named.host;
    context.pagePath = named.path;
    takeCampaign(context, named);
    return;
  }
  context.pagePath = textOf(draft.context.pagePath ?? '', PATH_BYTES_MAX);
  const header = facts.refererHeader || facts.originHeader;
  if (header === '' || header === 'null' || context.pagePath !== '') return;
  const seen = lookups.page(header);
  context.pageHost = seen.host;
  // Browsers cut the Referer of a cross-origin request to its origin: that '/' is no page.
  context.pagePath = seen.path === '/' ? '' : seen.path;
  takeCampaign(context, seen);
}

function takeCampaign(context: BeaconContext, page: Page): void {
  context.source = page.source;
  context.medium = page.medium;
  context.campaign = page.campaign;
}

/** The referrer speaks where no campaign parameter did. */
function findSource(context: BeaconContext, { draft, lookups }: Given): void {
  if (draft.context.referrer === '') return;
  const referrer = lookups.referrer(draft.context.referrer, context.pageHost);
  context.referrerHost = referrer.host;
  if (context.source !== '' || context.medium !== '' || context.campaign !== '') return;
  context.source = referrer.source;
  context.medium = referrer.medium;
}

/** Protocols with rules of their own for traffic have applied them already. */
function takeTraffic(context: BeaconContext, { draft }: Given): void {
  if (draft.context.traffic === undefined) return;
  context.source = draft.context.traffic.source;
  context.medium = draft.context.traffic.medium;
  context.campaign = draft.context.traffic.campaign;
}

function keyViewer(context: BeaconContext, { draft, facts, lookups, address, userAgent }: Given): void {
  if (!facts.viewerKeys) return;
  context.viewer = lookups.viewer({ site: facts.site, person: draft.context.person, address, userAgent }, facts.receivedAt);
}

/** A reject keeps what was sent; should that repeat the request's address or user agent, they are taken out. */
function withoutRequest(payload: string, { address, userAgent, facts }: Given): string {
  let clean = payload;
  for (const secret of [address, userAgent, facts.address, facts.userAgent]) {
    if (secret.length >= 7) clean = clean.replaceAll(secret, '[removed]');
  }
  return clean;
}
