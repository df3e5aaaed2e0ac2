// The SDK's public door: `track` joins a media element, the observer that measures it and the queue that delivers, and follows
// the life of the page. Keeps no cookie and writes to no storage: what the page forgets, we forget.

import { HEARTBEAT_LEAST_MS, HEARTBEAT_MS, VideoObserver } from './observe.ts';
import { browserPlatform, randomId } from './platform.ts';
import { BeaconQueue, type BeaconSource, bytesOf, NEVER } from './queue.ts';
import type { HlsPlayer, Platform, Tracker, TrackOptions, VideoInfo } from './types.ts';

export type { HlsPlayer, Tracker, TrackOptions, VideoInfo } from './types.ts';

const META_BYTES_MAX = 16_000;
const EVENT_NAME_BYTES_MAX = 64;
const EVENT_DATA_BYTES_MAX = 2_000;
const DRAIN_MS = 5_000;

const OFF: Tracker = { session: '', dropped: 0, event: () => false, setVideo() {}, stop() {} };

/** The address without what may be private: of the query only the campaign stays, nothing of the fragment. */
function pageAddress(): string {
  const campaign = new URLSearchParams([...new URLSearchParams(location.search)].filter(([name]) => name.startsWith('utm_')));
  return `${location.origin}${location.pathname}?${campaign}`;
}

const isRefused = (): boolean =>
  navigator.doNotTrack === '1' || (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl === true;

/** What is known about one video of one session; see BeaconSource. */
function videoSource(video: HTMLVideoElement, options: TrackOptions, session: string, info: VideoInfo): BeaconSource {
  const { key, meta, player = options.hls && { name: 'hls.js' } } = options;
  const context = {
    page: pageAddress(),
    referrer: document.referrer.replace(/[?#].*/, '') || undefined,
    player,
    meta: meta && bytesOf(JSON.stringify(meta)) <= META_BYTES_MAX ? meta : undefined,
  };
  return {
    version: 1,
    acceptedVersion: 0,
    head(full) {
      if (!full) return { key, session, video: { id: info.id } };
      const { duration } = video;
      const live = duration === NEVER || undefined;
      const durationMs = live ? undefined : Math.round(duration * 1000) || undefined;
      return { key, session, video: { durationMs, live, ...info }, ...context };
    },
  };
}

function followHls(hls: HlsPlayer, observer: VideoObserver): void {
  hls.on('hlsLevelSwitched', (_name, { level }: { level: number }) => {
    const { bitrate, width, height, videoCodec } = hls.levels[level] ?? {};
    observer.emitIfAsked({ type: 'quality', bitrateBps: bitrate, width, height, codec: videoCodec });
  });
  hls.on('hlsError', (_name, { details, fatal }: { details: string; fatal: boolean }) => {
    if (fatal) observer.emit({ type: 'error', code: details, fatal });
  });
}

function followScreen(video: HTMLVideoElement, observer: VideoObserver, signal: AbortSignal): void {
  let full = false;
  const onFullscreen = (on: boolean): void => {
    if (on !== full) observer.emitIfAsked({ type: 'fullscreen', on });
    full = on;
  };
  document.addEventListener('fullscreenchange', () => onFullscreen(document.fullscreenElement?.contains(video) ?? false), { signal });
  // iPhones know fullscreen only for the element itself.
  video.addEventListener('webkitbeginfullscreen', () => onFullscreen(true), { signal });
  video.addEventListener('webkitendfullscreen', () => onFullscreen(false), { signal });
  let shown = '';
  video.textTracks.addEventListener(
    'change',
    () => {
      const track = [...video.textTracks].find(({ mode, kind }) => mode === 'showing' && /captions|subtitles/.test(kind));
      const language = track ? track.language || 'und' : '';
      if (language !== shown) observer.emitIfAsked({ type: 'captions', on: language !== '', language: language || undefined });
      shown = language;
    },
    { signal },
  );
}

/** Both limits are the gateway's: beyond them an event would become a dead letter. */
const isSendable = (name: string, data: unknown): boolean =>
  name !== '' && bytesOf(name) <= EVENT_NAME_BYTES_MAX && bytesOf(JSON.stringify(data) ?? '') <= EVENT_DATA_BYTES_MAX;

/** After stop() the page is followed until the queue is empty, then nothing holds the element any more. */
function whenEmpty(queue: BeaconQueue, platform: Platform, run: () => void): void {
  if (queue.length > 0) platform.after(DRAIN_MS, () => whenEmpty(queue, platform, run));
  else run();
}

/** A page's time with one element, from showing it to hiding it. */
type Session = { id: string; queue: BeaconQueue; source: BeaconSource };

type PageLife = { hide(): void; show(): void; cover(): void; online(): void };

/** hide: the page goes, perhaps into the back-forward cache; show: it came back from there, the old session having left. */
function followPage(signal: AbortSignal, { hide, show, cover, online }: PageLife): void {
  addEventListener('pagehide', hide, { signal });
  addEventListener('pageshow', ({ persisted }) => persisted && show(), { signal });
  addEventListener('online', online, { signal });
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && cover(), { signal });
}

/**
 * Measures a media element until `stop()` or the end of the page.
 *
 * Source of the events: api.md section 2. Throws nothing and never touches the element's state.
 * @example
 * const tracker = track(document.querySelector('video'), {
 *   endpoint: 'https://beacons.example.org',
 *   key: 'pk_demo',
 *   video: { id: 'intro', title: 'Intro' },
 *   meta: { plan: 'free' },
 * });
 * tracker.event('chapter', { number: 2 });
 */
export function track(video: HTMLVideoElement, options: TrackOptions): Tracker {
  if (options.respectDoNotTrack && isRefused()) return OFF;
  const platform = browserPlatform(`${options.endpoint.replace(/(\/v1\/beacons)?\/*$/, '')}/v1/beacons`);
  const stopping = new AbortController();
  const gone = new AbortController();
  const { signal } = stopping;
  let info = options.video;
  let dropped = 0;
  const openSession = (): Session => {
    const id = randomId();
    return { id, queue: new BeaconQueue(platform), source: videoSource(video, options, id, info) };
  };
  let session = openSession();
  const observer = new VideoObserver(video, {
    ...platform,
    emit: (event, urgent) => session.queue.push(session.source, event, urgent),
    onMetadata: () => {
      session.source.version++;
    },
    heartbeatMs: Math.max(HEARTBEAT_LEAST_MS, options.heartbeatMs ?? HEARTBEAT_MS),
    signal,
  });
  if (options.hls) followHls(options.hls, observer);
  followScreen(video, observer, signal);
  followPage(gone.signal, {
    hide() {
      observer.leave();
      session.queue.handOver();
    },
    show() {
      if (signal.aborted) return;
      dropped += session.queue.dropped;
      session = openSession();
      observer.begin();
      observer.join();
    },
    cover() {
      observer.heartbeat();
      // Not by sendBeacon: this request too outlives the page, and tells its outcome if the page lives on.
      session.queue.flush();
    },
    online: () => session.queue.online(),
  });
  return {
    get session() {
      return session.id;
    },
    get dropped() {
      return dropped + session.queue.dropped;
    },
    event(name, data) {
      const sendable = !signal.aborted && isSendable(name, data);
      if (sendable) observer.emit({ type: 'custom', name, data });
      return sendable;
    },
    setVideo(next) {
      if (signal.aborted) return;
      observer.leave();
      info = next;
      session.source = videoSource(video, options, session.id, info);
      observer.begin();
    },
    stop() {
      observer.leave();
      stopping.abort();
      session.queue.flush();
      whenEmpty(session.queue, platform, () => gone.abort());
    },
  };
}
