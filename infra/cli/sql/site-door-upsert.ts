// Changes what a site wants of a door: given settings replace those of the same name, null takes one away.
import type { Statement } from '../../runtime/ports.ts';

export const siteDoorUpsert: Statement<[site: string, protocol: string, settings: string], { settings: Record<string, unknown> }> = {
  name: 'cli-site-door-upsert',
  text: `INSERT INTO site_doors (site, protocol, settings) VALUES ($1, $2, jsonb_strip_nulls($3::jsonb))
ON CONFLICT (site, protocol) DO UPDATE SET settings = jsonb_strip_nulls(site_doors.settings || $3::jsonb)
RETURNING settings`,
};
