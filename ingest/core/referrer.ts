// Referrer → host, source and medium, by a public list of search engines, social networks and mail services (handed in as a
// table) and a small overlay for what the list lacks or calls otherwise.
import { urlOf } from './campaign.ts';
import { HOST_BYTES_MAX } from './limits.ts';
import { textOf } from './text.ts';

/** Host of the referrer and where visitors from there come from; source is the host itself where the list does not know it. */
export type Referrer = { host: string; source: string; medium: string };
export const NO_REFERRER: Readonly<Referrer> = Object.freeze({ host: '', source: '', medium: '' });

/** Known referrers by host, or by host and the beginning of the path. */
export type ReferrerTable = ReadonlyMap<string, { source: string; medium: string }>;

const OVERLAY: ReferrerTable = new Map([
  ['youtube.com', { source: 'YouTube', medium: 'social' }],
  ['youtu.be', { source: 'YouTube', medium: 'social' }],
  ['chatgpt.com', { source: 'ChatGPT', medium: 'assistant' }],
  ['chat.openai.com', { source: 'ChatGPT', medium: 'assistant' }],
  ['claude.ai', { source: 'Claude', medium: 'assistant' }],
  ['gemini.google.com', { source: 'Gemini', medium: 'assistant' }],
  ['copilot.microsoft.com', { source: 'Copilot', medium: 'assistant' }],
  ['perplexity.ai', { source: 'Perplexity', medium: 'assistant' }],
  ['chat.mistral.ai', { source: 'Mistral', medium: 'assistant' }],
  ['chat.deepseek.com', { source: 'DeepSeek', medium: 'assistant' }],
  ['t.co', { source: 'X', medium: 'social' }],
  ['x.com', { source: 'X', medium: 'social' }],
  ['twitter.com', { source: 'X', medium: 'social' }],
  ['discord.com', { source: 'Discord', medium: 'social' }],
  ['t.me', { source: 'Telegram', medium: 'social' }],
  ['web.telegram.org', { source: 'Telegram', medium: 'social' }],
  ['bsky.app', { source: 'Bluesky', medium: 'social' }],
  ['go.bsky.app', { source: 'Bluesky', medium: 'social' }],
  ['whatsapp.com', { source: 'WhatsApp', medium: 'social' }],
  ['twitch.tv', { source: 'Twitch', medium: 'social' }],
]);

/**
 * Classifies a referrer URL; one from the page's own host says nothing about a source. Medium is search, social, email, paid,
 * assistant, referral; '' = none. Never throws; pure, so cache it by string.
 */
export function referrerOf(url: string, pageHost: string, table: ReferrerTable): Referrer {
  const parsed = urlOf(url);
  if (parsed === undefined) return NO_REFERRER;
  const host = textOf(parsed.hostname, HOST_BYTES_MAX);
  if (host === '') return NO_REFERRER;
  const bare = withoutWww(host);
  if (bare === withoutWww(pageHost)) return { host, source: '', medium: '' };
  const known = lookUp(OVERLAY, bare, '') ?? lookUp(table, host, parsed.pathname) ?? lookUp(table, bare, parsed.pathname);
  if (known === undefined) return { host, source: bare, medium: 'referral' };
  return { host, source: known.source, medium: known.medium === 'unknown' ? 'referral' : known.medium };
}

const withoutWww = (host: string): string => host.replace(/^www\./, '');

/** Exact host with the longest known path first, then the host alone; parents of a host are not asked (blogs share domains). */
function lookUp(table: ReferrerTable, host: string, path: string): { source: string; medium: string } | undefined {
  const parts = path.split('/').slice(1, 4);
  for (let count = parts.length; count > 0; count--) {
    const key = `${host}/${parts.slice(0, count).join('/')}`;
    const known = table.get(key) ?? table.get(`${key}/`);
    if (known !== undefined) return known;
  }
  return table.get(host) ?? (host.startsWith('m.') ? table.get(host.slice(2)) : undefined);
}

/** Reads the list's JSON: `{ "www.google.com": { "source": "Google", "medium": "search" }, … }`. Anything else gives an empty table. */
export function referrerTableOf(list: unknown): ReferrerTable {
  const table = new Map<string, { source: string; medium: string }>();
  if (list === null || typeof list !== 'object') return table;
  for (const [key, entry] of Object.entries(list as Record<string, { source?: unknown; medium?: unknown }>)) {
    if (typeof entry?.source === 'string' && typeof entry.medium === 'string')
      table.set(key, { source: entry.source, medium: entry.medium });
  }
  return table;
}
