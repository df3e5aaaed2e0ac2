// Dimensions and filters: what a question may be narrowed or broken down by. Names of an allow-list only (Q3).

export const DIMENSIONS = [
  'video',
  'country',
  'region',
  'browser',
  'platform',
  'device',
  'source',
  'medium',
  'campaign',
  'page',
  'player',
  'protocol',
] as const;
/** A dimension with a column of its own. */
export type PlainDimension = (typeof DIMENSIONS)[number];
/** `traffic` is source, medium and campaign together: internal, for /v1/sources. */
export type Dimension =
  | { readonly kind: 'plain'; readonly name: PlainDimension }
  | { readonly kind: 'traffic' }
  | { readonly kind: 'meta'; readonly key: string };

/** Longest metadata key that can be asked for. */
export const META_KEY_CHARS_MAX = 64;
/** Longest value of a filter. */
export const FILTER_VALUE_CHARS_MAX = 512;

export type Filter = { readonly dimension: Dimension; readonly value: string; readonly negated: boolean };

/** `country`, `meta.plan` … → a dimension; undefined if it is none. */
export function parseDimension(text: string): Dimension | undefined {
  if ((DIMENSIONS as readonly string[]).includes(text)) return { kind: 'plain', name: text as PlainDimension };
  if (text.startsWith('meta.') && text.length > 5 && text.length - 5 <= META_KEY_CHARS_MAX) return { kind: 'meta', key: text.slice(5) };
  return undefined;
}

/** `dimension:value` or `!dimension:value`; the value may be empty (= unknown) and may hold colons. */
export function parseFilter(text: string): Filter | undefined {
  const negated = text.startsWith('!');
  const body = negated ? text.slice(1) : text;
  const colon = body.indexOf(':');
  if (colon < 1) return undefined;
  const dimension = parseDimension(body.slice(0, colon));
  const value = body.slice(colon + 1);
  if (dimension === undefined || value.length > FILTER_VALUE_CHARS_MAX || value.includes('\0')) return undefined;
  return { dimension, value, negated };
}

/** The name under which a dimension is asked for and reported. */
export function dimensionName(dimension: Dimension): string {
  if (dimension.kind === 'plain') return dimension.name;
  return dimension.kind === 'meta' ? `meta.${dimension.key}` : 'traffic';
}
