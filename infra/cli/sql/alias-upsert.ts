// Ties a foreign identifier to a site, or moves it to another.
import type { Statement } from '../../runtime/ports.ts';

export const aliasUpsert: Statement<[protocol: string, foreignId: string, site: string, settings: string], { moved_from: string | null }> =
  {
    name: 'cli-alias-upsert',
    text: `WITH before AS (SELECT site FROM site_aliases WHERE protocol = $1 AND foreign_id = $2)
INSERT INTO site_aliases (protocol, foreign_id, site, settings) VALUES ($1, $2, $3, $4::jsonb)
ON CONFLICT (protocol, foreign_id) DO UPDATE SET site = excluded.site, settings = excluded.settings
RETURNING (SELECT site FROM before) AS moved_from`,
  };
