// What a site knows of its videos (length, live or not), for doors whose players do not say it. Only videos that are asked for are read;
// an answer is at most one interval old. While the database is away the last known ones stay in force.
import { LRUCache } from 'lru-cache';
import { messageOf } from '../infra/runtime/errors.ts';
import type { Scheduler, Statement } from '../infra/runtime/ports.ts';
import { PEERTUBE_NUMBER_KEY } from '../schemas/peertube-ids.ts';

type Row = { site: string; asked: string; id: string; duration_ms: number | null; live: boolean | null };

/** A number may stand for a video whose site has pinned it in the metadata; that reading comes first. */
export const selectVideos: Statement<[sites: readonly string[], ids: readonly string[]], Row> = {
  name: 'select-known-videos',
  text: `SELECT a.site, a.asked, v.id, v.duration_ms, v.live FROM unnest($1::text[], $2::text[]) AS a(site, asked)
CROSS JOIN LATERAL (
  SELECT id, duration_ms, live FROM (
    SELECT id, duration_ms, live, 1 AS place FROM videos WHERE site = a.site AND id = a.asked
    UNION ALL
    SELECT id, duration_ms, live, 0 FROM videos
    WHERE a.asked ~ '^[1-9][0-9]{0,9}$' AND site = a.site
      AND meta ? '${PEERTUBE_NUMBER_KEY}' AND meta ->> '${PEERTUBE_NUMBER_KEY}' = a.asked AND 'meta' = ANY(pinned)
  ) x ORDER BY place LIMIT 1
) v`,
};

/** A known video; `durationMs` -1 = unknown, `live` 1 yes, 0 no, -1 unknown. */
export type KnownVideo = { id: string; durationMs: number; live: number };

/** undefined = the site has no such video; `unavailable` = never read, and the database does not answer. */
export type VideoAnswer = KnownVideo | undefined | 'unavailable';

export type VideosDeps = {
  query: (statement: typeof selectVideos, params: [readonly string[], readonly string[]]) => Promise<Row[]>;
  scheduler: Pick<Scheduler, 'monotonicMs'>;
  /** Greatest age of an answer. */
  refreshIntervalMs: number;
  logger: { warn(fields: object, message: string): void };
};

export type Videos = { find(site: string, id: string): Promise<VideoAnswer> };

/** Videos remembered; the longest unasked are forgotten, and read again when they are asked for. */
export const VIDEOS_KNOWN_MAX = 50_000;
/** Videos read by one statement. */
const BATCH_MAX = 500;
/** After a failed read nothing is asked for so long. */
const FAILURE_PAUSE_MS = 1_000;

type Entry = { site: string; id: string; readAt: number; known: KnownVideo | undefined };

/** One statement at a time: those who ask while it runs share the next one. */
export function createVideos(deps: VideosDeps): Videos {
  const entries = new LRUCache<string, Entry>({ max: VIDEOS_KNOWN_MAX });
  const wanted = new Map<string, { site: string; id: string }>();
  let next: Promise<void> | undefined;
  let running: Promise<void> = Promise.resolve();
  let pausedUntil = Number.NEGATIVE_INFINITY;

  const read = async (): Promise<void> => {
    next = undefined;
    const asked = [...wanted.values()];
    wanted.clear();
    if (deps.scheduler.monotonicMs() < pausedUntil) return;
    try {
      for (let i = 0; i < asked.length; i += BATCH_MAX) await readBatch(deps, entries, asked.slice(i, i + BATCH_MAX));
    } catch (thrown) {
      pausedUntil = deps.scheduler.monotonicMs() + FAILURE_PAUSE_MS;
      deps.logger.warn({ error: messageOf(thrown) }, 'videos could not be read; the last known ones stay in force');
    }
  };
  return {
    async find(site, id) {
      const key = `${site}\n${id}`;
      const entry = entries.get(key);
      if (entry !== undefined && deps.scheduler.monotonicMs() - entry.readAt < deps.refreshIntervalMs) return entry.known;
      wanted.set(key, { site, id });
      next ??= running.then(() => {
        running = read();
        return running;
      });
      await next;
      const found = entries.get(key);
      return found === undefined ? 'unavailable' : found.known;
    },
  };
}

async function readBatch(
  deps: VideosDeps,
  entries: LRUCache<string, Entry>,
  asked: readonly { site: string; id: string }[],
): Promise<void> {
  const readAt = deps.scheduler.monotonicMs();
  const rows = await deps.query(selectVideos, [asked.map(({ site }) => site), asked.map(({ id }) => id)]);
  const found = new Map(rows.map((row) => [`${row.site}\n${row.asked}`, row]));
  for (const { site, id } of asked) {
    const key = `${site}\n${id}`;
    const row = found.get(key);
    const live = row === undefined || row.live === null ? -1 : Number(row.live);
    entries.set(key, {
      site,
      id,
      readAt,
      known:
        row === undefined ? undefined : { id: row.id, durationMs: (row.duration_ms ?? 0) > 0 ? (row.duration_ms as number) : -1, live },
    });
  }
}
