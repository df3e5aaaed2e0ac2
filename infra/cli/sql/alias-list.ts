// Foreign identifiers of a site, or of all sites for ''; with them what sites want of doors (no identifier).
import type { Statement } from '../../runtime/ports.ts';

export type AliasRow = { site: string; protocol: string; foreign_id: string | null; settings: Record<string, unknown> };

export const aliasList: Statement<[site: string], AliasRow> = {
  name: 'cli-alias-list',
  text: `SELECT site, protocol, foreign_id, settings FROM site_aliases WHERE $1 IN ('', site)
UNION ALL SELECT site, protocol, NULL, settings FROM site_doors WHERE $1 IN ('', site)
ORDER BY site, protocol, foreign_id`,
};
