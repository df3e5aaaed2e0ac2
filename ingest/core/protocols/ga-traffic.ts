// Where a hit came from, by the rules of measurement protocols (protocols.md 8.3): campaign fields, else utm parameters of the page, else the
// referrer, else direct.
import { urlOf } from '../campaign.ts';
import { PATH_BYTES_MAX, TRAFFIC_BYTES_MAX } from '../limits.ts';
import type { Referrer } from '../referrer.ts';
import { textOf } from '../text.ts';
import type { Hit } from './ga.ts';

/** A traffic source; all fields '' = direct. `path`: of the page that referred, where that is no search engine. */
export type Traffic = { source: string; medium: string; campaign: string; keyword: string; content: string; id: string; path: string };
export const DIRECT: Readonly<Traffic> = Object.freeze({
  source: '',
  medium: '',
  campaign: '',
  keyword: '',
  content: '',
  id: '',
  path: '',
});

/** Parameters in which search engines tell what was searched for. */
const KEYWORD_PARAMETERS = ['q', 'p', 'query', 'text', 'wd', 'word'];
const NOT_PROVIDED = 'not provided';

const cut = (text: string | null | undefined): string => textOf(text ?? '', TRAFFIC_BYTES_MAX);

/** `referrerOf` classifies a referrer against the page's host. */
export function trafficOf(hit: Pick<Hit, 'fields' | 'page'>, referrerOf: (url: string, pageHost: string) => Referrer): Traffic {
  const { fields } = hit;
  if (cut(fields['cs']) !== '') {
    const [source, medium, campaign, keyword, content, id] = ['cs', 'cm', 'cn', 'ck', 'cc', 'ci'].map((name) => cut(fields[name]));
    return { ...DIRECT, source, medium, campaign, keyword, content, id } as Traffic;
  }
  const page = urlOf(hit.page);
  const utm = (name: string): string => cut(page?.searchParams.get(`utm_${name}`));
  if (utm('source') !== '') {
    const keyword = utm('term') || utm('keyword');
    return { ...DIRECT, source: utm('source'), medium: utm('medium'), campaign: utm('campaign'), keyword, content: utm('content') };
  }
  return ofReferrer(fields['dr'] ?? '', page?.hostname ?? '', referrerOf);
}

function ofReferrer(url: string, pageHost: string, referrerOf: (url: string, pageHost: string) => Referrer): Traffic {
  const from = urlOf(url);
  if (from === undefined) return DIRECT;
  const referrer = referrerOf(url, pageHost);
  if (referrer.source === '') return DIRECT;
  if (referrer.medium === 'search') {
    const keyword = KEYWORD_PARAMETERS.map((name) => cut(from.searchParams.get(name))).find((text) => text !== '');
    return { ...DIRECT, source: referrer.source, medium: 'organic', keyword: keyword ?? NOT_PROVIDED };
  }
  return { ...DIRECT, source: cut(referrer.host.replace(/^www\./, '')), medium: 'referral', path: textOf(from.pathname, PATH_BYTES_MAX) };
}

/** A traffic source as text, '' for direct: equal sources, equal text. */
export const trafficText = ({ source, medium, campaign, keyword, content, id }: Traffic): string =>
  source === '' ? '' : JSON.stringify([source, medium, campaign, keyword, content, id]);
