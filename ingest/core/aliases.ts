// Foreign identifiers that mean a site: how they are written in the alias table, so that what an operator types and what a client
// sends are the same text. Used by the gateway and by the command line.
import { PROTOCOLS, type Protocol } from '../../schemas/beacon.ts';
import { bytesOf, cleanText } from './text.ts';

/** What an alias can belong to: a door, or `host` for the host name that requests are sent to. */
export type AliasKind = Protocol | 'host';
export const ALIAS_KINDS: readonly AliasKind[] = ['host', ...PROTOCOLS.filter((protocol) => protocol !== 'unknown')];

/** Longest foreign identifier, bytes. */
export const FOREIGN_ID_BYTES_MAX = 256;

/** Kinds whose identifiers are compared without regard to case: host names, domains, UUIDs and measurement ids. */
const CASELESS: ReadonlySet<AliasKind> = new Set<AliasKind>(['host', 'plausible', 'umami', 'ga', 'ga4']);

/** An identifier as the table holds it; '' = it cannot be one. Host names lose their port. */
export function normaliseForeignId(kind: AliasKind, text: string): string {
  let id = cleanText(text).trim();
  if (CASELESS.has(kind)) id = id.toLowerCase();
  if (kind === 'host') id = id.replace(/:\d+$/, '').replace(/\.$/, '');
  return bytesOf(id) > FOREIGN_ID_BYTES_MAX ? '' : id;
}
