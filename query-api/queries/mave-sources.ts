// The pages on which sessions were watched long enough, by bucket.
import { type Bound, bound, paramList } from './bound.ts';
import { MAVE_ROWS_MAX, type MaveChoice, maveSessions } from './mave-sessions.ts';

export type MaveSourceRow = { bucket: number; host: string; path: string; views: number };

export function maveSources(choice: MaveChoice, minWatchMs: number): Bound<MaveSourceRow> {
  const params = paramList();
  const columns = [
    { name: 'host', sql: 'page_host' },
    { name: 'path', sql: 'page_path' },
  ];
  const chosen = maveSessions(choice, columns, params);
  const text = `WITH ${chosen}
SELECT bucket, host, path, count(*) AS views FROM chosen WHERE total_watch_ms >= ${params.add(minWatchMs)}::int8
GROUP BY bucket, host, path ORDER BY bucket, views DESC, host, path LIMIT ${MAVE_ROWS_MAX + 1}`;
  return bound('mave_sources', text, params.values);
}
