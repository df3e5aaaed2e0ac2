// Streams for events that belong to no session: each gateway puts a site's events into a stream of its own, and begins another after so
// many events or so long. Streams are short, so that the fold remembers all of their events and a record that the log holds twice counts
// once; they are new ids, so that events spread over the partitions.
import { LRUCache } from 'lru-cache';

/** Events of one stream: fewer than the fold remembers of one (FoldSettings.recentEventsMax). */
export const STREAM_EVENTS_MAX = 100;
/** A stream is left after this long: well before it would be sealed as idle. */
export const STREAM_LIFE_MS = 600_000;
/** Sites whose running stream is remembered; a forgotten one just begins another. */
const SITES_MAX = 10_000;

export type EventStreams = {
  /** A place that no other event has: the stream's id, and a mark within it. */
  next(site: string): { id: string; mark: string };
};

type Stream = { id: string; events: number; openedAtMs: number };

export function createEventStreams(deps: { uuid: () => string; monotonicMs: () => number }): EventStreams {
  const streams = new LRUCache<string, Stream>({ max: SITES_MAX });
  return {
    next(site) {
      const now = deps.monotonicMs();
      let stream = streams.get(site);
      if (stream === undefined || stream.events >= STREAM_EVENTS_MAX || now - stream.openedAtMs >= STREAM_LIFE_MS) {
        stream = { id: deps.uuid().replaceAll('-', ''), events: 0, openedAtMs: now };
        streams.set(site, stream);
      }
      stream.events += 1;
      return { id: stream.id, mark: String(stream.events) };
    },
  };
}
