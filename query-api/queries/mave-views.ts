// Sessions that were watched long enough, by bucket, with what was watched and on what.

import { BROWSER_WORDS, DEVICE_WORDS, PLATFORM_WORDS, type Words } from '../core/mave-words.ts';
import { type Bound, bound, type ParamList, paramList } from './bound.ts';
import { contextColumn } from './combined.ts';
import { MAVE_ROWS_MAX, type MaveChoice, maveSessions } from './mave-sessions.ts';

export type MaveViewsRow = {
  bucket: number;
  views: number;
  total_watch_ms: number;
  unique_watch_ms: number;
  /** Sessions per word of core/mave-words.ts, in its order. */
  platforms: number[];
  devices: number[];
  browsers: number[];
};

export function maveViews(choice: MaveChoice, minWatchMs: number): Bound<MaveViewsRow> {
  const params = paramList();
  const columns = (['platform', 'device', 'browser'] as const).map((name) => contextColumn({ kind: 'plain', name }, name, params));
  const chosen = maveSessions(choice, columns, params);
  const text = `WITH ${chosen}
SELECT bucket, count(*) AS views, sum(total_watch_ms)::int8 AS total_watch_ms, sum(unique_watch_ms)::int8 AS unique_watch_ms,
  ${countsPer('platform', PLATFORM_WORDS, params)} AS platforms, ${countsPer('device', DEVICE_WORDS, params)} AS devices,
  ${countsPer('browser', BROWSER_WORDS, params)} AS browsers
FROM chosen WHERE total_watch_ms >= ${params.add(minWatchMs)}::int8 GROUP BY bucket ORDER BY bucket LIMIT ${MAVE_ROWS_MAX + 1}`;
  return bound('mave_views', text, params.values);
}

/** An array of counts, one per word. */
export function countsPer(column: string, words: Words, params: ParamList): string {
  const counts = words.map(([, patterns]) => `count(*) FILTER (WHERE ${column} LIKE ANY (${params.add(patterns)}::text[]))::int4`);
  return `ARRAY[${counts.join(', ')}]`;
}
