// Addresses: which one is the client's, what of it may be used, and what a place database says of it. A raw address lives only
// as long as its request; what leaves the gateway is a country and, with a city file, a region (G10).

/** Country (ISO 3166-1 alpha-2) and finest region (ISO 3166-2, or its name where the database has no code); '' = unknown. */
export type Place = { country: string; region: string };
export const NO_PLACE: Readonly<Place> = Object.freeze({ country: '', region: '' });

/** A place as a database has it: with the English name of its region, '' = unknown. */
export type FoundPlace = { place: Place; regionName: string };
const NOWHERE: Readonly<FoundPlace> = Object.freeze({ place: NO_PLACE, regionName: '' });

const REGION_NAME_CHARACTERS_MAX = 64;

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const MAPPED = /^::ffff:(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})$/i;

/** An address without port, brackets, zone and IPv4-mapping; '' if it is none. */
export function cleanAddress(text: string): string {
  let address = text.trim();
  if (address.startsWith('[')) address = address.slice(1, Math.max(1, address.indexOf(']')));
  else if (/^[\d.]+:\d+$/.test(address)) address = address.slice(0, address.indexOf(':'));
  const zone = address.indexOf('%');
  if (zone >= 0) address = address.slice(0, zone);
  const mapped = MAPPED.exec(address);
  if (mapped) address = mapped[1] as string;
  if (IPV4.test(address)) return address.split('.').every((part) => Number(part) <= 255) ? address : '';
  return groupsOf(address) === undefined ? '' : address.toLowerCase();
}

/** The eight groups of an IPv6 address, undefined if it is none. */
function groupsOf(address: string): number[] | undefined {
  if (!/^[0-9a-f:]{2,39}$/i.test(address) || !address.includes(':')) return undefined;
  const halves = address.split('::');
  if (halves.length > 2) return undefined;
  const parse = (half: string | undefined): string[] => (half === undefined || half === '' ? [] : half.split(':'));
  const head = parse(halves[0]);
  const tail = parse(halves[1]);
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const parts = [...head, ...Array<string>(halves.length === 1 ? 0 : missing).fill('0'), ...tail];
  return parts.every((part) => /^[0-9a-f]{1,4}$/i.test(part)) ? parts.map((part) => Number.parseInt(part, 16)) : undefined;
}

/**
 * The client's address behind `trustedHops` proxies of ours: counted from the right of X-Forwarded-For, since what stands
 * further left is whatever the client wrote. 0 hops: the socket's own. '' = unknown.
 */
export function clientAddress(options: { socketAddress: string; forwardedFor: string; trustedHops: number }): string {
  const own = cleanAddress(options.socketAddress);
  if (options.trustedHops <= 0 || options.forwardedFor === '') return own;
  const hops = options.forwardedFor.split(',');
  const chosen = hops[Math.max(0, hops.length - options.trustedHops)] ?? '';
  return cleanAddress(chosen) || own;
}

/** The network an address belongs to, for rate limits: /24 of IPv4, /48 of IPv6; 'unknown' for none. */
export function addressPrefix(address: string): string {
  if (address === '') return 'unknown';
  const dot = address.lastIndexOf('.');
  if (dot > 0) return address.slice(0, dot);
  const groups = groupsOf(address);
  return groups === undefined
    ? 'unknown'
    : groups
        .slice(0, 3)
        .map((group) => group.toString(16))
        .join(':');
}

/** Reads a record of an MMDB file: the flat form of the shipped country file, or MaxMind's nested form of a mounted one. */
export function placeOf(record: unknown): FoundPlace {
  if (record === null || typeof record !== 'object') return NOWHERE;
  const fields = record as { country_code?: unknown; country?: { iso_code?: unknown }; subdivisions?: unknown; state1?: unknown };
  const country = countryOf(fields.country_code) || countryOf(fields.country?.iso_code);
  if (country === '') return NOWHERE;
  const subdivisions = Array.isArray(fields.subdivisions) ? fields.subdivisions : [];
  // From the largest to the finest.
  for (const subdivision of [...subdivisions].reverse()) {
    const { iso_code: code, names } = (subdivision ?? {}) as { iso_code?: unknown; names?: { en?: unknown } };
    const regionName = nameOf(names?.en);
    if (typeof code === 'string' && /^[A-Za-z0-9]{1,3}$/.test(code))
      return { place: { country, region: `${country}-${code}` }, regionName };
    if (regionName !== '') return { place: { country, region: regionName }, regionName };
  }
  const region = nameOf(fields.state1);
  return { place: { country, region }, regionName: region };
}

const nameOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, REGION_NAME_CHARACTERS_MAX) : '');

const countryOf = (value: unknown): string => (typeof value === 'string' && /^[A-Z]{2}$/i.test(value) ? value.toUpperCase() : '');
