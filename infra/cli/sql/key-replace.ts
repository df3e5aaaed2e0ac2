// Notes the successor of a key; the old one works until it is revoked.
import type { Statement } from '../../runtime/ports.ts';

export const keyReplace: Statement<[id: string, successor: string], { id: string }> = {
  name: 'cli-key-replace',
  text: 'UPDATE keys SET replaced_by = $2 WHERE id = $1 RETURNING id',
};
