// What the SDK promises to pages (TrackOptions, Tracker) and what it asks of a browser (Platform, VideoElement).
// The two last are structural, so that the queue and the observer run, and are tested, without a browser. Imports nothing.

/** What the page says about a video; `id` is yours and at most 256 bytes. Positions and durations are integer ms. */
export type VideoInfo = {
  id: string;
  title?: string;
  /** Left out: read from the element as soon as it knows. */
  durationMs?: number;
  live?: boolean;
};

/** The part of an hls.js instance the optional adapter uses. */
export type HlsPlayer = {
  levels: readonly { bitrate?: number; width?: number; height?: number; videoCodec?: string | undefined }[];
  // biome-ignore lint/suspicious/noExplicitAny: hls.js types each event's listener differently; any of its versions must fit.
  on(event: any, listener: (event: any, data: any) => void): void;
};

export type TrackOptions = {
  /** Address of the gateway, for example `https://beacons.example.org`; `/v1/beacons` is added if missing. */
  endpoint: string;
  /** Write key, `pk_…`. Public: it names the site. */
  key: string;
  video: VideoInfo;
  /** JSON scalars to break figures down by; at most 16 kB as JSON, more is left out. Nothing that names a person. */
  meta?: Record<string, string | number | boolean>;
  player?: { name: string; version?: string };
  /** Time between heartbeats while playing; default 5000, at least 1000. */
  heartbeatMs?: number;
  /** True: nothing is recorded or sent where the browser asks for Do-Not-Track or Global Privacy Control. Default false. */
  respectDoNotTrack?: boolean;
  /** An hls.js instance: adds bitrate and codec of renditions, and its fatal errors. */
  hls?: HlsPlayer;
};

/** What `track` returns. */
export type Tracker = {
  /** Id of the current session, 128 random bits; '' where tracking is off. A return from the back-forward cache begins a new one. */
  readonly session: string;
  /** Events that could not be delivered and were given up: queue full, too old, or refused by the gateway. */
  readonly dropped: number;
  /** A custom event, `name` at most 64 bytes, `data` at most 2 kB as JSON. False: too large or no longer tracking, nothing was sent. */
  event(name: string, data?: unknown): boolean;
  /** Call where the element gets another source: leaves the old video and goes on with the next in the same session. */
  setVideo(video: VideoInfo): void;
  /** Leaves the session and detaches; what is queued is still delivered. */
  stop(): void;
};

/** Fields of an event on the wire, without its number; an undefined field does not travel. Source: api.md section 2. */
export type EventFields = {
  type: string;
  /** Client clock, epoch ms. */
  at: number;
  positionMs?: number | undefined;
  fromMs?: number | undefined;
  toMs?: number | undefined;
  rate?: number | undefined;
  bitrateBps?: number | undefined;
  width?: number | undefined;
  height?: number | undefined;
  codec?: string | undefined;
  code?: string | undefined;
  message?: string | undefined;
  fatal?: boolean | undefined;
  on?: boolean | undefined;
  language?: string | undefined;
  level?: number | undefined;
  muted?: boolean | undefined;
  name?: string | undefined;
  data?: unknown;
};

/** What the gateway said: HTTP status, and how long it asked us to wait (ms, 0 = it did not say). */
export type Reply = { status: number; retryAfterMs: number };

/** Everything the SDK takes from a browser apart from the element. */
export type Platform = {
  /** Epoch ms that never steps: the wall clock once, then monotonic. */
  now(): number;
  /** Returns the cancel. */
  after(ms: number, run: () => void): () => void;
  /** [0, 1). */
  random(): number;
  /** Sends and waits for the answer; rejects if there was none. */
  post(body: string): Promise<Reply>;
  /** Hands over to the browser, which sends even if the page dies; false = not taken. */
  beacon(body: string): boolean;
};

/** The part of HTMLVideoElement the observer uses. */
export type VideoElement = {
  readonly currentTime: number;
  readonly duration: number;
  readonly paused: boolean;
  readonly ended: boolean;
  readonly seeking: boolean;
  readonly readyState: number;
  readonly playbackRate: number;
  readonly volume: number;
  readonly muted: boolean;
  readonly videoWidth: number;
  readonly videoHeight: number;
  readonly error: { readonly code: number; readonly message: string } | null;
  // biome-ignore lint/suspicious/noExplicitAny: the DOM's overloads take any listener.
  addEventListener(type: string, listener: (event: any) => void, options: { capture: boolean; signal: AbortSignal }): void;
};
