// Page URLs split in host and path; the campaign parameters are read first, then query and fragment are dropped.
import { HOST_BYTES_MAX, PATH_BYTES_MAX, TRAFFIC_BYTES_MAX } from './limits.ts';
import { textOf } from './text.ts';

/** Host and path of a page, and its utm parameters; '' = not there. */
export type Page = { host: string; path: string; source: string; medium: string; campaign: string };
export const NO_PAGE: Readonly<Page> = Object.freeze({ host: '', path: '', source: '', medium: '', campaign: '' });

/** Splits a page URL (http, https or an app's own scheme). Anything that is no URL gives NO_PAGE. Never throws. */
export function pageOf(url: string): Page {
  const parsed = urlOf(url);
  if (parsed === undefined) return NO_PAGE;
  const utm = (name: string): string => textOf(parsed.searchParams.get(name) ?? '', TRAFFIC_BYTES_MAX);
  return {
    host: textOf(parsed.hostname, HOST_BYTES_MAX),
    path: textOf(parsed.pathname, PATH_BYTES_MAX),
    source: utm('utm_source'),
    medium: utm('utm_medium'),
    campaign: utm('utm_campaign'),
  };
}

/** A URL with a host, undefined for anything else (javascript:, data:, garbage). */
export function urlOf(url: string): URL | undefined {
  if (url === '' || !URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  return parsed.hostname === '' ? undefined : parsed;
}
