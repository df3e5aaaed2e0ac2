// What the doors of measurement protocols share: whose visit it is, and the answer that says nothing.
import { timingSafeEqual } from 'node:crypto';
import type { Lookups } from '../core/admit.ts';
import type { DoorSettings } from '../sites.ts';
import type { Videos } from '../videos.ts';
import type { VisitSettings } from '../visit-settings.ts';
import type { DoorDeps, DoorReply, DoorRequest } from './door.ts';
import { failure } from './failure.ts';

export type VisitDoorDeps = DoorDeps & {
  lookups: Lookups;
  videos: Videos;
  visitSettings: VisitSettings;
  /** Our own script for pages, undefined = not built. */
  pageScript: string | undefined;
};

export const NO_CONTENT: DoorReply = { status: 204 };
const RETRY_SECONDS = 2;
const DIGEST_CHARACTERS = 12;

/** Nothing can be taken for now: without the day's salt there is no visitor key, and visits could not be told apart. */
export function overloaded(deps: Pick<DoorDeps, 'metrics'>): DoorReply {
  deps.metrics.beacons('dropped', 'not_ready', 1);
  const { status, headers } = failure('overloaded', 'not ready', RETRY_SECONDS);
  return { status, headers };
}

/** The record key of a visitor: a keyed hash under the salt of one day, so that no two days can be joined; '' without a salt. */
export function visitorKey(deps: Pick<VisitDoorDeps, 'lookups'>, site: string, parts: readonly string[], instantMs: number): string {
  const person = `visits ${parts.map((part) => `${part.length}:${part}`).join('')}`;
  return deps.lookups.viewer({ site, person, address: '', userAgent: '' }, instantMs);
}

/** A short digest of a text, '' for ''. */
export const digestOf = (deps: Pick<DoorDeps, 'hashId'>, text: string): string =>
  text === '' ? '' : deps.hashId(text).slice(0, DIGEST_CHARACTERS);

/** Does the request know the site's secret (door setting `secret`)? Only then may it speak for another address or user agent. */
export function isTrusted(request: DoorRequest, settings: DoorSettings): boolean {
  const { secret } = settings;
  const given = request.query.get('secret') ?? '';
  return typeof secret === 'string' && secret !== '' && sameText(secret, given);
}

/** Compares secrets in a time that does not tell where they differ. */
export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}
