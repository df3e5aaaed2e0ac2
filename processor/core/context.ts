// A session's context: later beacons refine what earlier ones said, in folded order, and never blank it.
import type { BeaconContext } from '../../schemas/beacon.ts';
import type { SessionContext } from '../../schemas/session.ts';
import { type SharedTexts, shared } from './texts.ts';

const TEXT_FIELDS = [
  'title',
  'pageHost',
  'pagePath',
  'referrerHost',
  'source',
  'medium',
  'campaign',
  'country',
  'region',
  'browser',
  'platform',
  'device',
  'playerName',
  'playerVersion',
  'viewer',
] as const;

export type RefineOptions = { metaKeysMax: number; texts: SharedTexts };

/** Where a visit came from: said by the hit that opens it, all of it or nothing. */
const TRAFFIC_FIELDS = ['source', 'medium', 'campaign', 'referrerHost'] as const;
const isTraffic = (field: string): boolean => (TRAFFIC_FIELDS as readonly string[]).includes(field);

/** What is played during a visit came from where the visit came from. */
export function inheritTraffic(context: SessionContext, visit: SessionContext): void {
  for (const field of TRAFFIC_FIELDS) context[field] = visit[field];
}

/** The fields whose texts many sessions share. */
const isShared = (field: (typeof TEXT_FIELDS)[number]): boolean => field !== 'viewer';

/** Takes a text over from a beacon. */
function takeText(context: SessionContext, field: (typeof TEXT_FIELDS)[number], text: string, texts: SharedTexts): void {
  if (context[field] !== text) context[field] = isShared(field) ? shared(texts, text) : text;
}

/** Applies a beacon's context: what it knows replaces what was there; metadata is merged by key. False = a metadata key found no room. */
export function refine(context: SessionContext, beacon: BeaconContext, { metaKeysMax, texts }: RefineOptions): boolean {
  for (const field of TEXT_FIELDS) if (beacon[field] !== '') takeText(context, field, beacon[field], texts);
  if (beacon.durationMs > 0) context.durationMs = beacon.durationMs;
  if (beacon.live >= 0) context.live = beacon.live;
  if (beacon.bot) context.bot = true;
  if (beacon.meta === '' || beacon.meta === context.meta) return true;
  const merged = mergeMeta(context.meta, beacon.meta, metaKeysMax);
  context.meta = merged.meta;
  return merged.complete;
}

/** Applies a context to a visit: what was known first stays, so that it tells how the visit began; metadata is merged by key. */
export function refineFirst(context: SessionContext, beacon: BeaconContext, options: RefineOptions & { opens: boolean }): boolean {
  for (const field of TEXT_FIELDS) {
    if (context[field] === '' && (options.opens || !isTraffic(field))) takeText(context, field, beacon[field], options.texts);
  }
  if (beacon.bot) context.bot = true;
  if (beacon.meta === '' || beacon.meta === context.meta) return true;
  const merged = mergeMeta(context.meta, beacon.meta, options.metaKeysMax, 'first');
  context.meta = merged.meta;
  return merged.complete;
}

/** The duration sections are cut to, ms; -1 = unknown. Live video has none. */
export const boundOf = (context: { durationMs: number; live: number }): number =>
  context.live === 1 || context.durationMs <= 0 ? -1 : context.durationMs;

/** Joins two JSON objects of scalars: the later value of a key wins, or the first; keys are sorted. Text that is no JSON object counts as none. */
export function mergeMeta(
  earlier: string,
  later: string,
  keysMax: number,
  wins: 'later' | 'first' = 'later',
): { meta: string; complete: boolean } {
  const merged = new Map<string, unknown>([...entriesOf(earlier)]);
  let complete = true;
  for (const [key, value] of entriesOf(later)) {
    if (wins === 'first' && merged.has(key)) continue;
    if (merged.has(key) || merged.size < keysMax) merged.set(key, value);
    else complete = false;
  }
  const keys = [...merged.keys()].sort((a, b) => (a < b ? -1 : 1));
  const meta = keys.length === 0 ? '' : `{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(merged.get(key))}`).join(',')}}`;
  return { meta, complete };
}

function entriesOf(text: string): [string, unknown][] {
  if (text === '') return [];
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    return Object.entries(value);
  } catch {
    return [];
  }
}
