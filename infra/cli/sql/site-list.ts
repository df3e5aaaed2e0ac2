// Every site with the number of its live keys.
import type { Statement } from '../../runtime/ports.ts';

export type SiteRow = { site: string; timezone: string; viewer_keys: boolean; keys: number };

export const siteList: Statement<[], SiteRow> = {
  name: 'cli-site-list',
  text: `SELECT s.site, s.timezone, s.viewer_keys, count(k.id) FILTER (WHERE k.revoked_at IS NULL) AS keys
FROM sites s LEFT JOIN keys k USING (site) GROUP BY s.site ORDER BY s.site`,
};
