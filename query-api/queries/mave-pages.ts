// The pages on which sessions of an embed began, most sessions first.
import { type Bound, bound, paramList } from './bound.ts';
import { maveContexts, maveScope } from './mave-plays.ts';

export type MavePageRow = { path: string; sessions: number };

export const MAVE_PAGES_MAX = 20;

export function mavePages(place: { site: string; video: string }): Bound<MavePageRow> {
  const params = paramList();
  const where = maveScope(place, undefined, params);
  const text = `WITH ${maveContexts(where, ['page_host', 'page_path'])}
SELECT page_host || page_path AS path, count(*) AS sessions FROM contexts WHERE page_host || page_path <> ''
GROUP BY 1 ORDER BY sessions DESC, path LIMIT ${MAVE_PAGES_MAX}`;
  return bound('mave_pages', text, params.values);
}
