// Fingerprint of the settings that results depend on, stored with progress and snapshots (D26).
import { createHash } from 'node:crypto';
import type { FoldSettings } from './core/settings.ts';

/** SHA-256 of the fold settings in key order, and of the partition count. */
export function configHashOf(settings: FoldSettings, partitions: number): Buffer {
  const entries = Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([partitions, entries]))
    .digest();
}
