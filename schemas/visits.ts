// What a hit of a measurement protocol tells the fold beside its event, and how a visit is named. The gateway stamps, since only it knows
// the site's time zone and the traffic source; the fold cuts visits by the stamps alone, so that a replay cuts them alike. Source: protocols.md 8.3.
import type { BeaconEvent, Protocol } from './beacon.ts';

/** page = may begin another visit; event = never splits one; session = the client names its sessions itself, nothing splits them. */
export const HIT_KINDS = ['page', 'event', 'session'] as const;
export type HitKind = (typeof HIT_KINDS)[number];

export type VisitStamp = {
  /** Calendar date of the hit in the site's time zone, `YYYY-MM-DD`. */
  day: string;
  kind: HitKind;
  /** What the hit says of its visit: `start` a new one, `end` close it, '' = nothing. */
  order: 'start' | 'end' | '';
  /** false: the hit counts but does not lengthen its visit. */
  interactive: boolean;
  /** Digest of the traffic source, '' = direct. */
  source: string;
  /** Tells hits apart that say the same at the same instant; copies of one record keep it. */
  nonce: string;
};

/** A stamp as text: it travels in the detail's `code` of custom events and in its `name` of all others, where neither has another meaning. */
export const visitStampText = ({ day, kind, order, interactive, source, nonce }: VisitStamp): string =>
  [day, kind, order, interactive ? '' : 'ni', source, nonce].join('/');

const STAMP = /^(\d{4}-\d{2}-\d{2})\/(page|event|session)\/(start|end|)\/(ni|)\/([A-Za-z0-9_-]{0,32})\/([A-Za-z0-9_.-]{0,32})$/;

/** Doors that stamp their hits. What looks like a stamp at any other door is text of a stranger. */
export const STAMPED_PROTOCOLS: readonly Protocol[] = ['ga', 'ga4'];

/** The stamp of an event, undefined for the events of all other protocols. */
export function visitStampOf(protocol: Protocol, { type, detail }: BeaconEvent): VisitStamp | undefined {
  if (!STAMPED_PROTOCOLS.includes(protocol)) return undefined;
  const text = type === 'custom' ? detail?.code : detail?.name;
  if (text === undefined || text === '') return undefined;
  const found = STAMP.exec(text);
  if (found === null) return undefined;
  const [, day = '', kind, order, silent, source = '', nonce = ''] = found;
  return { day, kind: kind as HitKind, order: order as VisitStamp['order'], interactive: silent === '', source, nonce };
}

/** Session id of a visit: that of its stream, and the instant under which the visit was opened (epoch ms, unique in the stream). */
export const visitSession = (stream: string, visitId: number): string => `${stream}-${visitId.toString(36)}`;

const VISIT_SESSION = /^([A-Za-z0-9_-]{22})-[0-9a-z]{1,11}$/;

/** Session id of the stream a visit's events are logged under; undefined for what cannot be a visit. */
export const streamOfVisit = (session: string): string | undefined => VISIT_SESSION.exec(session)?.[1];
