// Which user agents belong to programs rather than people, by the isbot list. A bot's sessions are kept and marked.
import { isbot } from 'isbot';

/** True for crawlers, monitors and HTTP libraries. The list also takes some TVs for bots: ask for the device first. */
export function isBot(userAgent: string): boolean {
  return isbot(userAgent);
}
