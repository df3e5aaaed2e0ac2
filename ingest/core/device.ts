// User agent → browser, platform and device class, by ua-parser-js 1.x. Names are folded so that one product has one name.
import UAParser from 'ua-parser-js';
import { isBot } from './bot.ts';
import { USER_AGENT_BYTES_MAX } from './limits.ts';
import { textOf } from './text.ts';

/** desktop, mobile, tablet, tv, console, wearable, embedded; '' = unknown. */
export type Device = 'desktop' | 'mobile' | 'tablet' | 'tv' | 'console' | 'wearable' | 'embedded' | '';

/** What a user agent string says; '' = unknown. The string itself goes no further. */
export type Client = { browser: string; platform: string; device: Device; bot: boolean };
export const NO_CLIENT: Readonly<Client> = Object.freeze({ browser: '', platform: '', device: '', bot: false });

const DEVICES: Readonly<Record<string, Device>> = {
  mobile: 'mobile',
  tablet: 'tablet',
  smarttv: 'tv',
  console: 'console',
  wearable: 'wearable',
  embedded: 'embedded',
};
const BROWSERS: Readonly<Record<string, string>> = {
  'Mobile Safari': 'Safari',
  'Mobile Chrome': 'Chrome',
  'Mobile Firefox': 'Firefox',
  'Chrome Headless': 'Chrome',
  'Chrome WebView': 'Chrome WebView',
  'Opera Mobi': 'Opera',
  'Opera Touch': 'Opera',
};
const PLATFORMS: Readonly<Record<string, string>> = { 'Mac OS': 'macOS', 'Chromium OS': 'ChromeOS', Tizen: 'Tizen' };
const DESKTOP: ReadonlySet<string> = new Set([
  'Windows',
  'macOS',
  'ChromeOS',
  'Linux',
  'Ubuntu',
  'Debian',
  'Fedora',
  'FreeBSD',
  'OpenBSD',
  'NetBSD',
]);

/** Classifies a user agent. TVs come first: the bot list takes some of them for bots. Never throws; pure, so cache it by string. */
export function clientOf(userAgent: string): Client {
  const agent = textOf(userAgent, USER_AGENT_BYTES_MAX);
  if (agent === '') return NO_CLIENT;
  const parsed = new UAParser(agent).getResult();
  const platform = nameOf(parsed.os.name, PLATFORMS);
  const kind = DEVICES[parsed.device.type ?? ''] ?? (DESKTOP.has(platform) ? 'desktop' : '');
  return {
    browser: nameOf(parsed.browser.name, BROWSERS),
    platform,
    device: kind,
    bot: kind !== 'tv' && kind !== 'console' && isBot(agent),
  };
}

function nameOf(name: string | undefined, folded: Readonly<Record<string, string>>): string {
  if (name === undefined) return '';
  return folded[name] ?? textOf(name, 64);
}

/** A browser as a player names it, in our words; '' stays ''. */
export const browserNamed = (name: string): string => (name === '' ? '' : nameOf(name, BROWSERS));

/** An operating system as a player names it, in our words. */
export const platformNamed = (name: string): string => (name === '' ? '' : nameOf(name, PLATFORMS));

/** A device class as a player names it, in our words; classes we do not know stay as they are. */
export const deviceNamed = (name: string): string => DEVICES[name] ?? textOf(name, 64);
