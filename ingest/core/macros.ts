// Whole-value macros of measurement protocols: what a page cannot know of its own request. None of them gives an address or a user agent.

/** What macros are replaced by. */
export type MacroFacts = {
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** ISO code of the country, '' = unknown. */
  country: string;
  /** Browser and the first number of its version. */
  browser: string;
  /** Addresses and the like, to be taken out of any header they turn up in. */
  secrets: readonly string[];
};

/** Headers that tell who sent a request, or that authorise it: there is no macro for them. */
const WITHHELD = /^(cookie|authorization|proxy-.*|forwarded|via|.*-ip|x-forwarded-.*|x-client.*|.*-connecting-.*|sec-websocket-.*)$/;
const HEADER_VALUE_CHARACTERS_MAX = 256;

/** May a value be a macro? Only then are there facts to be found out. */
export const isMacro = (value: string): boolean => value.startsWith('{') && value.endsWith('}');

/** A value, or what it stands for if it is a macro as a whole. An unknown header is empty. */
export function expandMacro(value: string, facts: MacroFacts): string {
  if (!isMacro(value)) return value;
  const name = value.slice(1, -1).toLowerCase();
  if (name === 'ip_address') return facts.country;
  if (name === 'user_agent' || name === 'h_user-agent') return facts.browser;
  if (!name.startsWith('h_')) return value;
  const header = name.slice(2);
  const found = WITHHELD.test(header) ? undefined : facts.headers[header];
  const text = (Array.isArray(found) ? found.join(', ') : (found ?? '')).slice(0, HEADER_VALUE_CHARACTERS_MAX);
  return facts.secrets.some((secret) => secret.length >= 7 && text.includes(secret)) ? '' : text;
}

/** Browser and first number of its version, as user agents write both. */
export function browserMajor(browser: string, userAgent: string): string {
  if (browser === '') return '';
  const token = { Safari: 'Version', 'Mobile Safari': 'Version', Edge: 'Edge?', Opera: 'OPR' }[browser] ?? browser.split(' ')[0];
  const major = new RegExp(`\\b${token}/(\\d{1,4})`, 'i').exec(userAgent)?.[1];
  return major === undefined ? browser : `${browser} ${major}`;
}
