// Sessions playing now: from the figures that the processor keeps per video, or, where metadata of the session decide, from open sessions.
import { type Bound, bound, paramList } from './bound.ts';

export type MaveWatchingRow = { watching: number };

/** `videos` empty = every video. */
export function maveWatching(choice: { site: string; videos: readonly string[]; sessionMeta: string | undefined }): Bound<MaveWatchingRow> {
  const params = paramList();
  const where = `site = ${params.add(choice.site)}::text AND ${choice.videos.length > 0 ? `video = ANY(${params.add(choice.videos)}::text[])` : "video <> ''"}`;
  if (choice.sessionMeta === undefined)
    return bound(
      'mave_watching',
      `SELECT coalesce(sum(viewers), 0)::int8 AS watching FROM live_viewers WHERE ${where} AND viewers > 0`,
      params.values,
    );
  const text = `SELECT count(DISTINCT (session, video, started_at)) AS watching FROM open_sessions
WHERE ${where} AND playing AND meta @> ${params.add(choice.sessionMeta)}::jsonb`;
  return bound('mave_watching_by_meta', text, params.values);
}
