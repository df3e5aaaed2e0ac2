// Unties a foreign identifier.
import type { Statement } from '../../runtime/ports.ts';

export const aliasDelete: Statement<[protocol: string, foreignId: string], { site: string }> = {
  name: 'cli-alias-delete',
  text: 'DELETE FROM site_aliases WHERE protocol = $1 AND foreign_id = $2 RETURNING site',
};
