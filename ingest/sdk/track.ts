// The SDK's public door: `track` joins a media element, the observer that measures it and the queue that delivers, and follows
// the life of the page. Keeps no cookie and writes to no storage: what the page forgets, we forget.

import { HEARTBEAT_LEAST_MS, HEARTBEAT_MS, VideoObserver } from './observe.ts';
import { browserPlatform, randomId } from './platform.ts';
import { BeaconQueue, type BeaconSource, bytesOf, NEVER } from './queue.ts';
import type { HlsPlayer, Tracker, TrackOptions, VideoInfo } from './types.ts';

export type { HlsPlayer, Tracker, TrackOptions, VideoInfo } from './types.ts';

const META_BYTES_MAX = 16_000;
const EVENT_NAME_BYTES_MAX = 64;
const EVENT_DATA_BYTES_MAX = 2_000;

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
  const url = `${options.endpoint.replace(/(\/v1\/beacons)?\/*$/, '')}/v1/beacons`;
  const platform = browserPlatform(url);
  const stopping = new AbortController();
  const { signal } = stopping;
  let info = options.video;
  let session = randomId();
  let queue = new BeaconQueue(platform);
  let source = videoSource(video, options, session, info);
  let droppedBefore = 0;
  const observer = new VideoObserver(video, {
    now: platform.now,
    after: platform.after,
    emit: (event, urgent) => queue.push(source, event, urgent),
    onMetadata: () => {
      source.version++;
    },
    heartbeatMs: Math.max(HEARTBEAT_LEAST_MS, options.heartbeatMs ?? HEARTBEAT_MS),
    signal,
  });
  if (options.hls) followHls(options.hls, observer);
  followScreen(video, observer, signal);

  const onHide = (): void => {
    observer.leave();
    queue.handOver();
  };
  const onShow = ({ persisted }: PageTransitionEvent): void => {
    // Back from the cache: the old session said goodbye, so this is another one.
    if (!persisted || signal.aborted) return;
    droppedBefore += queue.dropped;
    session = randomId();
    queue = new BeaconQueue(platform);
    source = videoSource(video, options, session, info);
    observer.begin();
    observer.join();
  };
  const onVisibility = (): void => {
    if (document.visibilityState !== 'hidden') return;
    observer.heartbeat();
    // Not by sendBeacon: this request too outlives the page, and tells its outcome if the page lives on.
    queue.flush();
  };
  // These three stay after stop(), until the queue is delivered or the page gone.
  addEventListener('pagehide', onHide);
  addEventListener('pageshow', onShow);
  addEventListener('online', () => queue.online());
  document.addEventListener('visibilitychange', onVisibility, { signal });

  return {
    get session() {
      return session;
    },
    get dropped() {
      return droppedBefore + queue.dropped;
    },
    event(name, data) {
      if (signal.aborted || !name || bytesOf(name) > EVENT_NAME_BYTES_MAX) return false;
      if (bytesOf(JSON.stringify(data) ?? '') > EVENT_DATA_BYTES_MAX) return false;
      observer.emit({ type: 'custom', name, data });
      return true;
    },
    setVideo(next) {
      if (signal.aborted) return;
      observer.leave();
      info = next;
      source = videoSource(video, options, session, info);
      observer.begin();
    },
    stop() {
      if (signal.aborted) return;
      observer.leave();
      stopping.abort();
      queue.flush();
    },
  };
}
