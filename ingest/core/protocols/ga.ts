// Measurement protocol, version 1 → hits: one form or query a hit, short names, everything text. Unknown parameters are left alone: pages
// send unencoded labels whose tails look like parameters.

import type { Refusal } from '../draft.ts';
import { FORM_NAME_BYTES_MAX, type Form } from '../form.ts';
import { DATA_BYTES_MAX, TITLE_BYTES_MAX, URL_BYTES_MAX } from '../limits.ts';
import { bytesOf, textOf } from '../text.ts';
import { numberOf } from '../values.ts';

/** A hit longer than this as sent is refused, bytes; a batch holds this many hits and bytes. */
export const HIT_BYTES_MAX = 8 * 1024;
export const BATCH_HITS_MAX = 20;
export const BATCH_BYTES_MAX = 16 * 1024;
/** How long a hit may have waited in its client, ms. */
export const QUEUE_TIME_MAX_MS = 4 * 3_600_000;
const CLIENT_CHARACTERS_MAX = 64;
/** Custom dimensions and metrics are numbered from 1. */
export const CUSTOM_INDEX_MAX = 199;
/** A value of a hit, bytes, and all that is kept of one as JSON. */
const VALUE_BYTES_MAX = DATA_BYTES_MAX;
const NAMES_MAX = 400;

export const HIT_TYPES = ['pageview', 'event', 'screenview', 'transaction', 'item', 'social', 'exception', 'timing'] as const;
export type HitType = (typeof HIT_TYPES)[number];

/** A hit as sent: cleaned texts by their short names. */
export type Hit = {
  type: HitType;
  fields: Readonly<Record<string, string>>;
  trackingId: string;
  /** Client id, else user id. */
  person: string;
  /** URL of the page, '' = not said. */
  page: string;
  /** Path of the page where the hit names no host. */
  pagePath: string;
  /** How long the hit waited, ms; -1 = longer than is believed. */
  queueMs: number;
};

export type ReadHit = { ok: true; hit: Hit } | { ok: false; trackingId: string; refusal: Refusal };

const refusal = (parameter: string, reason: Refusal['reason'], detail: string): Refusal => ({ pointer: `/${parameter}`, reason, detail });

/** What Webalytic's own script (`ds=sdk`) sends for everything that a page did not say of an event. */
const UNSAID = 'undefined';
const EVENT_NAMES: ReadonlySet<string> = new Set(['ec', 'ea', 'el', 'ev']);

function withoutUnsaid(fields: Form['fields']): Form['fields'] {
  if (fields['ds'] !== 'sdk') return fields;
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => value !== UNSAID || !EVENT_NAMES.has(name)));
}

/** Reads one hit. Never throws. */
export function readHit(form: Pick<Form, 'fields'>): ReadHit {
  const fields = withoutUnsaid(form.fields);
  const clean = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, textOf(value, VALUE_BYTES_MAX)]));
  const said = (name: string): string => clean[name] ?? '';
  const trackingId = textOf(fields['tid'] ?? '', FORM_NAME_BYTES_MAX);
  const refuse = (...what: Parameters<typeof refusal>): ReadHit => ({ ok: false, trackingId, refusal: refusal(...what) });
  const type = said('t');
  if (type === '') return refuse('t', 'missing_field', 'a hit needs a type');
  if (!HIT_TYPES.includes(type as HitType)) return refuse('t', 'unknown_type', `must be one of ${HIT_TYPES.join(', ')}`);
  const person = said('cid') || said('uid');
  if (person === '') return refuse('cid', 'missing_field', 'a hit needs a client id or a user id');
  if (person.length > CLIENT_CHARACTERS_MAX) return refuse('cid', 'too_long', `must be at most ${CLIENT_CHARACTERS_MAX} characters`);
  if (type === 'event' && said('ec') === '') return refuse('ec', 'missing_field', 'an event needs a category');
  if (type === 'event' && said('ea') === '') return refuse('ea', 'missing_field', 'an event needs an action');
  const waited = said('qt') === '' ? 0 : numberOf(said('qt'));
  const queueMs = waited >= 0 ? (waited <= QUEUE_TIME_MAX_MS ? Math.round(waited) : -1) : 0;
  return { ok: true, hit: { type: type as HitType, fields: clean, trackingId, person, queueMs, ...pageOfHit(fields) } };
}

/** `dl` is a URL; `dh` and `dp` are its host and path; a path alone is all that servers tend to send. */
function pageOfHit(fields: Readonly<Record<string, string>>): { page: string; pagePath: string } {
  const [location, host, path] = ['dl', 'dh', 'dp'].map((name) => textOf(fields[name] ?? '', URL_BYTES_MAX)) as [string, string, string];
  if (location !== '' && URL.canParse(location)) return { page: location, pagePath: '' };
  const from = path.startsWith('/') || path === '' ? path : `/${path}`;
  if (host !== '' && URL.canParse(`https://${host}${from}`)) return { page: `https://${host}${from}`, pagePath: '' };
  return { page: '', pagePath: (from || location).split(/[?#]/)[0] as string };
}

/** Parameters kept on the hit under plainer names; numbers become numbers. */
const TEXT_NAMES: Readonly<Record<string, string>> = {
  ec: 'category',
  ea: 'action',
  el: 'label',
  cd: 'screen',
  an: 'app',
  av: 'appVersion',
  sn: 'network',
  sa: 'action',
  st: 'target',
  exd: 'description',
  utc: 'category',
  utv: 'variable',
  utl: 'label',
  ti: 'transaction',
  ta: 'affiliation',
  in: 'item',
  ic: 'itemCode',
  iv: 'itemCategory',
  cu: 'currency',
  pa: 'productAction',
};
const NUMBER_NAMES: Readonly<Record<string, string>> = {
  ev: 'value',
  tr: 'revenue',
  ts: 'shipping',
  tt: 'tax',
  ip: 'price',
  iq: 'quantity',
  utt: 'time',
  exf: 'fatal',
};
const PRODUCT = /^pr(\d{1,3})(id|nm|br|ca|va|pr|qt|cc)$/;
const PRODUCT_NAMES: Readonly<Record<string, string>> = {
  id: 'id',
  nm: 'name',
  br: 'brand',
  ca: 'category',
  va: 'variant',
  pr: 'price',
  qt: 'quantity',
  cc: 'coupon',
};

/** Custom values of a hit by index, as text. */
export type CustomValues = { cd: Record<string, string>; cm: Record<string, number> };

/** Reads cd1..cd199 and cm1..cm199; a metric that is no number is left out and counted. `macro` replaces a whole value. */
export function customValues(hit: Hit, macro: (value: string) => string): { values: CustomValues; dropped: number } {
  const values: CustomValues = { cd: {}, cm: {} };
  let dropped = 0;
  for (const [name, given] of Object.entries(hit.fields)) {
    const found = /^c([dm])([1-9]\d{0,2})$/.exec(name);
    if (found === null) continue;
    const [, kind, index = ''] = found;
    const value = macro(given);
    const number = numberOf(value);
    if (Number(index) > CUSTOM_INDEX_MAX || (kind === 'm' && Number.isNaN(number))) dropped++;
    else if (kind === 'd') values.cd[index] = value;
    else values.cm[index] = number;
  }
  return { values, dropped };
}

/** What is kept of a hit under plain names, beside page, source and custom values. */
export function hitData(hit: Hit): Record<string, unknown> {
  const data: Record<string, unknown> = {};
  const products: Record<string, Record<string, unknown>> = {};
  for (const [name, value] of Object.entries(hit.fields).slice(0, NAMES_MAX)) {
    if (value === '') continue;
    const text = TEXT_NAMES[name];
    const number = NUMBER_NAMES[name];
    const product = PRODUCT.exec(name);
    if (text !== undefined) data[text] ??= value;
    else if (number !== undefined) putNumber(data, number, value);
    else if (product !== null) putProduct(products, product, value);
  }
  if (hit.fields['dt'] !== undefined && hit.fields['dt'] !== '') data['title'] = textOf(hit.fields['dt'], TITLE_BYTES_MAX);
  if (Object.keys(products).length > 0) data['products'] = Object.values(products);
  return data;
}

function putNumber(data: Record<string, unknown>, name: string, value: string): void {
  const number = numberOf(value);
  if (!Number.isNaN(number)) data[name] = number;
}

function putProduct(products: Record<string, Record<string, unknown>>, found: RegExpExecArray, value: string): void {
  const [, index = '', field = ''] = found;
  const product = products[index] ?? {};
  products[index] = product;
  const name = PRODUCT_NAMES[field] as string;
  if (field === 'pr' || field === 'qt') putNumber(product, name, value);
  else product[name] = value;
}

/** What a hit says of the screen and the language, as metadata of the visit. */
export function screenMeta({ fields }: Hit): Record<string, string> {
  const known = { screen: fields['sr'], viewport: fields['vp'], language: fields['ul'], encoding: fields['de'], colors: fields['sd'] };
  return Object.fromEntries(Object.entries(known).filter((entry): entry is [string, string] => (entry[1] ?? '') !== ''));
}

/** The lines of a batch, cut at the limits of it: what is beyond them is named by its place. */
export function batchLines(text: string): { lines: { text: string; index: number }[]; excess: { text: string; index: number }[] } {
  const lines: { text: string; index: number }[] = [];
  const excess: { text: string; index: number }[] = [];
  let bytes = 0;
  text.split('\n').forEach((raw, index) => {
    const line = { text: raw.replace(/\r$/, ''), index };
    if (line.text === '') return;
    const size = bytesOf(line.text) + 1;
    if (lines.length >= BATCH_HITS_MAX || bytes + size > BATCH_BYTES_MAX + 1) {
      excess.push(line);
      return;
    }
    bytes += size;
    lines.push(line);
  });
  return { lines, excess };
}
