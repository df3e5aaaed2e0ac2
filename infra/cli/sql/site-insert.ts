// Makes a site unless it exists.
import type { Statement } from '../../runtime/ports.ts';

export const siteInsert: Statement<[site: string, timezone: string], { site: string }> = {
  name: 'cli-site-insert',
  text: 'INSERT INTO sites (site, timezone) VALUES ($1, $2) ON CONFLICT (site) DO NOTHING RETURNING site',
};
