// Ends a key; the first time counts.
import type { Statement } from '../../runtime/ports.ts';

export const keyRevoke: Statement<[id: string], { id: string }> = {
  name: 'cli-key-revoke',
  text: 'UPDATE keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING id',
};
