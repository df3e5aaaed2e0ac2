// What a flush publishes besides final rows: open sessions, live viewers, videos. None of it is needed for a correct result, so it
// is written under a budget and left out when it stands in the way.

import { isStream } from '../schemas/door-sessions.ts';
import type { SessionPart } from '../schemas/session.ts';
import type { Output } from './core/outputs.ts';
import type { LiveViewers, PartitionState, SessionKey } from './core/partition.ts';
import { countLiveViewers, FOLD_VERSION, streamTime, takeChanged, takeGone } from './core/partition.ts';
import { json, type OpenRow, text } from './rows.ts';
import { clearLiveViewers } from './sql/clear-live-viewers.ts';
import { clearOpenSessions } from './sql/clear-open-sessions.ts';
import { deleteOpenSessions } from './sql/delete-open-sessions.ts';
import { raiseLiveMinutes } from './sql/raise-live-minutes.ts';
import { upsertVideos } from './sql/upsert-videos.ts';
import { writeLiveViewers } from './sql/write-live-viewers.ts';
import { type PreparedStatement, prepared } from './statements.ts';

const MINUTE_MS = 60_000;
/** A video whose facts have not changed is written again only when it was seen this much later. */
const VIDEO_SEEN_STEP_MS = 60_000;
/** Videos a task remembers as written; when it is full all are forgotten and written once more. */
const VIDEOS_REMEMBERED_MAX = 20_000;

export type VideoFacts = {
  site: string;
  id: string;
  title: string;
  durationMs: number;
  live: number;
  meta: string;
  firstSeenAt: number;
  lastSeenAt: number;
};
export type LiveRewrite = {
  viewers: readonly LiveViewers[] | undefined;
  minuteAt: number;
  minutes: readonly { site: string; viewers: number }[];
};
export type Provisional = { open: OpenRow[]; gone: SessionKey[]; live: LiveRewrite | undefined };

/** Remembers what was published last, so that only changes are written. One per state; starts empty with it. */
export class Publisher {
  #live = '';
  #minuteAt = -1;
  readonly #minuteViewers = new Map<string, number>();
  readonly #videos = new Map<string, { facts: string; lastSeenAt: number }>();

  /** Changed sessions within the budget, and the live figures if they moved. */
  take(state: PartitionState, rowsMax: number): Provisional {
    const appendAt = streamTime(state);
    // A stream is no session of a viewer: nobody asks for it while it runs.
    const changed = takeChanged(state, rowsMax).filter(({ part }) => !isStream(part.context.protocol));
    const open = changed.map(({ part, playing }) => ({ part, playing, appendAt, foldVersion: FOLD_VERSION }));
    return { open, gone: takeGone(state), live: this.#takeLive(state, appendAt) };
  }

  #takeLive(state: PartitionState, streamTimeMs: number): LiveRewrite | undefined {
    if (streamTimeMs < 0) return undefined;
    const viewers = countLiveViewers(state);
    const minuteAt = Math.floor(streamTimeMs / MINUTE_MS) * MINUTE_MS;
    if (minuteAt !== this.#minuteAt) {
      this.#minuteAt = minuteAt;
      this.#minuteViewers.clear();
    }
    const bySite = new Map<string, number>();
    for (const each of viewers) bySite.set(each.site, (bySite.get(each.site) ?? 0) + each.viewers);
    const minutes = [...bySite]
      .map(([site, count]) => ({ site, viewers: count }))
      .filter((each) => each.viewers > (this.#minuteViewers.get(each.site) ?? 0));
    for (const each of minutes) this.#minuteViewers.set(each.site, each.viewers);
    const shown = JSON.stringify(viewers);
    const moved = shown !== this.#live;
    this.#live = shown;
    return moved || minutes.length > 0 ? { viewers: moved ? viewers : undefined, minuteAt, minutes } : undefined;
  }

  /** Facts about videos that are new or were seen noticeably later, latest last, one row per video in key order. */
  takeVideos(outputs: readonly Output[], open: readonly OpenRow[]): VideoFacts[] {
    const latest = new Map<string, VideoFacts>();
    for (const output of outputs) if (output.kind === 'sealed') this.#see(latest, output.part);
    for (const { part } of open) this.#see(latest, part);
    const changed = [...latest].filter(([key, video]) => this.#isNews(key, video));
    return changed.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, video]) => video);
  }

  #see(latest: Map<string, VideoFacts>, part: SessionPart): void {
    if (part.video === '') return;
    const key = `${part.site}\0${part.video}`;
    const { title, durationMs, live, meta } = part.context;
    const seen = latest.get(key);
    const newer = seen === undefined || part.endedAt >= seen.lastSeenAt;
    latest.set(key, {
      site: part.site,
      id: part.video,
      title: title !== '' && (newer || seen.title === '') ? title : (seen?.title ?? ''),
      durationMs: durationMs > 0 && (newer || seen.durationMs <= 0) ? durationMs : (seen?.durationMs ?? -1),
      live: live >= 0 && (newer || seen.live < 0) ? live : (seen?.live ?? -1),
      meta: meta !== '' && (newer || seen.meta === '') ? meta : (seen?.meta ?? ''),
      firstSeenAt: Math.min(part.startedAt, seen?.firstSeenAt ?? part.startedAt),
      lastSeenAt: Math.max(part.endedAt, seen?.lastSeenAt ?? part.endedAt),
    });
  }

  #isNews(key: string, video: VideoFacts): boolean {
    const facts = JSON.stringify([video.title, video.durationMs, video.live, video.meta]);
    const written = this.#videos.get(key);
    if (written !== undefined && written.facts === facts && video.lastSeenAt < written.lastSeenAt + VIDEO_SEEN_STEP_MS) return false;
    if (this.#videos.size >= VIDEOS_REMEMBERED_MAX) this.#videos.clear();
    this.#videos.set(key, { facts, lastSeenAt: video.lastSeenAt });
    return true;
  }
}

/** Removes the provisional rows that end or are replaced in this flush; runs before its COPYs. */
export function goneStatements(options: {
  partition: number;
  clear: boolean;
  outputs: readonly Output[];
  open: readonly OpenRow[];
  gone: readonly SessionKey[];
}): PreparedStatement[] {
  const { partition, outputs, open, gone } = options;
  if (options.clear) return [prepared(clearOpenSessions, [partition])];
  const keys: SessionKey[] = [...gone, ...open.map(({ part }) => part)];
  for (const output of outputs) if (output.kind === 'sealed') keys.push(output.part);
  if (keys.length === 0) return [];
  return [
    prepared(deleteOpenSessions, [
      partition,
      keys.map((key) => text(key.site)),
      keys.map((key) => text(key.session)),
      keys.map((key) => text(key.video)),
      keys.map((key) => key.part),
    ]),
  ];
}

/** Live figures of the partition. */
export function liveStatements(partition: number, live: LiveRewrite | undefined): PreparedStatement[] {
  if (live === undefined) return [];
  const statements: PreparedStatement[] = [];
  if (live.viewers !== undefined) {
    statements.push(prepared(clearLiveViewers, [partition]));
    const some = live.viewers.filter((each) => each.viewers > 0);
    if (some.length > 0) {
      const params = [
        partition,
        some.map((each) => text(each.site)),
        some.map((each) => text(each.video)),
        some.map((each) => each.viewers),
      ] as const;
      statements.push(prepared(writeLiveViewers, [...params]));
    }
  }
  if (live.minutes.length > 0) {
    const { minutes, minuteAt } = live;
    statements.push(
      prepared(raiseLiveMinutes, [partition, minuteAt, minutes.map((each) => text(each.site)), minutes.map((each) => each.viewers)]),
    );
  }
  return statements;
}

/** Facts about videos, in the order given (key order). */
export function videoStatements(videos: readonly VideoFacts[]): PreparedStatement[] {
  if (videos.length === 0) return [];
  return [
    prepared(upsertVideos, [
      videos.map((video) => text(video.site)),
      videos.map((video) => text(video.id)),
      videos.map((video) => text(video.title)),
      videos.map((video) => (video.durationMs > 0 ? video.durationMs : null)),
      videos.map((video) => (video.live < 0 ? null : video.live === 1)),
      videos.map((video) => json(video.meta, '{}')),
      videos.map((video) => video.firstSeenAt),
      videos.map((video) => video.lastSeenAt),
    ]),
  ];
}
