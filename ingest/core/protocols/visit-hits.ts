// Hits of measurement protocols → drafts: one for the hit, which becomes an event of its visit, and one for what it says of playback.
import { type BeaconEvent, UNKNOWN_DETAIL } from '../../../schemas/beacon.ts';
import { type VisitStamp, visitStampText } from '../../../schemas/visits.ts';
import { type Draft, type DraftContext, NO_DRAFT_CONTEXT } from '../draft.ts';
import { readMeta } from '../meta.ts';
import { cleanJson } from '../text.ts';
import type { CustomValues } from './ga.ts';
import type { Playback } from './ga-playback.ts';
import type { Traffic } from './ga-traffic.ts';

/** What a site has defined about a custom value, by `cd1` or `cm1`; not defined = kept on the hit. */
export type Definitions = ReadonlyMap<string, { scope: 'hit' | 'session'; active: boolean }>;

/** Everything about a hit that the door has found out. */
export type VisitHit = {
  protocol: 'ga' | 'ga4';
  /** Place in the request. */
  index: number;
  /** Key of the visitor for the day. */
  session: string;
  receivedAt: number;
  /** When it happened, epoch ms. */
  at: number;
  stamp: VisitStamp;
  name: string;
  data: Readonly<Record<string, unknown>>;
  page: string;
  pagePath: string;
  referrer: string;
  traffic: Traffic;
  /** Values of the visit, to be kept as its metadata. */
  meta: Readonly<Record<string, unknown>>;
  person: string;
  /** Client's address and user agent where a trusted sender reports them; '' = those of the request. */
  address: string;
  userAgent: string;
  ignoredFields: number;
};

/** Parts custom values by scope: what a site does not want is dropped, values of the session go into its metadata. */
export function splitByScope(values: CustomValues, definitions: Definitions) {
  const onHit: { cd: Record<string, string>; cm: Record<string, number> } = { cd: {}, cm: {} };
  const onSession: Record<string, string | number> = {};
  let dropped = 0;
  for (const kind of ['cd', 'cm'] as const) {
    for (const [index, value] of Object.entries(values[kind])) {
      const definition = definitions.get(`${kind}${index}`);
      if (definition?.active === false) dropped++;
      else if (definition?.scope === 'session') onSession[`${kind}${index}`] = value;
      else (onHit[kind] as Record<string, string | number>)[index] = value;
    }
  }
  return { onHit, onSession, dropped };
}

function contextOf(hit: VisitHit, meta: string): DraftContext {
  const { page, pagePath, referrer, traffic, person, address, userAgent } = hit;
  const { source, medium, campaign } = traffic;
  return { ...NO_DRAFT_CONTEXT, page, pagePath, referrer, traffic: { source, medium, campaign }, person, address, userAgent, meta };
}

const draftOf = (hit: VisitHit, video: string, event: BeaconEvent, meta = ''): Draft => ({
  index: hit.index,
  protocol: hit.protocol,
  session: hit.session,
  video,
  sentAt: -1,
  baseAt: hit.at,
  context: contextOf(hit, meta),
  events: [event],
  rejects: [],
  ignoredFields: 0,
  key: '',
});

/** The hit as an event of its visit. */
export function hitDraft(hit: VisitHit): Draft {
  const meta = readMeta(hit.meta);
  const detail = { ...UNKNOWN_DETAIL, code: visitStampText(hit.stamp), name: hit.name, text: JSON.stringify(cleanJson(hit.data)) };
  const event: BeaconEvent = { type: 'custom', seq: -1, at: 0, positionMs: -1, detail };
  return { ...draftOf(hit, '', event, meta.text), ignoredFields: hit.ignoredFields + meta.dropped };
}

/** What the hit says of playback: it belongs to the session of that video within the visit. */
export function videoDraft(hit: VisitHit, playback: Playback, media: { title: string; durationMs: number }): Draft {
  const stamp = visitStampText({ ...hit.stamp, kind: hit.stamp.kind === 'page' ? 'event' : hit.stamp.kind, order: '' });
  const detail = { ...UNKNOWN_DETAIL, name: stamp };
  const draft = draftOf(hit, playback.video, { type: playback.type, seq: -1, at: 0, positionMs: playback.positionMs, detail });
  return { ...draft, context: { ...draft.context, title: media.title, durationMs: media.durationMs } };
}

/**
 * One draft for neighbours that say the same of everything but their events: one record for most of a batch, in the same order. An event keeps
 * its own time.
 */
export function joinDrafts(drafts: readonly Draft[]): Draft[] {
  const joined: Draft[] = [];
  for (const draft of drafts) {
    const last = joined.at(-1);
    if (last === undefined || !isSameBut(last, draft)) joined.push({ ...draft, events: [...draft.events] });
    else {
      last.events.push(...draft.events.map((event) => ({ ...event, at: event.at + draft.baseAt - last.baseAt })));
      last.ignoredFields += draft.ignoredFields;
    }
  }
  return joined;
}

function isSameBut(a: Draft, b: Draft): boolean {
  if (a.session === '' || a.session !== b.session || a.video !== b.video || a.protocol !== b.protocol) return false;
  if (a.baseAt < 0 || b.baseAt < 0 || a.rejects.length + b.rejects.length > 0) return false;
  return isSameContext(a.context, b.context);
}

/** Contexts of hits have the same fields. */
function isSameContext(a: DraftContext, b: DraftContext): boolean {
  const { traffic, ...rest } = a;
  for (const field of ['source', 'medium', 'campaign'] as const) if (traffic?.[field] !== b.traffic?.[field]) return false;
  for (const field in rest) if (rest[field as keyof typeof rest] !== b[field as keyof typeof rest]) return false;
  return true;
}
