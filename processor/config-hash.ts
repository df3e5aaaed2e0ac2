// Fingerprint of the settings that results depend on, stored with progress and snapshots (D26).
import { createHash } from 'node:crypto';
import { VIEW_RULE_DEFAULT, type ViewRule } from '../schemas/views.ts';
import type { FoldSettings } from './core/settings.ts';

/** SHA-256 of the fold settings, at every level in key order and without what is not set, of the partition count and of what counts as a view. */
export function configHashOf(settings: FoldSettings, partitions: number, viewRule: ViewRule = VIEW_RULE_DEFAULT): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([partitions, inOrder(settings), inOrder(viewRule)]))
    .digest();
}

function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined && !isEmpty(inner));
  return entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, inner]) => [name, inOrder(inner)]);
}

const isEmpty = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.keys(value).length === 0;
