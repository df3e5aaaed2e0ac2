// The viewer key: who is likely the same viewer, for one site and one UTC day, and nothing that could be turned back. It exists
// only where a site switched it on, and cannot be made again once the day's salt is destroyed.

const DAY_MS = 86_400_000;

/** UTC day of an instant as a whole number of days since 1970. */
export function dayOf(instantMs: number): number {
  return Math.floor(instantMs / DAY_MS);
}

/** A day as PostgreSQL writes it, 'YYYY-MM-DD'. */
export function dayText(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** What a viewer key is made from: the protocol's own id of the person where there is one, else address and user agent. */
export type ViewerParts = { site: string; person: string; address: string; userAgent: string };

/** The text to be hashed with the day's salt, '' if there is nothing to tell viewers apart by. Lengths keep the parts apart. */
export function viewerText(parts: ViewerParts): string {
  if (parts.person === '' && parts.address === '') return '';
  const told = parts.person === '' ? ['network', parts.site, parts.address, parts.userAgent] : ['person', parts.site, parts.person];
  return told.map((part) => `${part.length}:${part}`).join('');
}
